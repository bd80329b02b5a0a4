#include "tests/common/walk.h"

#include "lib/base/atomics.h"
#include "lib/base/clock.h"
#include "lib/ring/hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(w, ...) (snprintf((w)->error, sizeof(w)->error, __VA_ARGS__), false)

bool walk_open(struct walk *w, const char *path)
{
    struct stat st;
    memset(w, 0, sizeof *w);
    snprintf(w->path, sizeof w->path, "%s", path);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof *w->sb)
        return REFUSE(w, "cannot open %s", path);
    w->bytes = (size_t)st.st_size;
    w->base = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (w->base == MAP_FAILED)
        return REFUSE(w, "cannot map %s", path);
    w->sb = (const struct fapilog_superblock *)w->base;
    w->ctl = (struct fapilog_ctl *)(w->base + w->sb->ctl_off);
    w->lanes = (struct fapilog_lane *)(w->base + w->sb->lane_off);
    return true;
}

void walk_close(struct walk *w)
{
    if (w->base && w->base != MAP_FAILED)
        (void)munmap(w->base, w->bytes);
    w->base = NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct walk *)a)->path, ((const struct walk *)b)->path);
}

unsigned walk_open_all(struct walk *w, unsigned max, const char *dir)
{
    unsigned n = 0;
    char path[512];
    DIR *d = opendir(dir);
    for (struct dirent *e; d && n < max && (e = readdir(d));) {
        const size_t len = strlen(e->d_name);
        if (e->d_name[0] == '.' || len < 5 || strcmp(e->d_name + len - 5, FAPILOG_SEGMENT_SUFFIX) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        n += walk_open(&w[n], path);
    }
    if (d)
        (void)closedir(d);
    qsort(w, n, sizeof *w, by_name);
    return n;
}

struct fapilog_lane_slot *walk_slot(struct walk *w, uint32_t lane)
{
    return (struct fapilog_lane_slot *)((uint8_t *)w->ctl + FAPILOG_CTL_SLOTS_OFF) + lane;
}

static void wake(const struct walk *w, uint32_t lane, uint64_t *head)
{
    /* order: seq_cst fence - our head before our look at `waiting`, as the producer's `waiting` comes before its look
     * at head */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (load_rlx(&w->lanes[lane].waiting)) /* order: relaxed - the fence above */
        (void)syscall(SYS_futex, head, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* As a collector does: never past the block that holds what was read last. */
static void release(struct walk *w, uint32_t lane, uint64_t read)
{
    struct fapilog_lane_slot *const slot = walk_slot(w, lane);
    const uint64_t block = UINT64_C(1) << w->lanes[lane].block_log2;
    if (read == 0)
        return;
    store_rel(&slot->done, read);                      /* order: D1 release, pairs with D2 */
    store_rel(&slot->head, (read - 1) & ~(block - 1)); /* order: H1 release, pairs with H2 */
    wake(w, lane, &slot->head);
}

void walk_consume(struct walk *w)
{
    for (uint32_t i = 0; i < w->sb->lane_count; i++) {
        const uint64_t block = UINT64_C(1) << w->lanes[i].block_log2;
        const uint64_t tail = load_acq(&w->lanes[i].tail); /* order: C2 acquire, pairs with C1 */
        store_rel(&walk_slot(w, i)->head, tail & ~(block - 1)); /* order: H1 release, pairs with H2 */
        store_rel(&walk_slot(w, i)->done, tail);                /* order: D1 release, pairs with D2 */
    }
}

void walk_beat(struct walk *w)
{
    store_rlx(&w->ctl->heartbeat_ns, clock_mono_ns()); /* order: relaxed - a time stamp */
}

/* ---- superblock and registry ------------------------------------------------------------------------ */

static bool check_superblock(struct walk *w)
{
    const struct fapilog_superblock *s = w->sb;
    if (s->magic != FAPILOG_MAGIC || s->endian != FAPILOG_ENDIAN_TAG || s->major != FAPILOG_ABI_MAJOR)
        return REFUSE(w, "not a segment");
    if (s->xxh3 != hash64(s, offsetof(struct fapilog_superblock, xxh3)))
        return REFUSE(w, "superblock hash");
    if (s->file_size != w->bytes || s->super_size != 4096)
        return REFUSE(w, "superblock sizes");
    return true;
}

static const uint8_t *entry_at(struct walk *w, uint64_t off, uint32_t kind)
{
    const uint64_t size = w->sb->registry_size;
    if (off < FAPILOG_REGISTRY_PREAMBLE || off + 24 > size)
        return NULL;
    const uint8_t *e = w->base + w->sb->registry_off + off;
    const uint64_t word0 = load_acq((const uint64_t *)e); /* order: R2 acquire, pairs with R1 */
    const uint64_t bytes = FAPILOG_ENTRY_BYTES(word0);
    if (bytes < 24 || off + bytes > size || FAPILOG_ENTRY_KIND(word0) != kind)
        return NULL;
    if (FAPILOG_ENTRY_HASH(word0) != (hash64(e + 8, bytes - 8) & 0xffffff))
        return NULL;
    return load_acq(&w->sb->registry_tail) >= off + bytes ? e : NULL; /* order: acquire - see R2 */
}

/* ---- values ------------------------------------------------------------------------------------------ */

static bool take(size_t *at, size_t size, size_t align, size_t len)
{
    *at = (*at + align - 1) / align * align;
    if (*at + size > len)
        return false;
    *at += size;
    return true;
}

/* Moves `at` over a value of the type; false when it does not lie within len. */
static bool pass_value(const uint8_t *from, size_t *at, uint8_t type, size_t len)
{
    static const uint8_t scalar[FAPILOG_TYPE_COUNT] = {
        [FAPILOG_TYPE_BOOL] = 1, [FAPILOG_TYPE_I8] = 1, [FAPILOG_TYPE_U8] = 1, [FAPILOG_TYPE_I16] = 2,
        [FAPILOG_TYPE_U16] = 2, [FAPILOG_TYPE_I32] = 4, [FAPILOG_TYPE_U32] = 4, [FAPILOG_TYPE_I64] = 8,
        [FAPILOG_TYPE_U64] = 8, [FAPILOG_TYPE_F32] = 4, [FAPILOG_TYPE_F64] = 8, [FAPILOG_TYPE_ERRNO] = 4,
        [FAPILOG_TYPE_POINTER] = 8, [FAPILOG_TYPE_TIME] = 8, [FAPILOG_TYPE_DURATION] = 8,
        [FAPILOG_TYPE_CHAR] = 1};
    static const uint8_t bytes[FAPILOG_TYPE_COUNT] = {
        [FAPILOG_TYPE_IPV4] = 4, [FAPILOG_TYPE_IPV6] = 16, [FAPILOG_TYPE_UUID] = 16,
        [FAPILOG_TYPE_TRACE_ID] = 16, [FAPILOG_TYPE_SPAN_ID] = 8};
    uint32_t n;
    if (type >= FAPILOG_TYPE_COUNT)
        return false;
    if (scalar[type])
        return take(at, scalar[type], scalar[type], len);
    if (bytes[type])
        return take(at, bytes[type], 1, len);
    if (type == FAPILOG_TYPE_NULL)
        return true;
    if (!take(at, 4, 4, len))
        return false;
    memcpy(&n, from + *at - 4, 4);
    return type == FAPILOG_TYPE_STACK ? take(at, (size_t)n * 8, 8, len) : take(at, n, 1, len);
}

static bool pass_list(const uint8_t *list, uint32_t count, size_t len, size_t *ret_end)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t name_len;
        if (!take(&at, 4, 4, len))
            return false;
        const uint8_t *head = list + at - 4;
        memcpy(&name_len, head + 2, 2);
        if (head[1] >= FAPILOG_ROLE_COUNT || !take(&at, name_len, 1, len) || !pass_value(list, &at, head[0], len))
            return false;
    }
    *ret_end = at;
    return true;
}

/* ---- records ----------------------------------------------------------------------------------------- */

struct lane_walk {
    struct walk *w;
    walk_func *f;
    void *arg;
    struct walk_totals *totals;
    uint32_t index, generation, context_epoch;
    uint64_t tail; /* up to where it went */
    uint64_t seq; /* events counted in this walk */
    bool seq_known;
    bool started; /* past the rest of a chain that began before the walk */
    uint8_t *chain; /* joined fragments */
    size_t chain_len;
};

static bool fill_event(struct walk *w, struct walk_record *r, uint32_t schema)
{
    const uint8_t *e = entry_at(w, (uint64_t)schema * 8, FAPILOG_ENTRY_SITE);
    if (!e)
        return REFUSE(w, "event names no complete site: %u", schema);
    r->site = (const struct fapilog_site_entry *)e;
    r->fields_count = r->site->fields_count;
    r->message = (const char *)e + sizeof *r->site + 2u * r->fields_count;
    r->message_len = r->site->message_len;
    size_t at = 0;
    for (uint32_t i = 0; i < r->fields_count; i++)
        if (!pass_value(r->args, &at, e[sizeof *r->site + 2 * i], r->args_len))
            return REFUSE(w, "argument %u of '%s' does not fit", i, r->message);
    if (r->args_len - at >= 8)
        return REFUSE(w, "'%s' is longer than its arguments", r->message);
    return true;
}

static bool fill_source(struct walk *w, struct walk_record *r, uint32_t schema)
{
    const uint8_t *const e = schema ? entry_at(w, (uint64_t)schema * 8, FAPILOG_ENTRY_SITE) : NULL;
    r->site = (const struct fapilog_site_entry *)e;
    if (schema && (!e || r->site->message_len || r->site->fields_count || r->site->level || r->site->flags))
        return REFUSE(w, "dynamic record names no complete place: %u", schema);
    return true;
}

static bool fill_list(struct walk *w, struct walk_record *r)
{
    struct fapilog_dynamic head;
    size_t end;
    if (r->args_len < sizeof head)
        return REFUSE(w, "dynamic record too short");
    memcpy(&head, r->args, sizeof head);
    const size_t start = (sizeof head + head.message_bytes + 7) / 8 * 8;
    if (start > r->args_len)
        return REFUSE(w, "dynamic message does not fit");
    r->message = (const char *)r->args + sizeof head;
    r->message_len = head.message_bytes;
    r->fields_count = head.fields_count;
    r->args += start;
    r->args_len -= start;
    if (!pass_list(r->args, r->fields_count, r->args_len, &end) || r->args_len - end >= 8)
        return REFUSE(w, "field list of a dynamic record");
    return true;
}

static bool pass_extensions(struct walk *w, struct walk_record *r)
{
    if (r->flags & FAPILOG_FLAG_EXT) {
        struct fapilog_ext ext;
        if (r->args_len < 8)
            return REFUSE(w, "no room for ext");
        memcpy(&ext, r->args, 8);
        r->logger = ext.logger;
        r->epoch = ext.epoch;
        r->args += 8;
        r->args_len -= 8;
        if (ext.logger && !entry_at(w, (uint64_t)ext.logger * 8, FAPILOG_ENTRY_LOGGER))
            return REFUSE(w, "unknown logger %u", ext.logger);
    }
    if (r->flags & FAPILOG_FLAG_TID) {
        memcpy(&r->tid, r->args, 4);
        r->args += 8;
        r->args_len -= 8;
    }
    if (r->flags & FAPILOG_FLAG_CONTEXT) {
        size_t end;
        memcpy(&r->context_len, r->args, 4);
        memcpy(&r->context_count, r->args + 4, 4);
        r->context = r->args + 8;
        const size_t size = 8 + (r->context_len + 7u) / 8 * 8;
        if (size > r->args_len || !pass_list(r->context, r->context_count, r->context_len, &end) ||
            end != r->context_len)
            return REFUSE(w, "inline context");
        r->args += size;
        r->args_len -= size;
    }
    return true;
}

static bool pass_logical(struct lane_walk *l, struct walk_record *r, uint32_t schema)
{
    struct walk *w = l->w;
    if (r->level < 1 || r->level > 30)
        return REFUSE(w, "level %u", r->level);
    if (!pass_extensions(w, r))
        return false;
    r->context_known = r->epoch == l->context_epoch;
    if (r->kind == FAPILOG_KIND_EVENT ? !fill_event(w, r, schema) : !fill_list(w, r) || !fill_source(w, r, schema))
        return false;
    l->seq++;
    l->totals->events++;
    if (l->f)
        l->f(l->arg, r);
    return true;
}

static bool pass_chain(struct lane_walk *l, struct walk_record *r)
{
    uint64_t head[3];
    if (l->chain_len < sizeof head)
        return REFUSE(l->w, "chain too short");
    memcpy(head, l->chain, sizeof head);
    if (head[2] + sizeof head != l->chain_len && (head[2] + sizeof head + 7) / 8 * 8 != l->chain_len)
        return REFUSE(l->w, "chain of %zu bytes says %llu", l->chain_len, (unsigned long long)head[2]);
    if (FAPILOG_WORD0_SIZE(head[0]) != 0 || head[2] > FAPILOG_RECORD_BYTES_MAX)
        return REFUSE(l->w, "chain's header");
    r->kind = FAPILOG_WORD0_KIND(head[0]);
    r->level = FAPILOG_WORD0_LEVEL(head[0]);
    r->flags = FAPILOG_WORD0_FLAGS(head[0]);
    r->cycles = head[1];
    r->args = l->chain + sizeof head;
    r->args_len = head[2];
    l->totals->chains++;
    l->chain_len = 0;
    return pass_logical(l, r, FAPILOG_WORD0_SCHEMA(head[0]));
}

static bool pass_fragment(struct lane_walk *l, struct walk_record *r, uint32_t marks)
{
    if (!(marks & 1) && !l->started) {
        l->started = marks & 2; /* the walk began behind the chain's first fragment */
        l->seq += l->started;
        return true;
    }
    l->started = true;
    if ((marks & 1) != (l->chain_len == 0))
        return REFUSE(l->w, "fragment out of place");
    l->chain = realloc(l->chain, l->chain_len + r->args_len);
    memcpy(l->chain + l->chain_len, r->args, r->args_len);
    l->chain_len += r->args_len;
    return marks & 2 ? pass_chain(l, r) : true;
}

static bool pass_record(struct lane_walk *l, const uint8_t *at, uint64_t position)
{
    uint64_t head[2];
    memcpy(head, at, sizeof head);
    struct walk_record r = {
        .lane = l->index, .generation = l->generation, .kind = FAPILOG_WORD0_KIND(head[0]),
        .level = FAPILOG_WORD0_LEVEL(head[0]), .flags = FAPILOG_WORD0_FLAGS(head[0]), .position = position,
        .cycles = head[1], .args = at + 16, .args_len = FAPILOG_WORD0_SIZE(head[0]) - 16};
    if (l->chain_len && r.kind != FAPILOG_KIND_FRAGMENT)
        return REFUSE(l->w, "a chain is interrupted by kind %u", r.kind);
    l->started |= r.kind != FAPILOG_KIND_FRAGMENT;
    switch (r.kind) {
    case FAPILOG_KIND_EVENT:
    case FAPILOG_KIND_DYNAMIC:
        return pass_logical(l, &r, FAPILOG_WORD0_SCHEMA(head[0]));
    case FAPILOG_KIND_CONTEXT:
        l->totals->contexts++;
        l->context_epoch = FAPILOG_WORD0_SCHEMA(head[0]);
        if (r.level || r.flags)
            return REFUSE(l->w, "context with a level or flags");
        return l->context_epoch ? fill_list(l->w, &r) : REFUSE(l->w, "context without an epoch");
    case FAPILOG_KIND_FRAGMENT:
        return pass_fragment(l, &r, FAPILOG_WORD0_SCHEMA(head[0]));
    default:
        return REFUSE(l->w, "kind %u at %llu", r.kind, (unsigned long long)position);
    }
}

static bool pass_block(struct lane_walk *l, const uint8_t *at, uint64_t pos, uint64_t end)
{
    struct walk *w = l->w;
    const struct fapilog_lane *lane = &w->lanes[l->index];
    const uint64_t block_end = (pos | ((UINT64_C(1) << lane->block_log2) - 1)) + 1;
    struct fapilog_block b;
    memcpy(&b, at, sizeof b);
    if (FAPILOG_WORD0_KIND(b.word0) != FAPILOG_KIND_BLOCK || FAPILOG_WORD0_SIZE(b.word0) != sizeof b || b.pos != pos)
        return REFUSE(w, "lane %u: no block at %llu", l->index, (unsigned long long)pos);
    if (FAPILOG_WORD0_LEVEL(b.word0) || FAPILOG_WORD0_FLAGS(b.word0))
        return REFUSE(w, "lane %u: block with a level or flags", l->index);
    if (b.dropped > load_rlx(&lane->dropped)) /* order: relaxed - a counter */
        return REFUSE(w, "lane %u: block counts more drops than the lane", l->index);
    if (l->seq_known && b.seq != l->seq)
        return REFUSE(w, "lane %u: block says %llu events, walked %llu", l->index, (unsigned long long)b.seq,
                      (unsigned long long)l->seq);
    if (FAPILOG_WORD0_SCHEMA(b.word0) != l->generation)
        l->context_epoch = 0;
    l->generation = FAPILOG_WORD0_SCHEMA(b.word0);
    l->seq = b.seq;
    l->seq_known = true;
    l->totals->blocks++;
    for (uint64_t p = pos + sizeof b; p < end && block_end - p >= 16;) {
        uint64_t word0;
        memcpy(&word0, at + (p - pos), 8);
        if (word0 == 0)
            return end >= block_end ? true : REFUSE(w, "lane %u: the open block has an end", l->index);
        const uint32_t size = FAPILOG_WORD0_SIZE(word0);
        if (size < 16 || p + size > end)
            return REFUSE(w, "lane %u: record of %u bytes at %llu", l->index, size, (unsigned long long)p);
        if (!pass_record(l, at + (p - pos), p))
            return false;
        p += size;
    }
    return true;
}

static bool pass_lane(struct lane_walk *l)
{
    struct walk *w = l->w;
    const struct fapilog_lane *lane = &w->lanes[l->index];
    const uint64_t cap = UINT64_C(1) << lane->cap_log2, block = UINT64_C(1) << lane->block_log2;
    const uint64_t tail = load_acq(&lane->tail); /* order: C2 acquire, pairs with C1 */
    uint64_t pos = load_rlx(&walk_slot(w, l->index)->head); /* order: relaxed - only we write it */
    if (lane->mode == FAPILOG_MODE_OVERWRITE && load_rlx(&lane->intent) > pos + cap) /* order: relaxed */
        pos = load_rlx(&lane->intent) - cap; /* order: relaxed - the producer rests or is stopped */
    else if (tail - pos > cap)
        return REFUSE(w, "lane %u: tail %llu is too far", l->index, (unsigned long long)tail);
    l->totals->dropped += load_rlx(&lane->dropped);             /* order: relaxed - a counter */
    l->totals->dropped_bytes += load_rlx(&lane->dropped_bytes); /* order: relaxed - a counter */
    l->totals->lanes_used += tail != 0;
    l->tail = tail;
    for (; pos < tail; pos += block) {
        const uint64_t end = tail - pos < block ? tail : pos + block;
        const uint8_t *at = w->base + lane->data_off + (pos & (cap - 1));
        if (!pass_block(l, at, pos, end))
            return false;
    }
    l->totals->committed += l->seq;
    return l->chain_len ? REFUSE(w, "lane %u: a chain without an end", l->index) : true;
}

static bool pass_all(struct walk *w, walk_func *f, void *arg, struct walk_totals *ret, bool take)
{
    struct walk_totals unused;
    memset(ret ? ret : &unused, 0, sizeof unused);
    if (!check_superblock(w))
        return false;
    bool good = true;
    for (uint32_t i = 0; good && i < w->sb->lane_count; i++) {
        struct lane_walk l = {.w = w, .f = f, .arg = arg, .totals = ret ? ret : &unused, .index = i};
        good = pass_lane(&l);
        free(l.chain);
        if (good && take)
            release(w, i, l.tail);
    }
    return good;
}

bool walk_run(struct walk *w, walk_func *f, void *arg, struct walk_totals *ret)
{
    return pass_all(w, f, arg, ret, false);
}

bool walk_take(struct walk *w, walk_func *f, void *arg, struct walk_totals *ret)
{
    return pass_all(w, f, arg, ret, true);
}
