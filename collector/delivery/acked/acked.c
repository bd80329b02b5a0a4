#include "collector/delivery/acked/internal.h"

#include "collector/ingest/segments.h"
#include "lib/base/atomics.h"
#include "lib/base/clock.h"
#include "lib/reader/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- one note ---- */

static void lane_link(struct acked *a, uint32_t n)
{
    uint32_t *bucket = &a->by_lane[lane_bucket(&a->note[n].place)];
    a->note[n].lane_prev = 0;
    a->note[n].lane_next = *bucket;
    if (*bucket)
        a->note[*bucket].lane_prev = n;
    *bucket = n;
}

static void lane_unlink(struct acked *a, uint32_t n)
{
    const struct note *x = &a->note[n];
    if (x->lane_prev)
        a->note[x->lane_prev].lane_next = x->lane_next;
    else
        a->by_lane[lane_bucket(&x->place)] = x->lane_next;
    if (x->lane_next)
        a->note[x->lane_next].lane_prev = x->lane_prev;
}

static uint32_t note_take(struct acked *a, uint64_t identity, const struct acked_place *p, uint32_t slot)
{
    const uint32_t n = a->notes_free;
    a->notes_free = a->note[n].run_next;
    a->note[n] = (struct note){ .place = *p, .identity = identity, .slot = slot, .is_used = true };
    a->count++;
    lane_link(a, n);
    return n;
}

uint32_t note_new(struct acked *a, uint64_t identity, const struct acked_place *p)
{
    if (!a->notes_free) {
        a->left_out++;
        return 0;
    }
    const uint32_t slot = a->slot_free[--a->slots_free];
    acked_slot_write(&a->file->slot[slot], identity, p);
    return note_take(a, identity, p, slot);
}

void note_free(struct acked *a, uint32_t n)
{
    struct note *x = &a->note[n];
    acked_slot_clear(&a->file->slot[x->slot]);
    a->slot_free[a->slots_free++] = x->slot;
    run_remove_note(a, n);
    lane_unlink(a, n);
    a->loaded -= x->is_loaded;
    a->count--;
    *x = (struct note){ .run_next = a->notes_free };
    a->notes_free = n;
}

/* The new one is there before the old one goes: a kill in between leaves both. */
static void note_move(struct acked *a, uint32_t n)
{
    struct note *x = &a->note[n];
    const uint32_t before = x->slot;
    x->slot = a->slot_free[--a->slots_free]; /* there is one more slot than notes */
    acked_slot_write(&a->file->slot[x->slot], x->identity, &x->place);
    acked_slot_clear(&a->file->slot[before]);
    a->slot_free[a->slots_free++] = before;
}

bool note_extend(struct acked *a, uint32_t n, const struct acked_place *p, bool is_behind)
{
    struct acked_place *own = &a->note[n].place;
    if (is_behind ? p->first <= own->last : p->last >= own->first)
        return false;
    if (is_behind)
        own->last = p->last;
    else
        own->first = p->first;
    note_move(a, n);
    return true;
}

void note_found(struct acked *a, uint64_t identity, const struct acked_place *p)
{
    for (uint32_t n = a->by_lane[lane_bucket(p)]; n; n = a->note[n].lane_next) {
        const struct note *x = &a->note[n];
        if (x->is_loaded && x->identity == identity && is_same_lane(&x->place, p) && x->place.first <= p->first &&
            p->last <= x->place.last)
            return;
    }
    const uint32_t n = note_new(a, identity, p);
    if (!n)
        return;
    a->note[n].is_loaded = true;
    a->loaded++;
}

/* ---- opening ---- */

static void lists_init(struct acked *a)
{
    for (uint32_t n = 1; n < ACKED_NOTES_MAX; n++) {
        a->note[n].run_next = n + 1;
        a->run[n].from_next = n + 1;
    }
    a->notes_free = a->runs_free = 1;
}

/* What is damaged counts as free. Where there are as many notes as slots, a kill came in the middle of a change: the
 * last one goes. */
static void load(struct acked *a)
{
    uint64_t identity;
    struct acked_place p;
    for (uint32_t i = 0; i < ACKED_SLOTS; i++) {
        if (a->notes_free && acked_slot_read(&a->file->slot[i], &identity, &p)) {
            a->note[note_take(a, identity, &p, i)].is_loaded = true;
            a->loaded++;
        } else {
            if (a->file->slot[i].xxh3)
                acked_slot_clear(&a->file->slot[i]);
            a->slot_free[a->slots_free++] = i;
        }
    }
}

