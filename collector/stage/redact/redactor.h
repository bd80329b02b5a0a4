/* redactor.h - the engine behind all redacting stages: rules over names and values, applied to everything
 * that a record carries. What depends on names is worked out once per call site, logger and process. */
#ifndef COLLECTOR_STAGE_REDACT_REDACTOR_H
#define COLLECTOR_STAGE_REDACT_REDACTOR_H

#include "collector/stage/redact/json_mask.h"
#include "collector/stage/stage.h"

enum redact_guardrail {
    GUARDRAIL_REPLACE, /* what lies beyond the limit is masked */
    GUARDRAIL_WARN,    /* it is left, and the record counts as failed: fail_mode decides */
    GUARDRAIL_DROP,    /* the record is dropped */
};

/* Options that every redactor has. */
struct redact_common {
    const char *mask;
    uint32_t fail_mode;    /* enum stage_failure */
    uint32_t guardrail;    /* enum redact_guardrail */
    uint64_t max_depth, max_keys;
    bool block_unredactable;
    bool message;
};

struct redact_setup {
    struct names *names;   /* both are taken over; NULL: none */
    struct values *values;
    const char *block;     /* what NAME_BLOCK puts; NULL: the mask */
    uint64_t max_string;   /* OPT_UNSET: none */
    bool other_texts;      /* names of threads too */
};

struct redactor;

/* Takes a cache slot and the setup, also when it fails. */
int redactor_new(struct stage *s, const struct redact_common *c, struct redact_setup *setup, struct redactor **ret,
                 struct err *e);
void redactor_free(struct redactor *rd);
enum stage_verdict redactor_run(struct redactor *rd, struct stage_record *sr);
void redact_setup_free(struct redact_setup *setup);

/* A mask goes into JSON text as it is. */
int redact_check_mask(const char *name, const char *mask, struct err *e);

#endif
