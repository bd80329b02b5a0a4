#include "collector/delivery/pipeline_internal.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { POSITIONS_MIN = 64, FENCES_MAX = COMMIT_OPENS_MAX - WINDOW_MAX };

/* What a slot calls the sinks: those without a mark yet are not in it. */
struct numbering {
    struct commit_sink sink[FAPILOG_SINKS_MAX];
    uint32_t count;
    uint32_t number[FAPILOG_SINKS_MAX]; /* per target, UINT32_MAX: not in it */
};

static void number_sinks(const struct pipeline *p, struct numbering *n)
{
    n->count = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        n->number[i] = t->has_mark ? n->count : UINT32_MAX;
        if (t->has_mark)
            n->sink[n->count++] = (struct commit_sink){ t->identity, t->mark };
    }
}

static uint32_t renumber(const struct pipeline *p, const struct numbering *n, uint32_t targets)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (targets >> i & 1 && n->number[i] != UINT32_MAX)
            bits |= UINT32_C(1) << n->number[i];
    }
    return bits;
}

static uint32_t list_open(const struct pipeline *p, const struct numbering *n, const struct batch *committed,
                          struct commit_open *open)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->open_count; i++) {
        const struct batch *b = p->open[i];
        if (b != committed)
            open[count++] = (struct commit_open){ renumber(p, n, b->settled), b->checkpoint.count,
                                                  b->checkpoint.position };
    }
    for (uint32_t i = 0; i < p->fences_count; i++) {
        if (i >= p->fence_next || p->fences[i].count)
            open[count++] = (struct commit_open){ renumber(p, n, p->fence_skip[i]), p->fences[i].count,
                                                  p->fences[i].position };
    }
    /* Behind the last batch that anybody has, all is read by all. Before it, every end counts. */
    while (count && !open[count - 1].settled)
        count--;
    return count;
}

static void store(struct pipeline *p, const struct commit_state *s)
{
    struct err e;
    commit_store(p->commit, s);
    const int r = commit_mend(p->commit, &e);
    if (r > 0 || (r < 0 && !p->was_told_cut))
        pipeline_say(p, e.text);
    p->was_told_cut = r < 0;
}

void pipeline_store(struct pipeline *p, const struct batch *committed)
{
    struct numbering n;
    struct commit_open open[COMMIT_OPENS_MAX];
    struct commit_state last, s = { .sink = n.sink, .open = open };
    number_sinks(p, &n);
    s.sinks_count = n.count;
    s.opens_count = list_open(p, &n, committed, open);
    if (committed) {
        s.position = committed->checkpoint.position;
        s.positions_count = committed->checkpoint.count;
        s.kept = p->segments ? p->segments->redo : NULL;
        s.kept_count = p->segments ? p->segments->redo_count : 0;
    } else {
        commit_last(p->commit, &last);
        s.position = last.position;
        s.positions_count = last.positions_count;
    }
    p->last_count = s.positions_count + s.kept_count;
    p->is_changed = false;
    store(p, &s);
    for (uint32_t i = 0; i < p->targets_count; i++)
        if (p->target[i].remote)
            remote_noted(p->target[i].remote);
}

uint64_t pipeline_slot_bytes(const struct pipeline *p, uint64_t more)
{
    uint64_t positions = p->last_count + more;
    for (uint32_t i = 0; i < p->open_count; i++)
        positions += p->open[i]->checkpoint.count;
    for (uint32_t i = 0; i < p->fences_count; i++)
        positions += p->fences[i].count;
    return commit_bytes(p->targets_count, positions, COMMIT_OPENS_MAX);
}

void pipeline_grow_slots(struct pipeline *p, uint32_t positions)
{
    (void)commit_reserve(p->commit, pipeline_slot_bytes(p, positions), NULL);
}

/* The last positions are in the segments long since, but for those of segments that are not attached, which stay;
 * without them there is more room. */
static void forget_last(struct pipeline *p)
{
    const struct batch nothing = { .is_used = false };
    pipeline_store(p, &nothing);
}

