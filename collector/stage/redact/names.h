/* names.h - which names are to be masked. One set of rules per redactor: single names, dotted paths,
 * suffixes, patterns; docs/stages/redact.md says what each matches. What was decided about a path is
 * remembered, so that a name costs one look-up from then on. */
#ifndef COLLECTOR_STAGE_REDACT_NAMES_H
#define COLLECTOR_STAGE_REDACT_NAMES_H

#include "collector/stage/redact/name_path.h"
#include "lib/base/err.h"

enum name_action {
    NAME_PASS,
    NAME_MASK,
    NAME_BLOCK, /* as mask, with a text of its own */
};

enum names_pattern {
    NAMES_PATTERN_WHOLE, /* matches the whole dotted path, with or without data., context., diagnostics. */
    NAMES_PATTERN_FIND,  /* is found anywhere in it */
    NAMES_PATTERN_FIND_DATA, /* the same, but not in what enrichers add: a pod's name is no person's */
};

struct names;

struct names *names_new(void);
void names_free(struct names *n);
bool names_is_empty(const struct names *n);
bool names_want_indices(const struct names *n); /* some rule names places in lists */

/* 0, -EINVAL with the reason, -ENOMEM. */
int names_add(struct names *n, const char *rule, enum name_action action, struct err *e);
int names_add_suffix(struct names *n, const char *suffix, struct err *e);
int names_add_pattern(struct names *n, const char *pattern, enum names_pattern kind, bool is_unsafe, struct err *e);
/* A name that no rule applies to. */
int names_allow(struct names *n, const char *name, struct err *e);

/* What becomes of the value at this path. A pattern that hits its match limit counts as hit. */
enum name_action names_decide(struct names *n, const struct name_path *p);
/* The same for a single name, as in the text "password=...". */
enum name_action names_decide_word(struct names *n, const char *name, uint32_t len);

#endif
