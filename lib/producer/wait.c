/* Waking the collector and waiting for it. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SPIN_NS = 1000,
    FUTEX_NS = 10000000, /* then look at the heartbeat again */
};

/* Not FUTEX_PRIVATE: the word is shared with the collector. */
static void futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    (void)syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

void fapilogi_futex_wait(uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
    const struct timespec t = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                               .tv_nsec = (long)(timeout_ns % 1000000000u)};
    futex(word, FUTEX_WAIT, value, &t);
}

void fapilogi_bell(void)
{
    uint32_t *bell = &process.ctl->bell;
    /* order: seq_cst fence - our tail before our look at the bell, as the collector's bell comes before
     * its look at the tails: one of the two sees the other (a store and a load of different variables) */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    /* order: relaxed - the fence above */
    uint32_t sleeping = load_rlx(bell);
    if (sleeping != FAPILOG_BELL_SLEEPING)
        return;
    const int saved = errno;
    /* order: acq_rel - one wake per sleep */
    if (cas_acq_rel(bell, &sleeping, FAPILOG_BELL_RUNG))
        futex(bell, FUTEX_WAKE, 1, NULL);
    errno = saved;
}

void fapilogi_urgent(void)
{
    if (process.mode == MODE_RING && !self_realtime())
        fapilogi_bell();
}

static uint32_t *low_word(uint64_t *head)
{
    return (uint32_t *)head + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static bool head_reached(struct writer *w, uint64_t want, uint64_t *ret_head)
{
    /* order: H2 acquire, pairs with H1 - the collector's reads of what we are about to overwrite are done */
    const uint64_t head = load_acq(&w->slot->head);
    if ((int64_t)(head - want) < 0)
        return false;
    *ret_head = head;
    return true;
}

/* Block policy: waits until the collector has released everything before `want`; gives up when it shows no
 * life. The first microsecond is spent spinning. */
bool fapilogi_wait_head(struct writer *w, uint64_t want, uint64_t *ret_head)
{
    const int saved = errno;
    const uint64_t start = clock_mono_ns();
    uint64_t now = start;
    /* order: relaxed - a counter with one writer */
    store_rlx(&w->lane->blocked, w->lane->blocked + 1);
    for (; now - start < SPIN_NS; now = clock_mono_ns()) {
        if (head_reached(w, want, ret_head))
            return true;
        cpu_relax();
    }
    bool reached = false;
    while (!reached && fapilogi_collector_alive(now)) {
        /* order: relaxed - the fence in fapilogi_bell() puts it before our look at head; the collector
         * stores head before it looks here */
        store_rlx(&w->lane->waiting, 1);
        fapilogi_bell();
        uint32_t *const word = low_word(&w->slot->head);
        const uint32_t seen = load_rlx(word); /* order: relaxed - the futex compares it again */
        reached = head_reached(w, want, ret_head);
        if (!reached)
            fapilogi_futex_wait(word, seen, FUTEX_NS);
        now = clock_mono_ns();
    }
    store_rlx(&w->lane->waiting, 0); /* order: relaxed - a needless wake is harmless */
    errno = saved;
    return reached || head_reached(w, want, ret_head);
}
