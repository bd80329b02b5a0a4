#include "lib/reader/registry.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/grow.h"
#include "lib/reader/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct parsed {
    struct registry_entry entry; /* first: slots point to it */
    uint8_t *copy;               /* the entry as it was, texts point into it */
    struct fapilog_field fields[]; /* template, or bound fields */
};

/* Remembers that an entry was looked at and refused: looking again would only cost time. */
static struct registry_entry refused_entry;

int registry_init(struct registry *r, const uint8_t *base, uint64_t bytes, const uint64_t *tail,
                  struct fapilog_text service)
{
    CHECK(((uintptr_t)base & 7) == 0);
    *r = (struct registry){.base = base, .bytes = bytes & ~UINT64_C(7), .tail = tail};
    r->heap_bytes_max = (size_t)bytes * 4 + (1u << 20);
    r->modules_scanned = FAPILOG_REGISTRY_PREAMBLE;
    r->root.service = service;
    r->root.name.data = "";
    if (r->bytes / 8 > UINT32_MAX)
        return -EINVAL;
    r->slots_count = (uint32_t)(r->bytes / 8);
    r->slots = calloc((size_t)r->slots_count + 1, sizeof(struct registry_entry *));
    return r->slots ? 0 : -ENOMEM;
}

static void cache_free(void **cache)
{
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        free(cache[i]);
        cache[i] = NULL;
    }
}

void registry_forget_caches(struct registry *r)
{
    for (uint32_t id = 0; r->slots && id < r->slots_count; id++) {
        struct registry_entry *x = r->slots[id];
        if (x && x != &refused_entry)
            cache_free(x->kind == FAPILOG_ENTRY_SITE ? x->u.site.cache : x->u.logger.cache);
    }
    cache_free(r->root.cache);
}

void registry_done(struct registry *r)
{
    for (uint32_t id = 0; r->slots && id < r->slots_count; id++) {
        struct registry_entry *x = r->slots[id];
        struct parsed *p = (struct parsed *)(void *)x;
        if (!x || x == &refused_entry)
            continue;
        cache_free(x->kind == FAPILOG_ENTRY_SITE ? x->u.site.cache : x->u.logger.cache);
        free(p->copy);
        free(p);
    }
    cache_free(r->root.cache);
    free(r->slots);
    for (uint32_t i = 0; i < r->modules_count; i++)
        free((void *)(uintptr_t)r->modules[i].path.data);
    free(r->modules);
    free(r->gaps);
    *r = (struct registry){0};
}

/* Not 0 means that the entry is complete. */
static uint64_t entry_word0(const uint8_t *base, uint64_t off)
{
    /* order: R2 acquire, pairs with R1 */
    return load_acq((const uint64_t *)(const void *)(base + off));
}

static bool is_whole(const uint8_t *entry, uint64_t word0)
{
    return (XXH3_64bits(entry + 8, FAPILOG_ENTRY_BYTES(word0) - 8) & 0xffffff) == FAPILOG_ENTRY_HASH(word0);
}

/* Copies the entry at offset `off` and checks it. The caller frees the copy. NULL: not complete,
 * damaged, or over quota. */
static uint8_t *entry_copy(struct registry *r, uint64_t off, uint32_t kind, uint32_t *ret_bytes)
{
    if (off < FAPILOG_REGISTRY_PREAMBLE || off >= r->bytes || r->bytes - off < sizeof(uint64_t))
        return NULL;
    const uint8_t *from = r->base + off;
    const uint64_t word0 = entry_word0(r->base, off);
    const uint32_t bytes = FAPILOG_ENTRY_BYTES(word0);
    if (FAPILOG_ENTRY_KIND(word0) != kind || bytes < 16 || bytes > REGISTRY_ENTRY_BYTES_MAX ||
        bytes > r->bytes - off)
        return NULL;
    if (r->heap_bytes_max - r->heap_bytes < bytes)
        return NULL;
    uint8_t *copy = malloc(bytes);
    if (!copy)
        return NULL;
    memcpy(copy, &word0, 8);
    memcpy(copy + 8, from + 8, bytes - 8);
    if (!is_whole(copy, word0)) {
        free(copy);
        return NULL;
    }
    *ret_bytes = bytes;
    return copy;
}

/* Steps over a text and its NUL; false when it would leave the entry. */
static bool text_take(const uint8_t *entry, uint32_t bytes, uint32_t *off, uint32_t len,
                      struct fapilog_text *ret)
{
    if (*off > bytes || bytes - *off <= len)
        return false;
    *ret = (struct fapilog_text){(const char *)entry + *off, len};
    *off += len + 1;
    return true;
}

