/* registry.h - call sites, loggers and modules of a segment, parsed on first use.
 *
 * An entry is copied to private memory, its hash checked there, and the copy parsed: later writes by
 * the other process change nothing. Parsed entries live until registry_done(), found by id in a
 * direct table. The memory that a segment can make us spend is bounded by a quota. */
#ifndef LIB_READER_REGISTRY_H
#define LIB_READER_REGISTRY_H

#include <fapilog/reader.h>

#include "lib/base/check.h"

#include <stddef.h>

enum {
    REGISTRY_ENTRY_BYTES_MAX = 1 << 20,
    REGISTRY_PARENTS_MAX = 16,       /* depth of the logger tree */
    REGISTRY_VAIN_FACTOR = 4,        /* times its size may be hashed of what only looks like an entry */
    REGISTRY_GAPS_BYTES = 4096,      /* of gaps that one record may have searched again */
    REGISTRY_BOUND_FIELDS_MAX = 256, /* bound fields of a logger and all its parents */
};

/* A parsed entry; first member of what a slot points to. */
struct registry_entry {
    uint32_t kind; /* FAPILOG_ENTRY_*, 0: refused */
    union {
        struct fapilog_site site;
        struct fapilog_logger_info logger;
    } u;
};

struct registry_module {
    uint64_t base;
    uint64_t size;
    uint64_t since; /* counter, 0: not known */
    struct fapilog_text path, build_id;
};

/* Where no complete entry lay when we came by. */
struct registry_gap {
    uint64_t from, to;
};

struct registry {
    const uint8_t *base;   /* of the mapped registry, 8-byte aligned */
    uint64_t bytes;
    uint32_t slots_count;
    const uint64_t *tail;  /* superblock.registry_tail, or NULL: scan all bytes for modules */
    struct registry_entry **slots; /* by id; bytes / 8 of them */
    size_t heap_bytes;     /* spent */
    size_t heap_bytes_max; /* quota */
    uint64_t refused;      /* lookups of entries that are damaged or over quota */
    struct fapilog_logger_info root;
    struct registry_module *modules;
    uint32_t modules_count;
    uint64_t modules_scanned; /* bytes of the registry already searched for modules, but for these: */
    struct registry_gap *gaps;
    uint32_t gaps_count, gaps_cap;
    uint64_t gaps_bytes;  /* of all of them */
    uint64_t gaps_credit; /* bytes that the records since the last look at them have paid for */
};

/* 0 or -ENOMEM. `service` is what the root logger answers with. */
int registry_init(struct registry *r, const uint8_t *base, uint64_t bytes, const uint64_t *tail,
                  struct fapilog_text service);
/* Frees what was cached in sites and loggers, which stay. */
void registry_forget_caches(struct registry *r);
void registry_done(struct registry *r); /* frees also what formats cached in sites and loggers */

/* Parses an entry that was not looked at yet. */
struct registry_entry *registry_lookup(struct registry *r, uint32_t id, uint32_t kind);

/* NULL when the id names no complete, valid entry of that kind. */
static inline struct fapilog_site *registry_site(struct registry *r, uint32_t id)
{
    struct registry_entry *x = likely(id < r->slots_count) ? r->slots[id] : NULL;
    if (unlikely(!x || x->kind != FAPILOG_ENTRY_SITE))
        x = registry_lookup(r, id, FAPILOG_ENTRY_SITE);
    return likely(x != NULL) ? &x->u.site : NULL;
}

/* As above; id 0 is the root logger. */
static inline struct fapilog_logger_info *registry_logger(struct registry *r, uint32_t id)
{
    if (likely(id == 0))
        return &r->root;
    struct registry_entry *x = likely(id < r->slots_count) ? r->slots[id] : NULL;
    if (unlikely(!x || x->kind != FAPILOG_ENTRY_LOGGER))
        x = registry_lookup(r, id, FAPILOG_ENTRY_LOGGER);
    return likely(x != NULL) ? &x->u.logger : NULL;
}

/* What was where, as a record of these cycles saw it. */
struct registry_moment {
    struct registry *registry;
    uint64_t cycles;
    bool is_scanned; /* all modules that this record can know of were looked for */
};

/* Fits fapilog_record.module_of; arg is a moment, and no const one. */
bool registry_module_of(const void *arg, uint64_t address, struct fapilog_text *ret_path,
                        uint64_t *ret_offset);

/* Over all entries below registry_tail, and over what threads that were killed have left between them. */
struct registry_walk {
    uint64_t at, end;
    uint64_t vain, vain_max; /* bytes hashed of what only looked like an entry */
};
struct registry_walk registry_walk_begin(const struct registry *r);
struct registry_walk registry_walk_range(uint64_t from, uint64_t end);
/* The way to what comes behind w->at. *ret_kind: of the whole entry that is there; 0: none, or not yet. */
uint64_t registry_walk_step(const uint8_t *base, struct registry_walk *w, uint32_t *ret_kind);
/* A copy of the next whole one of that kind, the caller's to free; NULL: there are no more. */
uint8_t *registry_walk_next(struct registry *r, struct registry_walk *w, uint32_t kind, uint32_t *ret_bytes);

/* Parses every entry below registry_tail; counts the good and the damaged ones (for --verify). */
void registry_verify(struct registry *r, uint64_t *ret_good, uint64_t *ret_bad);

#endif
