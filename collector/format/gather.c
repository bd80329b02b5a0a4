#include "collector/format/gather.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/reader/role.h"

#include <string.h>

struct fapilog_text gather_role_name(uint8_t role)
{
    CHECK(role < FAPILOG_ROLE_COUNT);
    return role_name(role);
}

static bool is_named(const struct fapilog_field *f, uint8_t role)
{
    const struct fapilog_text name = gather_role_name(role);
    return memcmp(f->name.data, name.data, name.len) == 0;
}

uint8_t gather_role(const struct fapilog_field *f)
{
    uint8_t role;
    if (f->role != FAPILOG_ROLE_DATA && f->role < FAPILOG_ROLE_COUNT)
        return f->role;
    switch (f->name.len) { /* no two names of a length but these */
    case 7:  role = f->name.data[0] == 's' ? FAPILOG_ROLE_SPAN_ID : FAPILOG_ROLE_USER_ID; break;
    case 8:  role = FAPILOG_ROLE_TRACE_ID; break;
    case 9:  role = FAPILOG_ROLE_TENANT_ID; break;
    case 10: role = FAPILOG_ROLE_REQUEST_ID; break;
    case 11: role = FAPILOG_ROLE_TRACE_FLAGS; break;
    case 14: role = FAPILOG_ROLE_CORRELATION_ID; break;
    default: return FAPILOG_ROLE_DATA;
    }
    return is_named(f, role) ? role : FAPILOG_ROLE_DATA;
}

bool gather_is_argument(const struct fapilog_record *r, const struct fapilog_field *f)
{
    return r->site && r->site->is_printf && f->name.len == 0;
}

/* In UTF-16 order the characters above U+FFFF (lead bytes F0..F4) come before U+E000..U+FFFF (EE, EF). */
static int utf16_rank(uint8_t byte)
{
    if (byte < 0xee)
        return byte;
    return byte < 0xf0 ? byte + 5 : byte - 2;
}

int gather_compare(struct fapilog_text a, struct fapilog_text b, enum gather_order order)
{
    const uint32_t common = a.len < b.len ? a.len : b.len;
    for (uint32_t i = 0; i < common; i++) {
        const uint8_t x = (uint8_t)a.data[i], y = (uint8_t)b.data[i];
        if (x != y)
            return order == GATHER_UTF16 ? utf16_rank(x) - utf16_rank(y) : x - y;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/* A name that is not UTF-8 would become equal to another, or change places, when it is written. */
static bool repair_name(struct gather *g, struct fapilog_text *name)
{
    if (utf8_valid(name->data, name->len))
        return true;
    if ((size_t)name->len * 3 > sizeof g->names - g->names_used)
        return false;
    char *const start = g->names + g->names_used;
    char *out = start;
    for (uint32_t i = 0; i < name->len;) {
        const uint8_t *p = (const uint8_t *)name->data + i;
        const int n = *p < 0x80 ? 1 : utf8_sequence(p, name->len - i);
        memcpy(out, n > 0 ? (const char *)p : UTF8_REPLACEMENT, n > 0 ? (size_t)n : 3);
        out += n > 0 ? n : 3;
        i += (uint32_t)(n > 0 ? n : -n);
    }
    *name = (struct fapilog_text){start, (uint32_t)(out - start)};
    g->names_used += name->len;
    g->names_repaired = true;
    return true;
}

static void add(struct gather *g, const struct fapilog_record *r, const struct fapilog_field *f,
                enum gather_source source, uint32_t index)
{
    if (source == GATHER_CALL && gather_is_argument(r, f))
        return;
    struct gather_entry e = {.name = f->name, .field = f, .source = (uint8_t)source,
                             .role = gather_role(f), .index = (uint16_t)index};
    if (e.role != FAPILOG_ROLE_DATA) {
        e.name = gather_role_name(e.role);
        g->by_role[e.role] = e; /* sources come in rising precedence */
        return;
    }
    if (g->count == GATHER_MAX || index > UINT16_MAX || !repair_name(g, &e.name)) {
        g->cut++;
        return;
    }
    g->entry[g->count++] = e;
}

static bool goes_before(const struct gather_entry *a, const struct gather_entry *b, enum gather_order order)
{
    if (order != GATHER_CALL_FIRST)
        return gather_compare(a->name, b->name, order) <= 0;
    return a->source != b->source ? a->source > b->source : a->index <= b->index;
}

/* A stable merge sort: a hostile producer can choose the names, not the time that sorting takes. */
static void sort(struct gather *g, enum gather_order order)
{
    struct gather_entry *from = g->entry, *to = g->spare;
    for (unsigned width = 1; width < g->count; width *= 2) {
        for (unsigned start = 0; start < g->count; start += 2 * width) {
            const unsigned middle = start + width < g->count ? start + width : g->count;
            const unsigned end = start + 2 * width < g->count ? start + 2 * width : g->count;
            unsigned a = start, b = middle;
            for (unsigned i = start; i < end; i++) {
                const bool first = a < middle && (b >= end || goes_before(&from[a], &from[b], order));
                to[i] = first ? from[a++] : from[b++];
            }
        }
        struct gather_entry *const swap = from;
        from = to;
        to = swap;
    }
    if (from != g->entry)
        memcpy(g->entry, from, g->count * sizeof *from);
}

/* Of equal neighbours the last one stays: sorting is stable and sources came in rising precedence. */
static void drop_duplicates(struct gather *g)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < g->count; i++) {
        if (i + 1 < g->count && gather_compare(g->entry[i].name, g->entry[i + 1].name, GATHER_BYTES) == 0)
            continue;
        g->entry[kept++] = g->entry[i];
    }
    g->count = kept;
}

void gather_fields(struct gather *g, const struct fapilog_record *r, enum gather_order order)
{
    g->count = g->cut = g->names_used = 0;
    g->names_repaired = false;
    memset(g->by_role, 0, sizeof g->by_role);
    if (r->logger) {
        for (uint32_t i = 0; i < r->logger->fields_count; i++)
            add(g, r, &r->logger->fields[i], GATHER_LOGGER, i);
    }
    if (r->context) {
        for (uint32_t i = 0; i < r->context->fields_count; i++)
            add(g, r, &r->context->fields[i], GATHER_CONTEXT, i);
    }
    for (uint32_t i = 0; i < r->fields_count; i++) {
        add(g, r, &r->fields[i], GATHER_CALL, i);
    }
    if (g->count < 2)
        return;
    sort(g, order == GATHER_CALL_FIRST ? GATHER_BYTES : order);
    drop_duplicates(g);
    if (order == GATHER_CALL_FIRST)
        sort(g, order);
}
