/* Rings as sources of the reader. */
#include "lib/reader/reader_internal.h"

#include "lib/base/check.h"
#include "lib/ring/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ANCHORS_MAX = 4096, SEGMENT_FLAGS = SEGMENT_ANY_OWNER | SEGMENT_ANY_FS | SEGMENT_SALVAGE };

static const struct segment_limits tool_limits = {.anchors_max = ANCHORS_MAX};

/* ---- lanes ---- */

static int lane_advance(struct reader *r, struct reader_source *src, struct err *e)
{
    struct reader_lane *l = (struct reader_lane *)(void *)src;
    if (src->pending || l->broken)
        return 0;
    const int n = lane_next(&l->cursor, l->tail, &src->rec);
    if (n == -EBADMSG) {
        l->broken = true;
        l->cursor.damaged++;
        reader_warn(r, "%s: lane %" PRIu32 " has an impossible tail %" PRIu64 " after %" PRIu64, l->of->path,
                    l->cursor.lane, l->tail, l->cursor.pos);
        return 0;
    }
    if (n < 0)
        return err_set(e, n, "no memory to read %s", l->of->path);
    return n ? reader_offer(r, src, e) : 0;
}

static struct reader_lane *lane_new(const struct reader *r, struct reader_segment *s, uint32_t lane, struct err *e)
{
    struct reader_lane *l = calloc(1, sizeof *l);
    if (!l || lane_cursor_init(&l->cursor, s->seg, lane, lane_oldest(s->seg, lane), LANE_COPY) < 0) {
        free(l);
        (void)err_set(e, -ENOMEM, "no memory for lane %" PRIu32 " of %s", lane, s->path);
        return NULL;
    }
    if (r->has_looked)
        lane_cursor_start_late(&l->cursor);
    l->src.advance = lane_advance;
    l->of = s;
    l->tail = l->cursor.pos;
    return l;
}

static void lane_free(struct reader_lane *l)
{
    if (l)
        lane_cursor_done(&l->cursor);
    free(l);
}

const struct lane_cursor *reader_lane_cursor(const struct reader_segment *s, uint32_t lane)
{
    return s->lanes && s->lanes[lane] ? &s->lanes[lane]->cursor : NULL;
}

/* ---- clock ---- */

static bool clock_is_ours(const struct segment *seg)
{
    uint64_t id[2];
    boot_id(id);
    return (id[0] | id[1]) && seg->sb.boot_hi == id[0] && seg->sb.boot_lo == id[1];
}

/* Takes the anchor of the block at pos, unless it is being written over. */
static void anchor_take(struct segment *seg, uint32_t lane, uint64_t pos)
{
    const struct segment_lane *g = &seg->lanes[lane];
    const uint64_t cap = UINT64_C(1) << g->cap_log2;
    const uint8_t *at = seg->base + g->data_off + (pos & (cap - 1));
    const struct fapilog_block *b = (const struct fapilog_block *)(const void *)at;
    /* order: relaxed - the fence below comes before the look at the intent */
    const uint64_t word0 = load_rlx(&b->word0), own_pos = load_rlx(&b->pos);
    const uint64_t cycles = load_rlx(&b->cycles), real_ns = load_rlx(&b->real_ns);
    /* order: O2 acquire, pairs with O1 - what was read is whole only before the block's reuse began */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    /* order: relaxed - the fence orders it */
    const bool whole = pos + cap >= load_rlx(&segment_lane_shared(seg, lane)->intent);
    if (whole && FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_BLOCK && own_pos == pos)
        clock_map_add(&seg->clock, cycles, (int64_t)real_ns);
}

static void anchors_collect(struct segment *seg, uint32_t lane)
{
    const struct segment_lane *g = &seg->lanes[lane];
    if (!g->cap_log2)
        return;
    const uint64_t block = UINT64_C(1) << g->block_log2;
    /* order: C2 acquire, pairs with C1 */
    const uint64_t tail = load_acq(&segment_lane_shared(seg, lane)->tail);
    uint64_t pos = lane_oldest(seg, lane);
    for (uint64_t n = (UINT64_C(1) << g->cap_log2) / block; n && pos < tail; n--, pos += block)
        anchor_take(seg, lane, pos);
}

static void anchor_now(struct segment *seg)
{
    uint64_t cycles;
    int64_t real_ns;
    if (clock_sample(seg->sb.clock_kind, &cycles, &real_ns) == 0)
        clock_map_add(&seg->clock, cycles, real_ns);
}

/* Feeds the anchors of all block headers, and of this moment where the counter is ours, to the
 * segment's clock: times are then interpolated everywhere. */
static void calibrate(struct segment *seg, bool own_clock)
{
    for (uint32_t i = 0; i < seg->lanes_count; i++)
        anchors_collect(seg, i);
    if (own_clock)
        anchor_now(seg);
}

