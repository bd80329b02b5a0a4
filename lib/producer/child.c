/* Mapping B when there is no segment behind it, and the segment of a forked child. Signal safe. */
#include "lib/producer/internal.h"
#include "lib/producer/cancel.h"

#include "lib/base/atomics.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *anonymous(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Loggers keep their level words and call sites their ids: the addresses stay, the memory changes. */
int fapilogi_placeholder(uint32_t level, struct err *e)
{
    const size_t size = process.geometry.registry_size, ctl_size = process.geometry.ctl_size;
    /* order: relaxed - entries that are not complete stay empty */
    const uint64_t used = load_rlx(&process.registry_used);
    uint8_t *registry = anonymous(size);
    struct fapilog_ctl *ctl = anonymous(ctl_size);
    if (registry == MAP_FAILED || ctl == MAP_FAILED)
        return err_sys(e, -ENOMEM, "private memory");
    memcpy(registry, process.registry, used < size ? used : size);
    memcpy(ctl->rule, process.ctl->rule, sizeof ctl->rule);
    for (uint32_t i = 0; i < FAPILOG_LOGGERS_MAX; i++)
        ctl->level[i] = level;
    const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    if (mremap(registry, size, size, flags, process.registry) == MAP_FAILED ||
        mremap(ctl, ctl_size, ctl_size, flags, process.ctl) == MAP_FAILED)
        return err_sys(e, -errno, "private memory: move");
    return 0;
}

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void make_segment(void)
{
    struct area *a = process.area;
    const int cancel = cancel_off();
    process.parent_pid = process.pid;
    struct err e = {0};
    if (fapilogi_segment_create(&e) == 0) {
        if (a->early_dropped)
            /* order: relaxed - a counter */
            __atomic_fetch_add(&a->super->orphan_dropped, a->early_dropped, __ATOMIC_RELAXED);
    } else {
        say("fapilog: a forked child logs nothing: ");
        say(e.text);
        say("\n");
        (void)fapilogi_placeholder(FAPILOG_LEVEL_OFF, NULL);
        process.mode = MODE_CLOSED;
    }
    /* order: F1 release, pairs with F2 - the segment stands */
    store_rel(&a->generation, 1);
    cancel_restore(cancel);
}

/* Called while area->generation is 0: everything that pointed into the parent's segment has been wiped. */
bool fapilogi_child(void)
{
    struct area *a = process.area;
    const uint32_t tid = (uint32_t)syscall(SYS_gettid);
    uint32_t maker = 0;
    /* order: acq_rel - one thread makes the segment */
    if (cas_acq_rel(&a->child_tid, &maker, tid)) {
        fapilogi_self = &fapilogi_none.hot;
        make_segment();
    } else if (maker == tid) {
        /* order: F2 acquire, pairs with F1 - not yet: we are a signal handler that interrupted its making */
        if (load_acq(&a->generation) == 0) {
            a->early_dropped++;
            return false;
        }
    } else {
        /* order: F2 acquire, pairs with F1 - the segment stands */
        while (load_acq(&a->generation) == 0)
            (void)sched_yield();
    }
    return process.mode == MODE_RING;
}