/* The fields, and behind them how a site's numbers are loaded. */
static size_t parsed_bytes(uint32_t fields_count)
{
    return sizeof(struct parsed) + fields_count * sizeof(struct fapilog_field) + sizeof(struct decode_loads) +
           fields_count * sizeof(struct decode_load);
}

static struct parsed *parsed_new(struct registry *r, uint32_t kind, uint32_t fields_count,
                                 uint32_t copy_bytes)
{
    const size_t size = parsed_bytes(fields_count);
    if (r->heap_bytes_max - r->heap_bytes < size + copy_bytes)
        return NULL;
    struct parsed *p = calloc(1, size);
    if (p) {
        p->entry.kind = kind;
        r->heap_bytes += size + copy_bytes;
    }
    return p;
}

static bool site_fill(struct parsed *p, const uint8_t *copy, uint32_t bytes,
                      const struct fapilog_site_entry *e)
{
    struct fapilog_site *s = &p->entry.u.site;
    const uint8_t *types = copy + sizeof *e;
    uint32_t off = (uint32_t)sizeof *e + 2u * e->fields_count;
    if (!text_take(copy, bytes, &off, e->message_len, &s->message) ||
        !text_take(copy, bytes, &off, e->file_len, &s->file) ||
        !text_take(copy, bytes, &off, e->function_len, &s->function))
        return false;
    for (uint32_t i = 0; i < e->fields_count; i++) {
        if (!decode_template(&p->fields[i], types[2 * i]) ||
            !text_take(copy, bytes, &off, types[2 * i + 1], &p->fields[i].name))
            return false;
    }
    s->line = e->line;
    s->level = e->level;
    s->is_printf = e->flags & FAPILOG_SITE_PRINTF;
    s->fields_count = e->fields_count;
    s->fields = p->fields;
    struct decode_loads *loads = (struct decode_loads *)(void *)(p->fields + e->fields_count);
    decode_loads_init(loads, p->fields, e->fields_count);
    s->loads = loads;
    return true;
}

static struct parsed *site_parse(struct registry *r, uint32_t id)
{
    uint32_t bytes;
    auto_free uint8_t *copy = entry_copy(r, (uint64_t)id * 8, FAPILOG_ENTRY_SITE, &bytes);
    struct fapilog_site_entry e;
    if (!copy || bytes < sizeof e)
        return NULL;
    memcpy(&e, copy, sizeof e);
    if (e.fields_count > FAPILOG_FIELDS_MAX || bytes - sizeof e < 2u * e.fields_count)
        return NULL;
    struct parsed *p = parsed_new(r, FAPILOG_ENTRY_SITE, e.fields_count, bytes);
    if (!p)
        return NULL;
    p->copy = copy;
    p->entry.u.site.id = id;
    if (!site_fill(p, copy, bytes, &e)) {
        r->heap_bytes -= parsed_bytes(e.fields_count) + bytes;
        free(p);
        return NULL;
    }
    copy = NULL;
    return p;
}

static struct parsed *logger_parse(struct registry *r, uint32_t id, unsigned depth);

static struct registry_entry *lookup(struct registry *r, uint32_t id, uint32_t kind, unsigned depth)
{
    if (id >= r->slots_count)
        return NULL;
    if (!r->slots[id]) {
        r->slots[id] = &refused_entry; /* while it is parsed, a logger is not its own ancestor */
        struct parsed *p = kind == FAPILOG_ENTRY_SITE ? site_parse(r, id) : logger_parse(r, id, depth);
        if (!p) {
            r->refused++;
            /* An entry without word0 may still be coming, one of another kind be asked for as such. */
            if (FAPILOG_ENTRY_KIND(entry_word0(r->base, (uint64_t)id * 8)) != kind)
                r->slots[id] = NULL;
            return NULL;
        }
        r->slots[id] = &p->entry;
    }
    return r->slots[id]->kind == kind ? r->slots[id] : NULL;
}

struct registry_entry *registry_lookup(struct registry *r, uint32_t id, uint32_t kind)
{
    return lookup(r, id, kind, 0);
}

