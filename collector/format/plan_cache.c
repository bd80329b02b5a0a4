#include "collector/format/plan_cache.h"

#include <stdlib.h>

enum { ALIGN = 8, CACHE_BYTES_MAX = 1 << 18 };
_Static_assert(sizeof(struct plan_cache) % ALIGN == 0, "plans follow");

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static const struct plan *next_plan(const struct plan *p)
{
    return (const struct plan *)((const char *)p + p->bytes);
}

/* What is kept of a field of the context, one after the other, each with its name behind it, says where the field goes:
 * the length of the name, the role and the type, in one number that is compared at once. */
static inline uint64_t kept_of(const struct fapilog_field *f)
{
    return f->name.len | (uint64_t)f->role << 32 | (plan_type_counts(f) ? (uint64_t)f->type << 40 : 0);
}

static bool context_matches(const struct plan *p, const struct fapilog_context_info *context)
{
    const uint32_t count = context ? context->fields_count : 0;
    if (count != p->context_count)
        return false;
    const char *kept = plan_text(p) + p->text_bytes;
    for (uint32_t i = 0; i < count; i++) {
        const struct fapilog_text name = context->fields[i].name;
        uint64_t k;
        memcpy(&k, kept, sizeof k);
        if (k != kept_of(&context->fields[i]) || memcmp(kept + sizeof k, name.data, name.len) != 0)
            return false;
        kept += sizeof k + name.len;
    }
    return true;
}

const struct plan *plan_cache_find(const struct plan_cache *c, const struct fapilog_record *r, unsigned variant)
{
    const struct plan *p = plan_cache_first(c);
    for (unsigned i = 0; i < c->count; i++, p = next_plan(p)) {
        if (plan_fits(p, r, variant) && context_matches(p, r->context))
            return p;
    }
    return NULL;
}

static size_t kept_bytes(const struct fapilog_context_info *context)
{
    size_t sum = 0;
    for (uint32_t i = 0; context && i < context->fields_count; i++)
        sum += sizeof(uint64_t) + context->fields[i].name.len;
    return sum;
}

static void keep_context(char *to, const struct fapilog_context_info *context)
{
    for (uint32_t i = 0; context && i < context->fields_count; i++) {
        const struct fapilog_text name = context->fields[i].name;
        const uint64_t k = kept_of(&context->fields[i]);
        memcpy(to, &k, sizeof k);
        memcpy(to + sizeof k, name.data, name.len);
        to += sizeof k + name.len;
    }
}

static bool has_roles(const struct fapilog_record *r)
{
    for (uint32_t i = 0; i < r->fields_count; i++) {
        if (gather_role(&r->fields[i]) != FAPILOG_ROLE_DATA)
            return true;
    }
    return false;
}

struct plan *plan_cache_add(unsigned slot, const struct fapilog_record *r, unsigned variant, unsigned flags,
                            const struct plan_step *steps, unsigned steps_count, const char *text,
                            size_t text_bytes)
{
    /* Copying text in steps of 16 reads past its end. */
    const size_t steps_bytes = steps_count * sizeof *steps, padded = aligned(text_bytes + VALUE_SLACK);
    const size_t bytes = aligned(sizeof(struct plan) + steps_bytes + padded + kept_bytes(r->context));
    /* The cache is ours to fill, though the record's view of the site is const. */
    void **const place = (void **)&r->site->cache[slot];
    struct plan_cache *const old = *place;
    const bool fresh = !old || old->count == PLAN_CACHE_MAX || old->bytes + bytes > CACHE_BYTES_MAX;
    const size_t before = fresh ? sizeof(struct plan_cache) : old->bytes;
    struct plan_cache *const c = realloc(old, before + bytes);
    if (!c)
        return NULL;
    *place = c;
    if (fresh)
        *c = (struct plan_cache){.call_has_roles = has_roles(r)};
    struct plan *const p = (struct plan *)((char *)c + before);
    *p = (struct plan){.logger = r->logger, .process = r->process, .variant = variant, .flags = flags,
                       .context_count = r->context ? r->context->fields_count : 0, .steps_count = steps_count,
                       .text_bytes = (uint32_t)padded, .bytes = (uint32_t)bytes, .level = r->level};
    memcpy(p->steps, steps, steps_bytes);
    char *const kept_text = (char *)(p->steps + steps_count);
    memset(kept_text, 0, padded);
    memcpy(kept_text, text, text_bytes);
    keep_context(kept_text + padded, r->context);
    c->bytes = (uint32_t)(before + bytes);
    c->count++;
    return p;
}
