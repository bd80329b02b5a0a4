/* mode.c - a segment is opened while a thread logs to a logger that is older, and whose level word somebody has
 * lowered: the word may let the call in before there is a segment, and after.
 *
 *   opener (lib/producer/mode.h)   sets up the segment;  store mode (M1);  lower the level
 *   log call (inline.h, mode.h)    look at the level;  load mode (M2);  go to the segment
 *
 * Shown, for the orders as C11 (RC11) defines them: a call that finds the mode finds the segment as it was set up, and
 * races with nobody. The level word alone promises nothing, and need not: both its accesses are relaxed.
 *
 * mutant: RELAXED_STORE - M1 is relaxed
 * mutant: RELAXED_LOAD - M2 is relaxed
 * mutant: MODE_FIRST - the mode is stored before the segment stands
 * witness: LOGGED - the call finds the segment
 * witness: REFUSED - its level word holds it up
 * witness: EARLY - it is let in and there is no segment
 */
#include "tests/model/weak/world.h"

#ifdef MUTANT_RELAXED_STORE
#define WEAK_STORES
#endif
#ifdef MUTANT_RELAXED_LOAD
#define WEAK_LOADS
#endif
#include "tests/model/weak/weaken.h"

#include "lib/producer/internal.h"
#include "lib/producer/mode.h"

struct process process;
struct writer fapilogi_none;
__thread struct fapilogi_lane *fapilogi_self;

static struct area area;
static uint32_t threshold = FAPILOG_LEVEL_OFF;
static struct fapilogi_logger logger = {&threshold, 0};
static bool was_let_in, has_logged;

/* As fapilogi_segment_create() and fapilogi_reset_levels() do it. */
static void *open_segment(void *arg)
{
#ifdef MUTANT_MODE_FIRST
    mode_set(MODE_RING);
#endif
    area.super = &segment_file.super;
    area.lanes = &shared_lane;
    area.shared[0].attached = true;
#ifndef MUTANT_MODE_FIRST
    mode_set(MODE_RING);
#endif
    __atomic_store_n(&threshold, FAPILOG_LEVEL_INFO, __ATOMIC_RELAXED);
    return arg;
}

/* Somebody with another mapping of the level words. */
static void *lower(void *arg)
{
    __atomic_store_n(&threshold, FAPILOG_LEVEL_DEBUG, __ATOMIC_RELAXED);
    return arg;
}

static void *call(void *arg)
{
    was_let_in = fapilogi_enabled(&logger, FAPILOG_LEVEL_INFO);
    if (was_let_in && mode_now() == MODE_RING) {
        assert(area.super == &segment_file.super && area.lanes == &shared_lane && area.shared[0].attached);
        has_logged = true;
    }
    return arg;
}

int main(void)
{
    pthread_t opener, other, caller;
    pthread_create(&opener, NULL, open_segment, NULL);
    pthread_create(&other, NULL, lower, NULL);
    pthread_create(&caller, NULL, call, NULL);
    pthread_join(opener, NULL);
    pthread_join(other, NULL);
    pthread_join(caller, NULL);
#ifdef WITNESS_LOGGED
    assert(!has_logged);
#endif
#ifdef WITNESS_REFUSED
    assert(was_let_in);
#endif
#ifdef WITNESS_EARLY
    assert(!was_let_in || has_logged);
#endif
    return 0;
}