static struct parsed *logger_parse(struct registry *r, uint32_t id, unsigned depth)
{
    uint32_t bytes;
    auto_free uint8_t *copy = entry_copy(r, (uint64_t)id * 8, FAPILOG_ENTRY_LOGGER, &bytes);
    struct fapilog_logger_entry e;
    struct fapilog_logger_info info = {.id = id};
    if (!copy || bytes < sizeof e || depth >= REGISTRY_PARENTS_MAX)
        return NULL;
    memcpy(&e, copy, sizeof e);
    uint32_t off = sizeof e;
    if (!text_take(copy, bytes, &off, e.name_len, &info.name) ||
        !text_take(copy, bytes, &off, e.service_len, &info.service))
        return NULL;
    off = (off + 7) & ~7u;
    if (e.fields_count > FAPILOG_FIELDS_MAX ||
        (e.fields_count && (off > bytes || e.fields_bytes > bytes - off)))
        return NULL;
    /* A parent that is damaged, or names its own child, costs its fields, not the logger. */
    const struct registry_entry *parent =
        e.parent ? lookup(r, e.parent, FAPILOG_ENTRY_LOGGER, depth + 1) : NULL;
    const uint32_t inherited = parent ? parent->u.logger.fields_count : 0;
    if (inherited + e.fields_count > REGISTRY_BOUND_FIELDS_MAX)
        return NULL;
    struct parsed *p = parsed_new(r, FAPILOG_ENTRY_LOGGER, inherited + e.fields_count, bytes);
    if (!p)
        return NULL;
    if (e.fields_count &&
        decode_list(copy + off, e.fields_bytes, e.fields_count, p->fields + inherited) < 0) {
        r->heap_bytes -= parsed_bytes(inherited + e.fields_count) + bytes;
        free(p);
        return NULL;
    }
    if (inherited)
        memcpy(p->fields, parent->u.logger.fields, inherited * sizeof p->fields[0]);
    if (!info.service.len)
        info.service = parent ? parent->u.logger.service : r->root.service;
    info.fields = p->fields;
    info.fields_count = inherited + e.fields_count;
    p->entry.u.logger = info;
    p->copy = copy;
    copy = NULL;
    return p;
}

/* ---- modules ---- */

static void module_add(struct registry *r, uint64_t off)
{
    uint32_t bytes;
    auto_free uint8_t *copy = entry_copy(r, off, FAPILOG_ENTRY_MODULE, &bytes);
    struct fapilog_module_entry e;
    struct registry_module m;
    if (!copy || bytes < sizeof e)
        return;
    memcpy(&e, copy, sizeof e);
    uint32_t at = sizeof e;
    if (!text_take(copy, bytes, &at, e.path_len, &m.path) ||
        !text_take(copy, bytes, &at, e.build_id_len, &m.build_id))
        return;
    const size_t size = sizeof m + m.path.len + m.build_id.len;
    if (r->heap_bytes_max - r->heap_bytes < size)
        return;
    struct registry_module *more = realloc(r->modules, (r->modules_count + 1) * sizeof *more);
    char *texts = more ? malloc(m.path.len + m.build_id.len + 1) : NULL;
    if (more)
        r->modules = more;
    if (!texts)
        return;
    memcpy(texts, m.path.data, m.path.len);
    memcpy(texts + m.path.len, m.build_id.data, m.build_id.len);
    m.path.data = texts;
    m.build_id.data = texts + m.path.len;
    m.base = e.base;
    m.size = e.size;
    m.since = 0;
    at = (at + 7) & ~UINT32_C(7);
    if (e.flags & FAPILOG_MODULE_SINCE && at + sizeof m.since <= bytes)
        memcpy(&m.since, copy + at, sizeof m.since);
    r->modules[r->modules_count++] = m;
    r->heap_bytes += size;
}

/* A thread killed while it registered leaves a gap without a length, so the search goes on in steps of eight bytes; the
 * hash tells an entry from what looks like one and would hide those behind it. What was hashed of such adds up in
 * `vain`: beyond the bound a length is believed, or a range full of false ones would take us the square of it. */
struct registry_walk registry_walk_range(uint64_t from, uint64_t end)
{
    return (struct registry_walk){from, end, 0, REGISTRY_VAIN_FACTOR * (end - from)};
}

uint64_t registry_walk_step(const uint8_t *base, struct registry_walk *w, uint32_t *ret_kind)
{
    const uint64_t word0 = entry_word0(base, w->at);
    const uint32_t kind = FAPILOG_ENTRY_KIND(word0), bytes = FAPILOG_ENTRY_BYTES(word0);
    *ret_kind = 0;
    if (kind < FAPILOG_ENTRY_SITE || kind > FAPILOG_ENTRY_MODULE || bytes < 16 ||
        bytes > REGISTRY_ENTRY_BYTES_MAX || bytes > w->end - w->at)
        return 8;
    if (w->vain + bytes <= w->vain_max && !is_whole(base + w->at, word0)) {
        w->vain += bytes;
        return 8;
    }
    *ret_kind = kind;
    return ((uint64_t)bytes + 7) & ~UINT64_C(7);
}

static uint64_t scan_end(const struct registry *r)
{
    const uint64_t tail = r->tail ? load_acq(r->tail) : r->bytes; /* order: R2 acquire, pairs with R1 */
    return tail < r->bytes ? tail & ~UINT64_C(7) : r->bytes;
}

struct registry_walk registry_walk_begin(const struct registry *r)
{
    const uint64_t from = FAPILOG_REGISTRY_PREAMBLE, end = scan_end(r);
    return registry_walk_range(from, end > from ? end : from);
}

