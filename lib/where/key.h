/* key.h - what a name stands for in a record: a member of its own (level, message, logger, service, host, env,
 * version, pid, tid, thread, time, file, line, function), or else a field of the call, of the thread's context,
 * bound to the logger, or what the collector knows of the process (behind its enrichers), whichever comes first in this
 * order; of several fields with that name the last. */
#ifndef LIB_WHERE_KEY_H
#define LIB_WHERE_KEY_H

#include <fapilog/reader.h>

#include <stddef.h>

enum where_kind {
    WHERE_VALUE_NONE,
    WHERE_VALUE_NULL,
    WHERE_VALUE_BOOL,
    WHERE_VALUE_NUMBER,
    WHERE_VALUE_ERRNO, /* a number, and a name */
    WHERE_VALUE_LEVEL,
    WHERE_VALUE_TIME,
    WHERE_VALUE_DURATION,
    WHERE_VALUE_TEXT
};

struct where_value {
    enum where_kind kind;
    long double number; /* all kinds but TEXT: levels and times too */
    const char *data;
    size_t len;
    char *made;         /* of a formatted message; for free() */
    char scratch[64];   /* of texts that had to be made */
};

struct where_key;

/* `field_only`: never a member of the record. 0 or -ENOMEM. */
int where_key_new(const char *name, bool field_only, struct where_key **ret);
void where_key_free(struct where_key *k); /* NULL allowed */
bool where_key_is_field(const struct where_key *k); /* not a member of the record */
const char *where_key_name(const struct where_key *k);
const char *where_key_member(unsigned i); /* names of members of the record; NULL behind the last */
enum where_kind where_key_kind(const struct where_key *k); /* WHERE_VALUE_NONE: that differs, as a field's does */
void where_key_find(struct where_key *k, const struct fapilog_record *r, struct where_value *ret);
/* Only the field, if the name is no member of the record; NULL: there is none. */
const struct fapilog_field *where_key_field(struct where_key *k, const struct fapilog_record *r);
/* The name is a member of the record, which has a field of that name as well. */
bool where_key_hides_field(const struct where_key *k, const struct fapilog_record *r);
/* The value of a field, in the same way. */
void where_value_of(const struct fapilog_field *f, struct where_value *ret);

#endif
