/* parts.h - what layouts say alike: members of texts that may be missing, the process, and notes on the record. */
#ifndef COLLECTOR_FORMAT_PARTS_H
#define COLLECTOR_FORMAT_PARTS_H

#include "collector/format/plan.h"

/* The logger's service, or the process's. */
struct fapilog_text parts_service(const struct fapilog_record *r);

/* "key":"value", of a JSON object, where the value is not empty; lit is the key with its colon. */
#define build_member(b, lit, value) parts_member((b), "" lit, sizeof(lit) - 1, (value))
void parts_member(struct build *b, const char *key, size_t key_len, struct fapilog_text value);

/* Flat formats: a list of keys and values with the separator in front of each key. */
struct parts_flat {
    struct fapilog_text service, pid, env, version; /* keys, as they stand */
    struct fapilog_text file, line, function;       /* an empty one: the format has none */
    struct fapilog_text context_lost, truncated, fields_cut;
    void (*put)(struct build *b, struct fapilog_text value);
    const struct fapilog_text *own; /* names of all members, without separators */
    unsigned own_count;
};
#define PARTS_KEY(s) {s, sizeof(s) - 1}

/* A key and a text, where the text is not empty. */
void parts_flat_text(struct build *b, const struct parts_flat *flat, struct fapilog_text key,
                     struct fapilog_text value);
void parts_flat_process(struct build *b, const struct parts_flat *flat);
void parts_flat_notes(struct build *b, const struct parts_flat *flat);
/* Whether a field of that name has to give way. "time_" would meet a "time" that was renamed, so names of ours
 * with '_' behind them move too. */
bool parts_flat_is_own(const struct parts_flat *flat, struct fapilog_text name);

#endif
