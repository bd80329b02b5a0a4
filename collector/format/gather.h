/* gather.h - the fields of a record as one list: the logger's bound fields, the thread's context and
 * the fields of the call, without duplicates (the call wins over the context, the context over the
 * logger), split into data and those that have a role (trace_id, user_id ...). */
#ifndef COLLECTOR_FORMAT_GATHER_H
#define COLLECTOR_FORMAT_GATHER_H

#include <fapilog/reader.h>

enum {
    GATHER_MAX = 512,         /* fields of one record, all sources; more are cut and counted */
    GATHER_NAMES_BYTES = 4096 /* names that had to be repaired */
};

enum gather_source { GATHER_LOGGER, GATHER_CONTEXT, GATHER_CALL };

enum gather_order {
    GATHER_BYTES, /* by name, as bytes, which is the order of code points */
    GATHER_UTF16, /* by name, as UTF-16 code units (RFC 8785) */
    GATHER_CALL_FIRST, /* as given: call, context, logger */
};

struct gather_entry {
    struct fapilog_text name; /* valid UTF-8 */
    const struct fapilog_field *field;
    uint8_t source;
    uint8_t role;
    uint16_t index; /* in its source */
};

struct gather {
    unsigned count;
    unsigned cut; /* fields left out because of GATHER_MAX */
    bool names_repaired;
    struct gather_entry entry[GATHER_MAX];
    struct gather_entry by_role[FAPILOG_ROLE_COUNT]; /* field is NULL where there is none */
    /* private */
    struct gather_entry spare[GATHER_MAX];
    char names[GATHER_NAMES_BYTES];
    unsigned names_used;
};

void gather_fields(struct gather *g, const struct fapilog_record *r, enum gather_order order);

/* The role that a field plays: its own, or that of its name. */
uint8_t gather_role(const struct fapilog_field *f);
struct fapilog_text gather_role_name(uint8_t role);
/* Order of two names; GATHER_CALL_FIRST counts as bytes. */
int gather_compare(struct fapilog_text a, struct fapilog_text b, enum gather_order order);
/* Arguments of a printf-style message are no data. */
bool gather_is_argument(const struct fapilog_record *r, const struct fapilog_field *f);

#endif
