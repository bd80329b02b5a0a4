#include "tools/dump/stats_collect.h"

#include "lib/base/clock.h"
#include "lib/reader/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t heartbeat_fresh_ns = 2 * NS_PER_S;

/* Records up to the tail, as a block's header and those behind it say, and the time of the last one. */
static void take_from(struct segment *seg, uint64_t block_at, struct lane_figures *f)
{
    struct lane_cursor *c = malloc(sizeof *c);
    if (c && lane_cursor_init(c, seg, f->lane, block_at, LANE_COPY) == 0) {
        struct fapilog_record rec;
        while (lane_next(c, f->tail, &rec) > 0)
            f->to_ns = rec.time_ns;
        f->seq = c->seq;
        lane_cursor_done(c);
    }
    free(c);
}

/* The last block may hold nothing but the end of a record that began in one before it. */
static void last_record_take(struct segment *seg, struct lane_figures *f)
{
    const uint64_t block = UINT64_C(1) << seg->lanes[f->lane].block_log2, oldest = lane_oldest(seg, f->lane);
    const uint64_t last = f->tail ? (f->tail - 1) & ~(block - 1) : 0;
    if (f->tail)
        take_from(seg, last, f);
    for (uint64_t at = last; !f->to_ns && at > oldest && last - at < 2 * FAPILOG_RECORD_BYTES_MAX; at -= block)
        take_from(seg, at - block, f);
}

/* The time of the first record at `pos` or behind it, 0 when there is none. */
static int64_t time_at(struct segment *seg, uint32_t lane, uint64_t pos, uint64_t tail)
{
    struct lane_cursor *c = malloc(sizeof *c);
    struct fapilog_record rec = {.time_ns = 0};
    if (pos < tail && c && lane_cursor_init(c, seg, lane, pos, LANE_COPY) == 0) {
        if (lane_next(c, tail, &rec) <= 0)
            rec.time_ns = 0;
        lane_cursor_done(c);
    }
    free(c);
    return rec.time_ns;
}

static void times_take(struct segment *seg, uint64_t done, struct lane_figures *f)
{
    const uint64_t oldest = lane_oldest(seg, f->lane);
    /* order: relaxed - a time for people */
    const uint64_t drop_cycles = load_rlx(&segment_lane_shared(seg, f->lane)->dropped_cycles);
    f->from_ns = time_at(seg, f->lane, oldest, f->tail);
    f->undelivered_ns = time_at(seg, f->lane, done > oldest ? done : oldest, f->tail);
    f->drop_ns = drop_cycles ? clock_map_ns(&seg->clock, drop_cycles) : 0;
}

static uint64_t since(uint64_t from, uint64_t to, uint64_t at_most)
{
    return from > to ? 0 : to - from > at_most ? at_most : to - from;
}

static void lane_take(struct segment *seg, uint32_t lane, struct lane_figures *f)
{
    const struct fapilog_lane *l = segment_lane_shared(seg, lane);
    const struct fapilog_lane_slot *slot = segment_slot(seg, lane);
    f->lane = lane;
    if (segment_lane_owner(seg, lane, &f->owner) < 0)
        f->owner.state = FAPILOG_LANE_CLAIMING;
    f->capacity = UINT64_C(1) << seg->lanes[lane].cap_log2;
    /* order: H2, D2 acquire - before the tail, so that neither seems to lie behind it */
    const uint64_t head = load_acq(&slot->head), done = load_acq(&slot->done);
    f->tail = load_acq(&l->tail); /* order: C2 acquire, pairs with C1 */
    f->fill = since(head, f->tail, f->capacity);
    f->lag = since(done, f->tail, f->capacity);
    f->dropped = load_rlx(&l->dropped);
    f->dropped_bytes = load_rlx(&l->dropped_bytes);
    f->blocked = load_rlx(&l->blocked);
    f->delivered = load_rlx(&slot->delivered);
    f->skipped_bytes = load_rlx(&slot->skipped_bytes);
    f->lost = load_rlx(&slot->lost);
    last_record_take(seg, f);
    times_take(seg, done, f);
}

static const struct lane_figures *lane_before(const struct segment_figures *before, uint32_t lane)
{
    for (uint32_t i = 0; before && i < before->lanes_count; i++) {
        if (before->lanes[i].lane == lane)
            return &before->lanes[i];
    }
    return NULL;
}

static void rates_set(struct segment_figures *f, const struct segment_figures *before)
{
    for (uint32_t i = 0; i < f->lanes_count; i++) {
        struct lane_figures *l = &f->lanes[i];
        const struct lane_figures *b = lane_before(before, l->lane);
        const double seconds = before ? (double)(f->at_ns - before->at_ns) / 1e9 : f->age_s;
        if (seconds > 0 && l->seq >= (b ? b->seq : 0)) {
            l->rate = (double)(l->seq - (b ? b->seq : 0)) / seconds;
            l->bytes_rate = (double)since(b ? b->tail : 0, l->tail, UINT64_MAX) / seconds;
        }
        f->rate += l->rate;
        f->seq += l->seq;
        f->dropped += l->dropped;
        f->fill += l->fill;
        f->lag += l->lag;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void times_set(struct segment_figures *f)
{
    for (uint32_t i = 0; i < f->lanes_count; i++) {
        const struct lane_figures *l = &f->lanes[i];
        f->from_ns = earlier(f->from_ns, l->from_ns);
        f->undelivered_ns = earlier(f->undelivered_ns, l->undelivered_ns);
        f->to_ns = later(f->to_ns, l->to_ns);
        f->drop_ns = later(f->drop_ns, l->drop_ns);
    }
}

int figures_take(const struct reader_segment *s, const struct segment_figures *before,
                 struct segment_figures *ret)
{
    struct segment *seg = s->seg;
    const struct fapilog_superblock *sb = segment_shared(seg);
    struct segment_figures f = {.at_ns = clock_mono_ns()};
    f.lanes = calloc(seg->lanes_count, sizeof f.lanes[0]);
    if (!f.lanes)
        return -ENOMEM;
    const int alive = segment_is_alive(seg);
    f.state = load_rlx(&sb->state) == FAPILOG_STATE_CLEAN ? "clean" : alive > 0 ? "alive" : "dead";
    const uint64_t beat = load_rlx(&seg->ctl->heartbeat_ns);
    f.has_collector = s->own_clock && beat && since(beat, f.at_ns, UINT64_MAX) < heartbeat_fresh_ns;
    if (alive > 0 && s->own_clock && f.at_ns > seg->sb.t0_mono_ns)
        f.age_s = (double)(f.at_ns - seg->sb.t0_mono_ns) / 1e9;
    f.orphans = load_rlx(&sb->orphan_dropped);
    f.truncated = load_rlx(&sb->truncated);
    f.unregistered = load_rlx(&sb->unregistered);
    for (uint32_t i = 0; i < seg->lanes_count; i++) {
        const struct fapilog_lane *l = segment_lane_shared(seg, i);
        if (seg->lanes[i].cap_log2 && (load_rlx(&l->tail) || load_rlx(&l->dropped)))
            lane_take(seg, i, &f.lanes[f.lanes_count++]);
    }
    f.dropped = f.orphans;
    rates_set(&f, before);
    times_set(&f);
    *ret = f;
    return 0;
}

void figures_done(struct segment_figures *f)
{
    free(f->lanes);
    *f = (struct segment_figures){0};
}
