/* producer.h - the producer's half: the inline code of a log call (fapilog/inline.h) and its slow path
 * (lib/producer/block.c, room.c), with as much of call.c as one kind of record needs.
 *
 * PRODUCER_WAITS adds lib/producer/wait.c. PRODUCER_WEAK_STORES, _LOADS and _FENCES weaken all of them. */
#ifndef TESTS_MODEL_WEAK_PRODUCER_H
#define TESTS_MODEL_WEAK_PRODUCER_H

#include "tests/model/weak/world.h"

#ifdef PRODUCER_WEAK_STORES
#define WEAK_STORES
#endif
#ifdef PRODUCER_WEAK_LOADS
#define WEAK_LOADS
#endif
#ifdef PRODUCER_WEAK_FENCES
#define WEAK_FENCES
#endif
#include "tests/model/weak/weaken.h"

#include "lib/producer/internal.h"

struct process process;
struct writer fapilogi_none;
__thread struct fapilogi_lane *fapilogi_self;

size_t fapilogi_context_size(void) { return 0; }
uint32_t fapilogi_context_count(void) { return 0; }
void fapilogi_context_put(uint8_t *to) { (void)to; }

#ifdef PRODUCER_WAITS
#define uint32_t futex_word_t
bool fapilogi_collector_alive(uint64_t now_ns) { (void)now_ns; return true; }
#define fapilogi_futex_wait futex_wait_word /* has been declared with the other word */
#include "lib/producer/wait.c"
#undef fapilogi_futex_wait
#undef uint32_t
#else
void fapilogi_bell(void) {}
void fapilogi_urgent(void) {}
bool fapilogi_wait_head(struct writer *w, uint64_t want, uint64_t *ret_head)
{
    (void)w, (void)want, (void)ret_head;
    return false;
}
#endif

#include "lib/producer/block.c"
#include "lib/producer/room.c"
#include "tests/model/weak/weaken.h"

enum { ARGS = 16, RECORD = 16 + ARGS };

static uint32_t threshold = FAPILOG_LEVEL_INFO;
static struct fapilogi_logger logger = {&threshold, 0};
static struct fapilog_site_desc site = {.id = 1};

static unsigned slow_calls; /* that block.c has not answered */

struct fapilogi_pending *fapilogi_begin_any(const struct fapilogi_logger *log, struct fapilog_site_desc *s,
                                            uint32_t level, size_t args_size)
{
    struct writer *w = self_writer();
    slow_calls++;
    const size_t size = 16 + args_size;
    (void)log;
    if (!fapilogi_reserve(w, size, false, true)) {
        fapilogi_drop(w, size);
        return NULL;
    }
    uint64_t *to = (uint64_t *)(void *)(w->hot.data + (w->hot.tail & w->hot.mask));
    to[0] = FAPILOG_WORD0(size / 8, FAPILOG_KIND_EVENT, level, 0, s->id);
    to[1] = 1;
    w->call.pending.args = (uint8_t *)(to + 2);
    w->call.size = size;
    return &w->call.pending;
}

void fapilogi_finish(struct fapilogi_pending *pending)
{
    struct writer *w = self_writer();
    if (pending)
        fapilogi_commit(w, w->hot.tail + w->call.size);
}

static void producer_init(struct writer *w, uint32_t mode)
{
    w->lane = &shared_lane;
    w->slot = &shared_slot;
    w->ctl = &segment_ctl.ctl;
    w->cap = LANE_BYTES;
    w->block = BLOCK_BYTES;
    w->index = FAPILOG_SHARED_LANES;
    w->mode = (uint8_t)mode;
    w->hot.data = (uint8_t *)lane_data;
    w->hot.mask = LANE_BYTES - 1;
    w->hot.shared_tail = &shared_lane.tail;
    w->populated = UINT64_MAX;
    w->is_plain = true;
    w->anchor_cycles = UINT64_MAX; /* anchor.c has the fences of another one, which would hide what a relaxed H2 does */
    process.ctl = &segment_ctl.ctl;
    process.mode = MODE_RING;
}

/* One log call: a record of the number n. */
static void producer_log(struct writer *w, uint32_t level, uint64_t n)
{
    fapilogi_self = &w->hot;
    struct fapilogi_cursor c = fapilogi_begin(&logger, &site, level, ARGS);
    if (c.args) {
        ((uint64_t *)(void *)c.args)[0] = n;
        ((uint64_t *)(void *)c.args)[1] = ~n;
    }
    fapilogi_end(c, level);
}

#endif
