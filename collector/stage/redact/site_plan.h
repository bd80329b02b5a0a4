/* site_plan.h - what is to be done to the records of one call site: one allocation in the site's cache. */
#ifndef COLLECTOR_STAGE_REDACT_SITE_PLAN_H
#define COLLECTOR_STAGE_REDACT_SITE_PLAN_H

#include "collector/stage/redact/treat.h"

struct site_plan {
    uint64_t id;            /* of the redactor */
    struct fapilog_text message; /* in place of a constant one that held something; data NULL: as it is */
    enum stage_verdict verdict;  /* on what is the same for every record */
    bool renders;           /* printf-style: its text is to be looked at */
    uint16_t count;
    struct site_plan_step {
        uint16_t field;
        uint8_t step, place;
    } step[];
};

/* NULL: no memory. The verdict on what is constant goes into the plan, not into the treatment. */
const struct site_plan *site_plan_make(struct treatment *t, const struct fapilog_record *r);

/* The name in front of each argument of a printf-style message: "token" of "token=%s". Empty where there is
 * none. `ret` has room for count names. */
void site_plan_argument_names(struct fapilog_text format, struct fapilog_text *ret, uint32_t count);

#endif
