/* where.h - the expressions of fapilog-dump --where, of the match stage and of routes:
 *
 *     order_id == 42 && symbol ~ "AC" || !(level < ERROR)
 *
 * Comparisons have a key on the left and a value on the right; && binds tighter than ||. Keys: level,
 * message, logger, service, host, env, version, pid, tid, thread, time, file, line, function, the name
 * of a field, bound field or context field, and fields.NAME for a field that has the name of one of
 * those. Values: numbers, true, false, null, quoted text, or a bare word. A value is compared as the
 * type of what the key holds. `~` looks for a part of the text, or of what is shown where that is no text;
 * with * or ? the value is a pattern for all of it. A key alone asks whether it is there and neither false,
 * 0, null nor empty. A comparison with a key that the record lacks is false; level, time, pid, tid and line
 * take nothing that they cannot be compared with. */
#ifndef LIB_WHERE_WHERE_H
#define LIB_WHERE_WHERE_H

#include <fapilog/reader.h>

#include "lib/base/err.h"

#include <stddef.h>

struct where;

/* -EINVAL with the position in e, or -ENOMEM. `now_ns` is what relative times count from. */
int where_parse(const char *text, int64_t now_ns, struct where **ret, struct err *e);
void where_free(struct where *w); /* NULL allowed */
/* Not const: where a name is in the records of a call site is looked up once and remembered. */
bool where_matches(struct where *w, const struct fapilog_record *r);

/* Notes which fields a record has that it names, or hides by the name of a member; whether there are any that none had
 * so far. */
bool where_look_for_keys(struct where *w, const struct fapilog_record *r);
/* Those, one after the other from *at = 0 on, each with the member of records that has nearly this name, or NULL. */
const char *where_missing_key(const struct where *w, unsigned *at, const char **ret_near);
/* Members, in the same way, whose name fields of records have, too. */
const char *where_hiding_key(const struct where *w, unsigned *at);
/* Values that look like patterns and are compared as they stand, as == does, in the same way. */
const char *where_plain_pattern(const struct where *w, unsigned *at);

/* A printf-style message as its reader will see it, in memory for free(), or NULL. How messages are formatted is
 * not known here: programs set this once, to printf_text_make(). Without it `message` is the format string. */
extern char *(*where_message_text)(const struct fapilog_record *r, size_t *ret_len);

#endif