uint8_t *registry_walk_next(struct registry *r, struct registry_walk *w, uint32_t kind, uint32_t *ret_bytes)
{
    uint8_t *copy = NULL;
    while (!copy && w->at < w->end) {
        uint32_t found;
        const uint64_t at = w->at;
        w->at += registry_walk_step(r->base, w, &found);
        if (found == kind)
            copy = entry_copy(r, at, kind, ret_bytes);
    }
    return copy;
}

/* Without memory for it what it holds stays unknown. */
static void gap_add(struct registry *r, uint64_t from, uint64_t to)
{
    if (from == to || grow((void **)&r->gaps, &r->gaps_cap, r->gaps_count + 1, sizeof *r->gaps) < 0)
        return;
    r->gaps[r->gaps_count++] = (struct registry_gap){from, to};
    r->gaps_bytes += to - from;
}

/* Adds the modules of the range, and as gaps what holds no entry, or none yet. */
static void modules_scan(struct registry *r, struct registry_walk w)
{
    uint64_t gap = w.at;
    for (uint64_t step; w.at < w.end; w.at += step) {
        uint32_t kind;
        step = registry_walk_step(r->base, &w, &kind);
        if (!kind)
            continue;
        gap_add(r, gap, w.at);
        if (kind == FAPILOG_ENTRY_MODULE)
            module_add(r, w.at);
        gap = w.at + step;
    }
    gap_add(r, gap, w.end);
}

/* An entry that its thread was still writing when we came by is complete before a record that needs it. A gap that a
 * killed thread has left looks the same and stays, so a look costs what all of them hold: a few words as a rule;
 * where a registry is full of them, a look has to be paid for by many records. */
static void gaps_scan(struct registry *r)
{
    r->gaps_credit += REGISTRY_GAPS_BYTES;
    if (r->gaps_credit < r->gaps_bytes)
        return;
    struct registry_gap *const gaps = r->gaps;
    const uint32_t count = r->gaps_count;
    r->gaps = NULL;
    r->gaps_count = r->gaps_cap = 0;
    r->gaps_bytes = r->gaps_credit = 0;
    for (uint32_t i = 0; i < count; i++)
        modules_scan(r, registry_walk_range(gaps[i].from, gaps[i].to));
    free(gaps);
}

/* Of those that were in this place one after the other, the last one before the record. */
static const struct registry_module *module_at(const struct registry *r, uint64_t address, uint64_t cycles)
{
    const struct registry_module *found = NULL;
    for (uint32_t i = 0; i < r->modules_count; i++) {
        const struct registry_module *m = &r->modules[i];
        if (address - m->base < m->size && (!found || (m->since <= cycles && m->since >= found->since)))
            found = m;
    }
    return found;
}

bool registry_module_of(const void *arg, uint64_t address, struct fapilog_text *ret_path,
                        uint64_t *ret_offset)
{
    /* The record view is const for formats; what is learned here is a cache. */
    struct registry_moment *moment = (struct registry_moment *)(uintptr_t)arg;
    struct registry *r = moment->registry;
    const uint64_t end = scan_end(r);
    if (!moment->is_scanned && r->gaps_count)
        gaps_scan(r);
    if (end > r->modules_scanned) {
        modules_scan(r, registry_walk_range(r->modules_scanned, end));
        r->modules_scanned = end;
    }
    moment->is_scanned = true;
    const struct registry_module *m = module_at(r, address, moment->cycles);
    if (!m)
        return false;
    *ret_path = m->path;
    *ret_offset = address - m->base;
    return true;
}

void registry_verify(struct registry *r, uint64_t *ret_good, uint64_t *ret_bad)
{
    struct registry_walk w = registry_walk_begin(r);
    uint64_t good = 0, bad = 0;
    bool is_gap = false; /* counts once, however many words of it are not zero */
    for (uint64_t step; w.at < w.end; w.at += step) {
        uint32_t kind, bytes;
        step = registry_walk_step(r->base, &w, &kind);
        if (!kind) {
            const bool is_junk = entry_word0(r->base, w.at) != 0;
            bad += is_junk && !is_gap;
            is_gap |= is_junk;
            continue;
        }
        is_gap = false;
        auto_free uint8_t *copy = entry_copy(r, w.at, kind, &bytes);
        const uint32_t id = (uint32_t)(w.at / 8);
        const bool ok = copy && (kind == FAPILOG_ENTRY_SITE ? registry_site(r, id) != NULL
                                 : kind == FAPILOG_ENTRY_LOGGER ? registry_logger(r, id) != NULL : true);
        good += ok;
        bad += !ok;
    }
    *ret_good = good;
    *ret_bad = bad;
}