static int file_take(struct acked *a, struct acked_file *file, struct err *e)
{
    guard_remove(a->guard);
    acked_unmap(a->file);
    a->file = file;
    a->damaged = 0;
    a->guard = guard_add(file, sizeof *file, PROT_READ | PROT_WRITE, &a->damaged);
    return a->guard < 0 ? err_sys(e, a->guard, "watch " ACKED_FILE) : 0;
}

int acked_open(const char *dir, struct acked **ret, struct err *e)
{
    struct acked *a = calloc(1, sizeof *a);
    struct acked_file *file;
    if (!a || !(a->dir = strdup(dir))) {
        free(a);
        return err_set(e, -ENOMEM, "out of memory");
    }
    a->guard = -1;
    const int r = acked_map(dir, &file, e), watched = r < 0 ? r : file_take(a, file, e);
    if (watched < 0) {
        acked_close(a);
        return watched;
    }
    lists_init(a);
    load(a);
    *ret = a;
    return r;
}

void acked_close(struct acked *a)
{
    if (!a)
        return;
    guard_remove(a->guard);
    acked_unmap(a->file);
    free(a->dir);
    free(a);
}

int acked_mend(struct acked *a, uint64_t now_ns, struct err *e)
{
    struct acked_file *file;
    /* order: acquire, pairs with the release in the guard's handler */
    if ((acked_file_is_whole(a->file) && !load_acq(&a->damaged)) || now_ns < a->mend_ns)
        return 0;
    a->mend_ns = now_ns + NS_PER_S;
    int r = acked_map_new(a->dir, &file, e);
    if (r == 0)
        r = file_take(a, file, e);
    if (r < 0)
        return err_wrap(e, r, "the one before was cut while it was in use");
    for (uint32_t n = 1; n <= ACKED_NOTES_MAX; n++) {
        const struct note *x = &a->note[n];
        if (x->is_used)
            acked_slot_write(&file->slot[x->slot], x->identity, &x->place);
    }
    (void)err_set(e, -ENODATA, "%s/" ACKED_FILE " was cut while it was in use; it is made again, and nothing is "
                  "missing in it", a->dir);
    return 1;
}

struct acked_stream acked_begin(struct acked *a, uint64_t identity)
{
    return (struct acked_stream){ a, identity, a ? ++a->streams : 0 };
}

uint32_t acked_count(const struct acked *a)
{
    return a->count;
}

uint64_t acked_left_out(const struct acked *a)
{
    return a->left_out;
}

void acked_stretch(struct acked *a, uint64_t identity, const struct acked_place *p)
{
    for (uint32_t n = a->by_lane[lane_bucket(p)]; n; n = a->note[n].lane_next) {
        const struct note *x = &a->note[n];
        if (x->identity != identity || x->is_loaded || !is_same_lane(&x->place, p))
            continue;
        if (x->place.first <= p->first && p->last <= x->place.last)
            return;
        if (!x->run && (x->place.last + 1 == p->first || p->last + 1 == x->place.first)) {
            (void)note_extend(a, n, p, x->place.last < p->first);
            return;
        }
    }
    (void)note_new(a, identity, p);
}

/* ---- forgetting ---- */

static void forget_lane(struct acked *a, const struct acked_place *released)
{
    for (uint32_t n = a->by_lane[lane_bucket(released)], next; n; n = next) {
        const struct acked_place *p = &a->note[n].place;
        next = a->note[n].lane_next;
        if (is_same_lane(p, released) && p->last < released->last)
            note_free(a, n);
    }
}

void acked_forget(struct acked *a, const struct position *position, uint32_t count)
{
    for (uint32_t i = 0; i < count && a->count; i++) {
        const struct position *p = &position[i];
        if (p->lane != POSITION_SEGMENT)
            forget_lane(a, &(struct acked_place){ { p->uuid_hi, p->uuid_lo }, 0, p->done, p->lane });
    }
}

void acked_keep(struct acked *a, const uint64_t *identity, uint32_t count)
{
    for (uint32_t n = 1; n <= ACKED_NOTES_MAX && a->loaded; n++) {
        uint32_t i = 0;
        while (i < count && identity[i] != a->note[n].identity)
            i++;
        if (a->note[n].is_loaded && i == count)
            note_free(a, n);
    }
}

static bool is_over(const struct acked_place *p, const struct segments *t)
{
    const struct source *s = segments_find(t, &(struct position){ .uuid_hi = p->uuid[0], .uuid_lo = p->uuid[1] });
    if (!s)
        return !t->is_incomplete;
    return p->lane >= s->lanes_count || p->last < s->lane[p->lane].done;
}

void acked_prune(struct acked *a, const struct segments *t)
{
    for (uint32_t n = 1; n <= ACKED_NOTES_MAX && a->loaded; n++) {
        if (a->note[n].is_loaded && is_over(&a->note[n].place, t))
            note_free(a, n);
    }
}
