/* front.h - what the redacting stages have in common: options, opening, running. Each stage is a table of
 * options and a function that makes rules of them. */
#ifndef COLLECTOR_STAGE_REDACT_FRONT_H
#define COLLECTOR_STAGE_REDACT_FRONT_H

#include "collector/stage/redact/redactor.h"

extern const struct opt_word redact_fail_modes[], redact_guardrails[];

enum { REDACT_DEPTH_MAX = 64 };

#define REDACT_MASK_OPT(T, c) \
    OPT_TEXT_ALIAS_(T, c.mask, "mask", "mask_string", "***", 0, "What stands in place of what was masked.")
#define REDACT_LIMIT_OPTS(T, c) \
    OPT_WORD_ALIAS_(T, c.fail_mode, "fail_mode", "redaction_fail_mode", "warn", redact_fail_modes, 0, \
                    "A record that could not be treated: open: goes on, warn: the same with a message, closed: " \
                    "dropped."), \
    OPT_WORD_(T, c.guardrail, "on_guardrail_exceeded", "replace_subtree", redact_guardrails, 0, \
              "What lies beyond max_depth or max_keys: replace_subtree: masked, warn: left, and fail_mode " \
              "decides, drop: the record is dropped."), \
    OPT_NUM_(OPT_UINT, T, c.max_depth, "max_depth", "16", 1, REDACT_DEPTH_MAX, 0, "Levels of JSON looked into."), \
    OPT_NUM_ALIAS_(OPT_UINT, T, c.max_keys, "max_keys", "max_keys_scanned", "1000", 1, 1000000, 0, \
                   "Keys looked at in one JSON value."), \
    OPT_BOOL_(T, c.block_unredactable, "block_on_unredactable", "true", 0, \
              "Mask JSON fields whole that hold no JSON; false: they are looked at as text.")

struct redact_front_state {
    struct redactor *redactor;
};

/* Makes the rules; setup is zeroed, and freed by the caller when this fails. */
typedef int redact_build_fn(const void *cfg, struct redact_setup *ret, struct err *e);

int redact_front_check(const void *cfg, const struct redact_common *c, redact_build_fn *build, struct err *e);
int redact_front_open(struct stage *s, const struct redact_common *c, redact_build_fn *build, struct err *e);
enum stage_verdict redact_front_run(struct stage *s, struct stage_record *sr);
void redact_front_close(struct stage *s);

/* The three functions of a stage whose configuration has its struct redact_common as `c`. */
#define REDACT_FRONT(kind) \
    static int kind##_check(void *cfg, struct err *e) \
    { \
        return redact_front_check(cfg, &((struct kind##_cfg *)cfg)->c, kind##_build, e); \
    } \
    static int kind##_open(struct stage *s, struct err *e) \
    { \
        return redact_front_open(s, &((struct kind##_cfg *)s->cfg)->c, kind##_build, e); \
    }
#define REDACT_FRONT_OPS(kind_) \
    .abi = STAGE_ABI, .kind = #kind_, .group = STAGE_REDACT, .changes = true, .opts = kind_##_opts, \
    .cfg_size = sizeof(struct kind_##_cfg), .state_size = sizeof(struct redact_front_state), \
    .check = kind_##_check, .open = kind_##_open, .run = redact_front_run, .close = redact_front_close

/* For build functions: */
int redact_add_names(struct names *n, const struct opt_list *list, enum name_action action, struct err *e);
int redact_add_patterns(struct names *n, const struct opt_list *list, bool is_unsafe, struct err *e);
int redact_add_values(struct values *v, const struct opt_list *list, bool is_unsafe, struct err *e);
/* Names of kinds to their bits; "all" is every one but assignment and url. */
int redact_take_kinds(const char *name, const struct opt_list *list, unsigned *ret, struct err *e);

#endif
