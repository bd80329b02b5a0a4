/* Waking a sleeping collector. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void fapilogi_bell(void)
{
    uint32_t *bell = &process.ctl->bell;
    /* order: seq_cst fence - our tail must be visible before we read the bell, as the collector's bell is
     * before it reads the tails: one of the two sees the other (a store and a load of two variables) */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    /* order: relaxed - the fence above orders it */
    uint32_t sleeping = load_rlx(bell);
    if (sleeping != FAPILOG_BELL_SLEEPING)
        return;
    const int saved = errno;
    /* order: acq_rel - one wake per sleep */
    if (cas_acq_rel(bell, &sleeping, FAPILOG_BELL_RUNG))
        (void)syscall(SYS_futex, bell, FUTEX_WAKE, 1, NULL, NULL, 0);
    errno = saved;
}

void fapilogi_urgent(void)
{
    const struct writer *w = (const struct writer *)fapilogi_self;
    if (process.mode == MODE_RING && !w->realtime)
        fapilogi_bell();
}
