/* key_fields.h - what makes two records the same to a stage: the values of some names (lib/where/key.h), as one
 * 128-bit hash that nobody outside can aim at. A printf-style message counts with its arguments. */
#ifndef COLLECTOR_STAGE_KEY_FIELDS_H
#define COLLECTOR_STAGE_KEY_FIELDS_H

#include "collector/stage/table.h"
#include "lib/base/err.h"
#include "lib/base/opt.h"
#include "lib/where/key.h"

enum { KEY_FIELDS_MAX = 16 };

struct key_fields {
    struct where_key *key[KEY_FIELDS_MAX];
    bool is_message[KEY_FIELDS_MAX];
    uint32_t count;
    uint64_t seed, seed2;
};

int key_fields_open(struct key_fields *k, const char *const *names, uint32_t count, struct err *e);
void key_fields_close(struct key_fields *k); /* a zeroed one is allowed */
struct table_key key_fields_hash(struct key_fields *k, const struct fapilog_record *r);

#endif
