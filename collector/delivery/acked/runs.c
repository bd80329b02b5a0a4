/* Runs: of records that follow each other in a stream, one note a lane. What lies between two records of a lane that
 * are in a run is settled, or was not for this sink. */
#include "collector/delivery/acked/internal.h"

#include "lib/base/check.h"

/* ---- the notes of a run ---- */

static uint32_t *own_bucket(struct acked *a, uint32_t run, const struct acked_place *p)
{
    return &a->by_own[bucket_of(p->uuid[0] ^ p->uuid[1] ^ run, (uint64_t)run << 32 | p->lane)];
}

static uint32_t own_find(struct acked *a, uint32_t run, const struct acked_place *p)
{
    uint32_t n = *own_bucket(a, run, p);
    while (n && (a->note[n].run != run || !is_same_lane(&a->note[n].place, p)))
        n = a->note[n].own_next;
    return n;
}

static void own_link(struct acked *a, uint32_t run, uint32_t n)
{
    struct note *x = &a->note[n];
    struct run *r = &a->run[run];
    uint32_t *bucket = own_bucket(a, run, &x->place);
    x->run = run;
    x->own_next = *bucket;
    *bucket = n;
    x->run_prev = 0;
    x->run_next = r->notes;
    if (r->notes)
        a->note[r->notes].run_prev = n;
    r->notes = n;
    r->count++;
}

static void own_unlink(struct acked *a, uint32_t n)
{
    struct note *x = &a->note[n];
    struct run *r = &a->run[x->run];
    uint32_t *at = own_bucket(a, x->run, &x->place);
    while (*at != n)
        at = &a->note[*at].own_next;
    *at = x->own_next;
    if (x->run_prev)
        a->note[x->run_prev].run_next = x->run_next;
    else
        r->notes = x->run_next;
    if (x->run_next)
        a->note[x->run_next].run_prev = x->run_prev;
    r->count--;
    x->run = 0;
}

/* ---- runs by their ends ---- */

static uint32_t *from_bucket(struct acked *a, uint32_t stream, uint64_t number)
{
    return &a->by_from[bucket_of(number, stream)];
}

static uint32_t *to_bucket(struct acked *a, uint32_t stream, uint64_t number)
{
    return &a->by_to[bucket_of(number, stream)];
}

static uint32_t run_from(struct acked *a, uint32_t stream, uint64_t number)
{
    uint32_t r = *from_bucket(a, stream, number);
    while (r && (a->run[r].stream != stream || a->run[r].from != number))
        r = a->run[r].from_next;
    return r;
}

static uint32_t run_to(struct acked *a, uint32_t stream, uint64_t number)
{
    uint32_t r = *to_bucket(a, stream, number);
    while (r && (a->run[r].stream != stream || a->run[r].to != number))
        r = a->run[r].to_next;
    return r;
}

static void ends_link(struct acked *a, uint32_t r)
{
    struct run *x = &a->run[r];
    uint32_t *from = from_bucket(a, x->stream, x->from), *to = to_bucket(a, x->stream, x->to);
    x->from_next = *from;
    *from = r;
    x->to_next = *to;
    *to = r;
}

static void ends_unlink(struct acked *a, uint32_t r)
{
    const struct run *x = &a->run[r];
    uint32_t *from = from_bucket(a, x->stream, x->from), *to = to_bucket(a, x->stream, x->to);
    while (*from != r)
        from = &a->run[*from].from_next;
    *from = x->from_next;
    while (*to != r)
        to = &a->run[*to].to_next;
    *to = x->to_next;
}

static void run_free(struct acked *a, uint32_t r)
{
    CHECK(!a->run[r].count);
    ends_unlink(a, r);
    a->run[r] = (struct run){ .from_next = a->runs_free };
    a->runs_free = r;
}

void run_remove_note(struct acked *a, uint32_t n)
{
    const uint32_t r = a->note[n].run;
    if (!r)
        return;
    own_unlink(a, n);
    if (!a->run[r].count)
        run_free(a, r);
}

/* ---- adding ---- */

static void run_widen(struct acked *a, uint32_t r, uint64_t from, uint64_t to)
{
    ends_unlink(a, r);
    a->run[r].from = from;
    a->run[r].to = to;
    ends_link(a, r);
}

static void place_add(struct acked *a, uint64_t identity, uint32_t r, const struct acked_place *p, bool is_behind)
{
    const uint32_t n = own_find(a, r, p);
    if (n && note_extend(a, n, p, is_behind))
        return;
    const uint32_t fresh = note_new(a, identity, p);
    if (fresh && !n)
        own_link(a, r, fresh);
}

/* The notes of the one become those of the other. */
static void run_join(struct acked *a, uint32_t one, uint32_t other)
{
    const uint32_t to = a->run[one].count < a->run[other].count ? other : one, from = to == one ? other : one;
    const uint64_t first = a->run[one].from, last = a->run[other].to;
    while (a->run[from].count) {
        const uint32_t n = a->run[from].notes;
        const uint32_t same = own_find(a, to, &a->note[n].place);
        if (same && note_extend(a, same, &a->note[n].place, to == one)) {
            own_unlink(a, n);
            note_free(a, n);
            continue;
        }
        own_unlink(a, n);
        if (!same)
            own_link(a, to, n);
    }
    run_free(a, from);
    run_widen(a, to, first, last);
}

static uint32_t run_new(struct acked *a, uint32_t stream, uint64_t from, uint64_t to)
{
    const uint32_t r = a->runs_free; /* none without a note: there are enough */
    CHECK(r != 0);
    a->runs_free = a->run[r].from_next;
    a->run[r] = (struct run){ .from = from, .to = to, .stream = stream };
    ends_link(a, r);
    return r;
}

void run_add(const struct acked_stream *s, uint64_t from, uint64_t to, const struct acked_place *place,
             uint32_t count)
{
    struct acked *a = s->to;
    const uint32_t before = run_to(a, s->number, from), behind = run_from(a, s->number, to);
    uint32_t r = before ? before : behind;
    if (!r && (!count || !a->notes_free)) {
        a->left_out += count;
        return;
    }
    if (r)
        run_widen(a, r, before ? a->run[r].from : from, before ? to : a->run[r].to);
    else
        r = run_new(a, s->number, from, to);
    for (uint32_t i = 0; i < count; i++)
        place_add(a, s->identity, r, &place[i], before != 0);
    if (before && behind)
        run_join(a, before, behind);
}
