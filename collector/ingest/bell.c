#include "collector/ingest/bell.h"

#include "lib/base/check.h"

#include <errno.h>

static void on_woken(struct io_req *req, int result)
{
    struct source *s = req->owner;
    struct segments *t = s->owner;
    CHECK(t->waiting > 0);
    t->waiting--;
    s->is_waiting = false;
    if (result != -ECANCELED)
        t->is_rung = true;
}

static void source_wait(struct segments *t, struct source *s)
{
    s->futex = (struct io_req){ .op = IO_FUTEX_WAIT, .futex = &s->seg->ctl->bell,
                                .futex_value = FAPILOG_BELL_SLEEPING, .buf_index = -1, .done = on_woken,
                                .owner = s };
    s->is_waiting = true;
    t->waiting++;
    io_submit(t->io, &s->futex);
}

/* order: relaxed - the fence in bell_arm() orders these loads after the store of the bell
 * Tails moved, or a flush was asked for, without the bell. */
static bool source_has_news(const struct source *s)
{
    if (load_rlx(&segment_shared(s->seg)->flush_seq) != s->flush_acked && !s->flush_wanted)
        return true;
    for (uint32_t i = 0; i < s->lanes_hot; i++) {
        if (load_rlx(&segment_lane_shared(s->seg, i)->tail) != s->lane[i].tail)
            return true;
    }
    return false;
}

bool bell_arm(struct segments *t)
{
    const bool can_wait = io_has_futex_wait(t->io);
    bool has_news = false;
    for (uint32_t i = 0; can_wait && i < t->count; i++) {
        struct source *s = t->source[i];
        /* order: relaxed - the fence below orders the store before the loads of the tails */
        if (s->state == SOURCE_LIVE && load_rlx(&s->seg->ctl->bell) != FAPILOG_BELL_SLEEPING)
            store_rlx(&s->seg->ctl->bell, FAPILOG_BELL_SLEEPING);
    }
    /* order: seq_cst fence, pairs with the producer's - we store the bell, then look at the tails; it
     * stores a tail, then looks at the bell: one of the two sees the other */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < t->count; i++) {
        struct source *s = t->source[i];
        if (s->state != SOURCE_LIVE)
            continue;
        has_news |= source_has_news(s);
        if (can_wait && !s->is_waiting)
            source_wait(t, s);
    }
    return has_news;
}

bool bell_was_rung(struct segments *t)
{
    const bool is_rung = t->is_rung;
    t->is_rung = false;
    return is_rung;
}
