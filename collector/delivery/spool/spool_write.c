/* Into the spool: entries become blocks, blocks a group, a group is written. */
#include "collector/delivery/spool/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP_RAW = 1 << 20, /* what is packed in one go holds up the reactor for about a millisecond */
    PACK_PART = 64,      /* of all time, for images */
};
#define PACK_SAVED_NS ((int64_t)(2 * NS_PER_MS))

bool spool_can_put(const struct spool *s)
{
    if (spool_journal_waits(s))
        return !s->is_put_blocked;
    return !s->group.is_writing && s->log.step == SEGLOG_IDLE;
}

/* A group under way is not in it yet. */
void spool_set_noted(struct spool *s)
{
    cursor_set_noted(&s->cursor, s->group.total ? s->log.group_sequence : s->log.next_sequence);
}

static void blocks_free(struct spool_group *g)
{
    while (g->first) {
        struct spool_block *next = g->first->next;
        free(g->first);
        g->first = next;
    }
    g->last = &g->first;
    free(g->open);
    g->open = NULL;
}

static void group_clear(struct spool *s)
{
    struct spool_group *g = &s->group;
    s->log.is_inline = false;
    blocks_free(g);
    g->raw_len = g->records = 0;
    g->raw_total = g->total = 0;
    g->is_writing = false;
}

static int block_close(struct spool *s)
{
    struct spool_group *g = &s->group;
    const int64_t now = (int64_t)clock_real_ns();
    if (!g->records)
        return 0;
    const uint64_t sequence = seglog_add(&s->log, &(struct seglog_block){
        .kind = SPOOL_ENTRIES, .codec = SPOOL_ZSTD, .raw = g->raw, .raw_len = g->raw_len, .records = g->records,
        .oldest_ns = g->oldest_ns, .time_ns = now });
    if (!sequence)
        return -ENOMEM;
    if (g->open) {
        g->open->sequence = sequence;
        g->open->time_ns = now;
        g->open->records = g->open->left = g->records;
        *g->last = g->open;
        g->last = &g->open->next;
        g->open = NULL;
    }
    g->total += g->records;
    g->raw_total += g->raw_len;
    g->raw_len = g->records = 0;
    return 0;
}

static uint64_t group_max(const struct spool *s)
{
    const uint64_t part = s->cfg.delivery->spool_max_bytes / 4;
    return part < GROUP_RAW ? part : GROUP_RAW;
}

/* Room for one more entry in the open block; closes the one before when it would not belong there. */
static int block_prepare(struct spool *s, uint32_t bytes, bool is_held)
{
    struct spool_group *g = &s->group;
    if (g->records && (g->is_held != is_held || g->records == SPOOL_BLOCK_RECORDS ||
                       g->raw_len + bytes > SPOOL_BLOCK_RAW)) {
        const int r = block_close(s);
        if (r < 0)
            return r;
    }
    if (g->raw_cap < g->raw_len + bytes) {
        const uint32_t cap = bytes > SPOOL_BLOCK_RAW ? bytes : SPOOL_BLOCK_RAW;
        char *raw = realloc(g->raw, cap);
        if (!raw)
            return -ENOMEM;
        g->raw = raw;
        g->raw_cap = cap;
    }
    if (g->records)
        return 0;
    g->is_held = is_held;
    g->oldest_ns = INT64_MAX;
    if (is_held && !g->open && !(g->open = spool_block_new()))
        return -ENOMEM;
    return 0;
}

int spool_put(struct spool *s, const struct entry_head *entry, uint32_t attempts, bool follows,
              struct spool_block **ret_block, uint32_t *ret_index)
{
    struct spool_group *g = &s->group;
    CHECK(spool_can_put(s));
    int r = spool_journal_blocks(s);
    if (r < 0)
        return r;
    if ((g->total || g->records) && g->raw_total + g->raw_len + entry->bytes > group_max(s))
        return -EAGAIN;
    r = block_prepare(s, entry->bytes, ret_block != NULL);
    if (r < 0)
        return r;
    struct entry_head *copy = (struct entry_head *)(void *)(g->raw + g->raw_len);
    memcpy(copy, entry, entry->bytes);
    copy->flags |= follows ? ENTRY_FOLLOWS : 0;
    copy->attempts = attempts < UINT16_MAX ? (uint16_t)attempts : UINT16_MAX;
    g->oldest_ns = entry->time_ns < g->oldest_ns ? entry->time_ns : g->oldest_ns;
    if (ret_block) {
        *ret_block = g->open;
        *ret_index = g->records;
    }
    g->raw_len += entry->bytes;
    g->records++;
    return 0;
}