uint32_t pipeline_positions_room(struct pipeline *p)
{
    if (pipeline_slot_bytes(p, POSITIONS_MIN) > commit_room(p->commit))
        pipeline_grow_slots(p, 2 * POSITIONS_MIN);
    if (pipeline_slot_bytes(p, POSITIONS_MIN) > commit_room(p->commit) && !p->open_count && p->last_count)
        forget_last(p);
    const uint64_t used = pipeline_slot_bytes(p, 0), room = commit_room(p->commit);
    return used + POSITIONS_MIN * sizeof(struct position) > room ? 0
                                                                 : (uint32_t)((room - used) / sizeof(struct position));
}

/* ---- what a former run left open ---- */

void pipeline_pass_fences(struct pipeline *p, uint32_t fence)
{
    for (; p->fence_next < fence; p->fence_next++) {
        struct drain_fence *f = &p->fences[p->fence_next];
        struct position *at = p->fence_position + (f->position - p->fence_position);
        const uint32_t count = f->count;
        f->count = 0;
        for (uint32_t i = 0; p->segments && p->segments->is_incomplete && i < count; i++) {
            if (!segments_find(p->segments, &at[i]))
                at[f->count++] = at[i];
        }
    }
}

static bool has_settled(const struct commit_state *s, const struct commit_open *open, uint64_t identity)
{
    bool is_there = false;
    for (uint32_t i = 0; i < s->sinks_count && i < FAPILOG_SINKS_MAX; i++) {
        if (s->sink[i].identity != identity)
            continue;
        if (!(open->settled >> i & 1))
            return false; /* two sinks of one identity: better twice than not at all */
        is_there = true;
    }
    return is_there;
}

static uint32_t who_settled(const struct pipeline *p, const struct commit_state *s, const struct commit_open *open)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (has_settled(s, open, p->target[i].identity))
            bits |= UINT32_C(1) << i;
    }
    return bits;
}

static bool is_same_place(const struct position *a, const struct position *b)
{
    return a->uuid_hi == b->uuid_hi && a->uuid_lo == b->uuid_lo && a->lane == b->lane;
}

/* Neighbours that the same sinks have had become one, so that run after run their number does not grow. */
static void fence_extend(struct drain_fence *f, struct position *positions, const struct commit_open *open)
{
    for (uint32_t i = 0; i < open->count; i++) {
        uint32_t k = 0;
        while (k < f->count && !is_same_place(&positions[k], &open->position[i]))
            k++;
        positions[k] = open->position[i];
        f->count += k == f->count;
    }
}

int pipeline_load_fences(struct pipeline *p, struct err *e)
{
    struct commit_state s;
    uint64_t positions = 0;
    commit_last(p->commit, &s);
    p->last_count = s.positions_count;
    for (uint32_t i = 0; i < s.opens_count; i++)
        positions += s.open[i].count;
    if (!s.opens_count)
        return 0;
    p->fences = calloc(s.opens_count, sizeof *p->fences);
    p->fence_skip = calloc(s.opens_count, sizeof *p->fence_skip);
    p->fence_position = calloc(positions ? positions : 1, sizeof *p->fence_position);
    if (!p->fences || !p->fence_skip || !p->fence_position)
        return err_set(e, -ENOMEM, "out of memory");
    struct position *at = p->fence_position;
    for (uint32_t i = 0; i < s.opens_count; i++) {
        const uint32_t skip = who_settled(p, &s, &s.open[i]);
        if (p->fences_count == FENCES_MAX) {
            p->fence_skip[FENCES_MAX - 1] &= skip; /* better twice than not at all */
        } else if (!p->fences_count || p->fence_skip[p->fences_count - 1] != skip) {
            at += p->fences_count ? p->fences[p->fences_count - 1].count : 0;
            p->fence_skip[p->fences_count] = skip;
            p->fences[p->fences_count++].position = at;
        }
        fence_extend(&p->fences[p->fences_count - 1], at, &s.open[i]);
    }
    return 0;
}
