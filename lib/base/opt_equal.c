#include "lib/base/opt.h"

#include "lib/base/check.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(const struct opt_list *a, const struct opt_list *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = strcmp(a->item[i], b->item[i]) == 0;
    return same;
}

static bool same_map(const struct opt_map *a, const struct opt_map *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = strcmp(a->item[i].key, b->item[i].key) == 0 && strcmp(a->item[i].value, b->item[i].value) == 0;
    return same;
}

static size_t size_of(const struct opt *row)
{
    switch (row->type) {
    case OPT_TEXT: return sizeof(const char *);
    case OPT_BOOL: return sizeof(bool);
    case OPT_WORD: return sizeof(uint32_t);
    case OPT_LEVEL: return sizeof(uint8_t);
    case OPT_REAL: return sizeof(double);
    case OPT_LIST: return sizeof(struct opt_list);
    case OPT_MAP: return sizeof(struct opt_map);
    default: CHECK(row->type != OPT_END_ROW); return sizeof(uint64_t);
    }
}

bool opt_equal(const struct opt *row, const void *a_cfg, const void *b_cfg)
{
    const char *a = (const char *)a_cfg + row->offset, *b = (const char *)b_cfg + row->offset;
    switch (row->type) {
    case OPT_TEXT: return same_text(*(const char *const *)a, *(const char *const *)b);
    case OPT_LIST: return same_list((const struct opt_list *)a, (const struct opt_list *)b);
    case OPT_MAP: return same_map((const struct opt_map *)a, (const struct opt_map *)b);
    default: return memcmp(a, b, size_of(row)) == 0;
    }
}

void opt_swap(const struct opt *row, void *a_cfg, void *b_cfg)
{
    char *a = (char *)a_cfg + row->offset, *b = (char *)b_cfg + row->offset;
    char keep[sizeof(struct opt_list) > sizeof(struct opt_map) ? sizeof(struct opt_list) : sizeof(struct opt_map)];
    const size_t size = size_of(row);
    memcpy(keep, a, size);
    memcpy(a, b, size);
    memcpy(b, keep, size);
}
