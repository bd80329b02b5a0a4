#include "lib/reader/guard.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RANGE_FREE, RANGE_TAKEN, RANGE_WATCHED };

struct guard_range {
    uint32_t state; /* RANGE_*; released last by guard_add(), read first by the handler */
    int prot;
    uintptr_t start;
    uintptr_t end;
    uint32_t *damaged;
};

static struct guard_range ranges[GUARD_RANGES_MAX];
static uint32_t first_free; /* about */
static uint32_t ranges_used; /* slots at and above were never taken */
static uintptr_t page_mask;
static struct sigaction previous;
static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;

static bool hole_fill(uintptr_t addr)
{
    /* order: acquire - guard_add() released the slots below, and each of them when it was filled in */
    const uint32_t used = load_acq(&ranges_used);
    for (uint32_t i = 0; i < used; i++) {
        const struct guard_range *g = &ranges[i];
        if (load_acq(&g->state) != RANGE_WATCHED || addr < g->start || addr >= g->end)
            continue;
        void *page = (void *)(addr & page_mask); /* NOLINT: an address the kernel gave us */
        const size_t len = (size_t)(~page_mask + 1);
        if (mmap(page, len, g->prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            return false;
        store_rel(g->damaged, 1); /* order: release, for segment_is_damaged() */
        return true;
    }
    return false;
}

static void pass_on(int signo, siginfo_t *info, void *ucontext)
{
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signo, info, ucontext);
        return;
    }
    if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signo);
        return;
    }
    /* The faulting instruction runs again on return and meets the default action. */
    const struct sigaction dfl = {.sa_handler = SIG_DFL};
    (void)sigaction(signo, &dfl, NULL);
}

static void on_sigbus(int signo, siginfo_t *info, void *ucontext)
{
    const int saved = errno;
    if (!hole_fill((uintptr_t)info->si_addr))
        pass_on(signo, info, ucontext);
    errno = saved;
}

/* Looks each time: others, such as test frameworks, set their own handlers in between. */
static int install(void)
{
    struct sigaction now;
    struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};
    (void)sigemptyset(&sa.sa_mask);
    int r = 0;
    (void)pthread_mutex_lock(&install_lock);
    page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    if (sigaction(SIGBUS, NULL, &now) < 0) {
        r = -errno;
    } else if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_sigbus) {
        previous = now;
        if (sigaction(SIGBUS, &sa, NULL) < 0)
            r = -errno;
    }
    (void)pthread_mutex_unlock(&install_lock);
    return r;
}

int guard_add(const void *addr, size_t len, int prot, uint32_t *damaged)
{
    CHECK(damaged != NULL);
    const int r = install();
    if (r < 0)
        return r;
    /* order: relaxed - where to begin; if others were faster, it is looked for all around */
    const uint32_t from = load_rlx(&first_free);
    for (uint32_t k = 0; k < GUARD_RANGES_MAX; k++) {
        const uint32_t i = (from + k) % GUARD_RANGES_MAX;
        struct guard_range *g = &ranges[i];
        uint32_t expected = RANGE_FREE;
        /* order: relaxed to look, acquire-release to take: a slot has one owner */
        if (load_rlx(&g->state) != RANGE_FREE || !cas_acq_rel(&g->state, &expected, RANGE_TAKEN))
            continue;
        g->start = (uintptr_t)addr;
        g->end = (uintptr_t)addr + len;
        g->prot = prot;
        g->damaged = damaged;
        /* order: release - the handler, on any thread, sees the range whole */
        store_rel(&g->state, RANGE_WATCHED);
        uint32_t used = load_rlx(&ranges_used);
        while (used <= i && !cas_acq_rel(&ranges_used, &used, i + 1))
            ;
        store_rlx(&first_free, i + 1); /* order: relaxed - as above */
        return (int)i;
    }
    return -ENOMEM;
}

void guard_remove(int slot)
{
    if (slot < 0)
        return;
    CHECK(slot < GUARD_RANGES_MAX);
    CHECK(ranges[slot].state == RANGE_WATCHED);
    store_rel(&ranges[slot].state, RANGE_FREE); /* order: release - the slot's next owner acquires */
    if ((uint32_t)slot < load_rlx(&first_free))       /* order: relaxed - see guard_add() */
        store_rlx(&first_free, (uint32_t)slot);       /* order: relaxed - see guard_add() */
}
