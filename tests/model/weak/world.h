/* world.h - what stands around the production code that GenMC runs: one segment of one lane in plain
 * memory, and stand-ins for what the checker cannot execute (assembler, clocks, system calls). The
 * files of the producer library and of the collector are included by the models as they are.
 *
 * An order is taken away, in a mutant, by giving the builtin another one while a file is included:
 * WEAK_STORES, WEAK_LOADS and WEAK_FENCES of weaken.h. */
#ifndef TESTS_MODEL_WEAK_WORLD_H
#define TESTS_MODEL_WEAK_WORLD_H

#include <assert.h>
#include <errno.h>
#include <genmc.h>
#include <limits.h>
#include <linux/errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* GenMC brings a <sys/types.h> of its own, without these. */
typedef __uid_t uid_t;
typedef __ino_t ino_t;

/* ---- compiler and machine ---- */

#define __asm__
#define __volatile__(...) ((void)0)
#define __builtin_ia32_pause() ((void)0)
#define FAPILOGI_NO_MODULE      /* constructors and linker symbols */
#define FAPILOGI_BENCH_NO_CLOCK /* the counter */
#undef errno
#define errno world_errno
static int world_errno;

/* All data of a lane is written and read in words of eight bytes, which is what the checker follows. */
static void copy_words(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes / 8; i++)
        ((uint64_t *)to)[i] = ((const uint64_t *)from)[i];
}
#define memcpy(to, from, bytes) copy_words(to, from, bytes)
#define memset(to, value, bytes) (*(uint64_t *)(void *)(to) = (value))
#define madvise(addr, bytes, advice) 0

/* ---- the kernel's futex: one sleeper on one word, under the lock of its queue ---- */

#ifdef FUTEX_ON_HEAD /* its low half, really: the checker knows no halves */
typedef uint64_t futex_word_t;
#else
typedef uint32_t futex_word_t;
#endif
static pthread_mutex_t futex_lock = PTHREAD_MUTEX_INITIALIZER;
static futex_word_t *futex_word; /* slept on; NULL: nobody sleeps */
static unsigned futex_sleeps, futex_wakes;

static bool futex_sleep(futex_word_t *word, futex_word_t value)
{
    pthread_mutex_lock(&futex_lock);
    const bool sleeps = __atomic_load_n(word, __ATOMIC_RELAXED) == value;
    if (sleeps) {
        futex_word = word;
        futex_sleeps++;
    }
    pthread_mutex_unlock(&futex_lock);
    return sleeps;
}

static long futex_wake(futex_word_t *word)
{
    pthread_mutex_lock(&futex_lock);
    futex_wakes++;
    if (futex_word == word)
        futex_word = NULL;
    pthread_mutex_unlock(&futex_lock);
    return 0;
}

static bool futex_is_asleep(void)
{
    pthread_mutex_lock(&futex_lock);
    const bool asleep = futex_word != NULL;
    pthread_mutex_unlock(&futex_lock);
    return asleep;
}

/* A thread that sleeps ends there: its model looks at what it would have missed. */
static long futex_call(futex_word_t *word, int op, futex_word_t value)
{
    if (op == FUTEX_WAKE)
        return futex_wake(word);
    if (futex_sleep(word, value))
        __VERIFIER_assume(false);
    return 0;
}
#define syscall(number, word, op, value, ...) \
    futex_call((futex_word_t *)(uintptr_t)(word), (op), (futex_word_t)(value))

/* ---- clocks: each look comes 1.5 us after the one before ---- */

#include <fapilog/abi.h>

#define FAPILOG_RING_CLOCK_H
#define FAPILOG_BASE_CLOCK_H
struct clock_anchor {
    uint64_t cycles, real_ns, mono_ns;
};
static __thread uint64_t mono_ns;
static inline uint64_t clock_mono_ns(void) { return mono_ns += 1500; }
static inline uint64_t clock_now(uint32_t kind) { (void)kind; return 1; }
static inline struct clock_anchor clock_anchor_pair(uint32_t kind)
{
    (void)kind;
    return (struct clock_anchor){1, 1, 1};
}

/* ---- one segment ---- */

#include "lib/base/check.h"

void check_failed(const char *expr, const char *file, int line, const char *func)
{
    (void)expr, (void)file, (void)line, (void)func;
    assert(!"a CHECK failed");
    __builtin_unreachable();
}

#ifndef LANE_BYTES
#define LANE_BYTES 256
#define BLOCK_BYTES 128
#endif
static uint64_t lane_data[LANE_BYTES / 8];

static struct {
    struct fapilog_superblock super;
    struct fapilog_lane lane;
} segment_file;

static struct {
    struct fapilog_ctl ctl;
    char up_to_slots[FAPILOG_CTL_SLOTS_OFF - sizeof(struct fapilog_ctl)];
    struct fapilog_lane_slot slot;
} segment_ctl;

#define shared_lane (segment_file.lane)
#define shared_slot (segment_ctl.slot)

#endif