/* ---- segments ---- */

void reader_segment_totals(const struct reader_segment *s, struct reader_totals *t)
{
    for (uint32_t i = 0; s->seg && i < s->seg->lanes_count; i++) {
        const struct reader_lane *l = s->lanes[i];
        if (!l)
            continue;
        t->lost += l->cursor.lost;
        t->damaged += l->cursor.damaged;
        t->skipped_bytes += l->cursor.skipped_bytes;
    }
    t->damaged += s->seg && segment_is_damaged(s->seg);
}

static void segment_drop(struct reader *r, struct reader_segment *s)
{
    reader_segment_totals(s, &r->closed);
    for (uint32_t i = 0; s->seg && i < s->seg->lanes_count; i++)
        lane_free(s->lanes[i]);
    free(s->lanes);
    s->lanes = NULL;
    segment_close(s->seg);
    s->seg = NULL;
}

void reader_segment_free(struct reader *r, struct reader_segment *s)
{
    if (s->seg)
        segment_drop(r, s);
    free(s->path);
    free(s);
}

/* Takes the segment over, even on failure. */
static int segment_add(struct reader *r, struct segment *seg, const char *path, bool named, struct err *e)
{
    struct reader_segment **more = realloc(r->segments, (r->segments_count + 1) * sizeof *more);
    if (more)
        r->segments = more;
    struct reader_segment *s = calloc(1, sizeof *s);
    struct reader_lane **lanes = calloc(seg->lanes_count, sizeof(struct reader_lane *));
    char *copy = strdup(path);
    if (!more || !s || !lanes || !copy) {
        free(s);
        free(lanes);
        free(copy);
        segment_close(seg);
        return err_set(e, -ENOMEM, "no memory for %s", path);
    }
    *s = (struct reader_segment){.seg = seg, .path = copy, .lanes = lanes, .seen = true, .named = named};
    s->dev = seg->dev;
    s->ino = seg->ino;
    s->own_clock = clock_is_ours(seg);
    r->segments[r->segments_count++] = s;
    if (segment_is_damaged(seg))
        reader_warn(r, "%s: the superblock or the file's length is damaged; saving what can be read", path);
    calibrate(seg, s->own_clock);
    return 0;
}

int reader_segment_add(struct reader *r, int dir_fd, const char *name, const char *path, struct err *e)
{
    struct segment *seg;
    const int n = segment_open(dir_fd, name, SEGMENT_FLAGS, &tool_limits, &seg, e);
    return n < 0 ? n : segment_add(r, seg, path, false, e);
}

int reader_segment_add_fd(struct reader *r, int fd, const char *path, struct err *e)
{
    struct segment *seg;
    struct err why = {0};
    const int n = segment_open_fd(fd, SEGMENT_FLAGS, &tool_limits, &seg, &why);
    return n < 0 ? err_set(e, n, "%s: %s", path, why.text) : segment_add(r, seg, path, true, e);
}

int reader_segment_refresh(struct reader *r, struct reader_segment *s, struct err *e)
{
    struct segment *seg = s->seg;
    if (!seg)
        return 0;
    for (uint32_t i = 0; i < seg->lanes_count; i++) {
        /* order: C2 acquire, pairs with C1 */
        const uint64_t tail = load_acq(&segment_lane_shared(seg, i)->tail);
        if (!s->lanes[i] && tail && segment_lane_refresh(seg, i)) {
            s->lanes[i] = lane_new(r, s, i, e);
            if (!s->lanes[i])
                return -ENOMEM;
        }
        if (s->lanes[i])
            s->lanes[i]->tail = tail;
    }
    if (s->own_clock) /* after the tails: every record before them has an anchor behind it */
        anchor_now(seg);
    for (uint32_t i = 0; i < seg->lanes_count; i++) {
        struct reader_lane *l = s->lanes[i];
        const int n = l && &l->src != r->current ? lane_advance(r, &l->src, e) : 0;
        if (n < 0)
            return n;
    }
    return 0;
}

static bool all_read(const struct reader *r, const struct reader_segment *s)
{
    for (uint32_t i = 0; i < s->seg->lanes_count; i++) {
        const struct reader_lane *l = s->lanes[i];
        if (l && (l->src.pending || &l->src == r->current))
            return false;
    }
    return true;
}

void reader_segments_retire(struct reader *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->segments_count; i++) {
        struct reader_segment *s = r->segments[i];
        if (s->seg && !s->seen && segment_is_alive(s->seg) == 0 && all_read(r, s))
            segment_drop(r, s);
        if (!s->seg && !s->seen)
            reader_segment_free(r, s);
        else
            r->segments[kept++] = s;
    }
    r->segments_count = kept;
}
