#include "collector/stage/key_fields.h"

#include "collector/stage/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int key_fields_open(struct key_fields *k, const char *const *names, uint32_t count, struct err *e)
{
    *k = (struct key_fields){.seed = random_seed(), .seed2 = random_seed()};
    if (count > KEY_FIELDS_MAX)
        return err_set(e, -E2BIG, "key_fields: %u names are more than %d", count, KEY_FIELDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const bool field_only = strncmp(names[i], "fields.", 7) == 0 && names[i][7];
        if (where_key_new(names[i] + (field_only ? 7 : 0), field_only, &k->key[i]) < 0)
            return err_set(e, -ENOMEM, "key_fields: out of memory");
        k->is_message[i] = strcmp(names[i], "message") == 0;
        k->count++;
    }
    return 0;
}

void key_fields_close(struct key_fields *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        where_key_free(k->key[i]);
    k->count = 0;
}

enum { KIND_ABSENT = 1, KIND_NUMBER };

static uint64_t fold(uint64_t a, uint64_t b)
{
    const unsigned __int128 x = (unsigned __int128)a * b;
    return (uint64_t)x ^ (uint64_t)(x >> 64);
}

/* Both halves start from secrets, so what a number does to them cannot be foreseen. */
static void add_number(struct table_key *h, uint64_t n, unsigned kind)
{
    h->lo = fold(h->lo ^ n, UINT64_C(0x9e3779b97f4a7c15) + kind);
    h->hi = fold(h->hi + n, UINT64_C(0xbf58476d1ce4e5b9)) ^ h->lo << 32;
}

static void add_text(struct table_key *h, const void *data, size_t len)
{
    const XXH128_hash_t x = XXH3_128bits_withSeed(len ? data : "", len, h->lo);
    h->lo = x.low64 ^ (h->hi << 23 | h->hi >> 41);
    h->hi = x.high64 + h->lo * UINT64_C(0x9e3779b97f4a7c15);
}

static void add_field(struct table_key *h, const struct fapilog_field *f)
{
    switch (f->type) {
    case FAPILOG_TYPE_STRING: case FAPILOG_TYPE_BYTES: case FAPILOG_TYPE_JSON: case FAPILOG_TYPE_STACK:
    case FAPILOG_TYPE_IPV4: case FAPILOG_TYPE_IPV6: case FAPILOG_TYPE_UUID: case FAPILOG_TYPE_TRACE_ID:
    case FAPILOG_TYPE_SPAN_ID:
        add_text(h, f->v.data, f->len);
        break;
    default:
        add_number(h, f->v.u64, KIND_NUMBER);
    }
}

static void add_message(struct table_key *h, const struct fapilog_record *r)
{
    add_text(h, r->message.data, r->message.len);
    if (!r->site || !r->site->is_printf)
        return;
    for (uint32_t i = 0; i < r->fields_count; i++)
        if (r->fields[i].name.len == 0)
            add_field(h, &r->fields[i]);
}

static void add_value(struct table_key *h, struct where_key *key, const struct fapilog_record *r)
{
    struct where_value v;
    const struct fapilog_field *const f = where_key_field(key, r);
    if (f) {
        add_field(h, f);
        return;
    }
    where_key_find(key, r, &v);
    if (v.kind == WHERE_VALUE_TEXT)
        add_text(h, v.data, v.len);
    else
        add_number(h, v.kind == WHERE_VALUE_NONE ? 0 : (uint64_t)(int64_t)v.number,
                   v.kind == WHERE_VALUE_NONE ? KIND_ABSENT : KIND_NUMBER);
    if (v.made)
        free(v.made);
}

struct table_key key_fields_hash(struct key_fields *k, const struct fapilog_record *r)
{
    struct table_key h = {k->seed, k->seed2};
    for (uint32_t i = 0; i < k->count; i++) {
        if (k->is_message[i])
            add_message(&h, r);
        else
            add_value(&h, k->key[i], r);
    }
    return h;
}