/* Whoever spools under load must not take the time of those who can write: packing gets a small part of it. */
static bool may_pack(struct spool *s, uint64_t now_ns)
{
    s->pack_ns += (int64_t)((now_ns - s->pack_at_ns) / PACK_PART);
    s->pack_ns = s->pack_ns < PACK_SAVED_NS ? s->pack_ns : PACK_SAVED_NS;
    s->pack_at_ns = now_ns;
    return s->pack_ns > 0;
}

static int image_add(struct spool *s, const struct spool_block_head *h, const char *image, size_t len)
{
    struct spool_group *g = &s->group;
    if ((g->total || g->records) && g->raw_total + g->raw_len + len > group_max(s))
        return -EAGAIN;
    const int r = block_close(s);
    if (r < 0)
        return r;
    const uint64_t sequence = seglog_add(&s->log, &(struct seglog_block){
        .kind = SPOOL_IMAGE, .codec = h->codec, .raw = image, .raw_len = (uint32_t)len, .records = h->records,
        .oldest_ns = h->oldest_ns, .time_ns = h->time_ns });
    if (!sequence)
        return -ENOMEM;
    s->log.is_inline = true; /* the ring is short, and waits for it */
    g->total += h->records;
    g->raw_total += len;
    return 0;
}

int spool_put_image(struct spool *s, const char *image, size_t len, uint32_t records, int64_t oldest_ns)
{
    CHECK(spool_can_put(s) && records <= SPOOL_BLOCK_RECORDS && len <= SPOOL_IMAGE_MAX);
    const uint64_t began_ns = clock_mono_ns();
    const bool packs = may_pack(s, began_ns);
    struct spool_block_head h = {
        .kind = SPOOL_IMAGE, .codec = packs ? SPOOL_ZSTD : SPOOL_PLAIN, .records = records,
        .sequence = s->log.next_sequence, .time_ns = (int64_t)clock_real_ns(), .oldest_ns = oldest_ns,
    };
    const struct iovec piece = { (char *)image, len };
    int r = spool_journal_put(s, &h, &piece, 1);
    const bool is_safe = r == 0;
    if (r == -ENOTSUP)
        r = image_add(s, &h, image, len);
    if (packs)
        s->pack_ns -= (int64_t)(clock_mono_ns() - began_ns);
    return is_safe ? 1 : r;
}

bool spool_take_image(struct spool *s, const struct iovec *piece, uint32_t count, uint32_t records, int64_t oldest_ns,
                      bool is_short)
{
    struct spool_block_head h = {
        .kind = SPOOL_IMAGE, .records = records, .sequence = s->log.next_sequence,
        .time_ns = (int64_t)clock_real_ns(), .oldest_ns = oldest_ns,
    };
    if (!spool_can_put(s) || (!is_short && may_pack(s, clock_mono_ns())))
        return false;
    return spool_journal_put(s, &h, piece, count) == 0;
}

void spool_make_room(struct spool *s, uint64_t bytes)
{
    const uint64_t max = s->cfg.delivery->spool_max_bytes;
    if (s->log.bytes + bytes > max)
        spool_tidy(s); /* first what nobody misses */
    while (s->log.bytes + bytes > max && spool_evict(s, &s->counts.dropped_size))
        ;
}

int spool_write(struct spool *s)
{
    struct spool_group *g = &s->group;
    int r = block_close(s);
    if (r == 0) {
        spool_make_room(s, s->log.group_len);
        r = seglog_start(&s->log);
    } else {
        seglog_abort(&s->log);
    }
    if (r < 0)
        group_clear(s);
    else
        g->is_writing = true;
    return r;
}

/* The held blocks get their place. */
static void group_place(struct spool *s)
{
    struct spool_group *g = &s->group;
    s->log.last->live += g->total;
    s->log.last->end_sequence = s->log.next_sequence;
    s->counts.records += g->total;
    while (g->first) {
        struct spool_block *b = g->first;
        g->first = b->next;
        b->seg = s->log.last;
        spool_hold(s, b);
    }
    g->last = &g->first;
}

int spool_poll(struct spool *s)
{
    if (!s->group.is_writing)
        return 0;
    const int r = seglog_poll(&s->log);
    if (r == -EAGAIN)
        return r;
    if (r == 0) {
        group_place(s);
        s->is_mended = true;
    }
    group_clear(s);
    return r;
}
