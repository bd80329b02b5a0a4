/* plan_cache.h - the compiled plans of one call site: one allocation, as site->cache demands. A plan
 * is good for one logger, process, level, variant and list of context fields: their names, roles, and types where they
 * count. When the cache is full,
 * it starts again with the newest. */
#ifndef COLLECTOR_FORMAT_PLAN_CACHE_H
#define COLLECTOR_FORMAT_PLAN_CACHE_H

#include "collector/format/plan.h"

struct plan {
    const struct fapilog_logger_info *logger;
    const struct fapilog_process_info *process;
    uint32_t variant;
    uint32_t flags;          /* TEXT_* of the literal text */
    uint32_t context_count;  /* what is kept of them stands behind the text */
    uint32_t steps_count;
    uint32_t text_bytes;     /* padded */
    uint32_t bytes;          /* of the whole plan, to the next one */
    size_t bound;            /* of every record that the plan fits, 0: it depends on the record */
    uint8_t level;
    struct plan_step steps[];
};

struct plan_cache {
    uint32_t bytes;
    uint16_t count;
    bool call_has_roles;
    /* plans follow, 8-byte aligned */
};

static inline const char *plan_text(const struct plan *p)
{
    return (const char *)(p->steps + p->steps_count);
}

static inline const struct plan *plan_cache_first(const struct plan_cache *c)
{
    return (const struct plan *)(c + 1);
}

/* `data` and `tags` of the envelope go where their type says (envelope_part()); of no other field the type says more
 * than how its value is written. */
static inline bool plan_type_counts(const struct fapilog_field *f)
{
    return f->name.len == 4 && (memcmp(f->name.data, "data", 4) == 0 || memcmp(f->name.data, "tags", 4) == 0);
}

/* But for the fields of the context. */
static inline bool plan_fits(const struct plan *p, const struct fapilog_record *r, unsigned variant)
{
    return p->logger == r->logger && p->process == r->process && p->level == r->level && p->variant == variant;
}

const struct plan *plan_cache_find(const struct plan_cache *c, const struct fapilog_record *r, unsigned variant);
/* NULL when there is no memory. */
struct plan *plan_cache_add(unsigned slot, const struct fapilog_record *r, unsigned variant,
                            unsigned flags, const struct plan_step *steps, unsigned steps_count,
                            const char *text, size_t text_bytes);

#endif
