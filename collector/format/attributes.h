/* attributes.h - what OpenTelemetry calls attributes: data, the ids that have no place of their own, and
 * a few words of ours (fapilog.*), in one sorted list. A field that is called like one of ours has a '_' behind its
 * name, as in the format json. */
#ifndef COLLECTOR_FORMAT_ATTRIBUTES_H
#define COLLECTOR_FORMAT_ATTRIBUTES_H

#include "collector/format/plan.h"

enum attribute_kind {
    ATTRIBUTE_FIELD,
    ATTRIBUTE_FILE, ATTRIBUTE_FUNCTION, ATTRIBUTE_LINE, /* code.*, with format_config.source */
    ATTRIBUTE_LOST, ATTRIBUTE_CUT, ATTRIBUTE_FLAGS, ATTRIBUTE_LEVEL, ATTRIBUTE_TRUNCATED, /* fapilog.* */
    ATTRIBUTE_UID, /* log.record.uid: the same for every resend */
};

struct attribute {
    struct fapilog_text name;
    const struct gather_entry *entry; /* ATTRIBUTE_FIELD */
    enum attribute_kind kind;
    bool is_renamed; /* a '_' follows the name */
};

struct attributes {
    struct attribute extra[FAPILOG_ROLE_COUNT + 10]; /* sorted */
    unsigned extra_count;
    unsigned next_extra, next_entry;
    unsigned next_taken; /* entries whose names are taken; next_entry passes over them */
    bool has_source, has_uid; /* their names are taken, too */
    const struct gather *g;
    enum gather_order order;
};

void attributes_begin(struct attributes *a, const struct build *b, bool with_uid);
/* How many attributes there are, not counting ATTRIBUTE_FLAGS, which may turn out to be needless. */
unsigned attributes_count(const struct attributes *a);
bool attributes_next(struct attributes *a, struct attribute *ret);
/* A text, number or true of ours; false for kinds that the caller writes by itself. */
bool attributes_text(const struct build *b, enum attribute_kind kind, struct fapilog_text *ret);
bool attributes_number(const struct build *b, enum attribute_kind kind, uint64_t *ret);

/* As a JSON string. */
void build_attribute_name(struct build *b, const struct attribute *x);

struct fapilog_text attributes_scope(const struct fapilog_record *r);

#endif
