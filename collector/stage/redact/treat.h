/* treat.h - what a redactor does to one value. Private to the engine. */
#ifndef COLLECTOR_STAGE_REDACT_TREAT_H
#define COLLECTOR_STAGE_REDACT_TREAT_H

#include "collector/stage/redact/redactor.h"

struct redactor {
    struct stage *stage;
    uint64_t out_of_time; /* records whose patterns took too long */
    struct redact_setup setup;
    struct json_mask_rules json;
    enum redact_guardrail guardrail;
    bool block_unredactable, message, wants_text, wants_json, wants_number;
    const struct value_filter *filter; /* where looks are all that a text is judged by; NULL: it is not so */
    unsigned slot;
    uint64_t id; /* tells what this redactor has cached from what an earlier one has */
};

enum treat_step { STEP_NONE, STEP_MASK, STEP_BLOCK, STEP_TEXT, STEP_BYTES, STEP_JSON, STEP_NUMBER };

struct treatment {
    const struct redactor *rd;
    struct json_mask_memory memory;
    enum stage_verdict verdict; /* the worst so far */
    struct name_path path;
};

void treatment_start(struct treatment *t, const struct redactor *rd, struct stage_record *sr);
void treatment_worse(struct treatment *t, enum stage_verdict v);
/* What is to be done to values of this name and type. */
enum treat_step treat_step_for(struct treatment *t, struct fapilog_text name, uint8_t type, uint8_t place);
/* Whether the value changes; it does in *ret. */
bool treat_field(struct treatment *t, const struct fapilog_field *f, enum treat_step step, uint8_t place,
                 struct fapilog_field *ret);
bool treat_text(struct treatment *t, struct fapilog_text text, struct fapilog_text *ret);
uint8_t treat_place(const struct fapilog_field *f, bool is_bound_to_thread);

#endif
