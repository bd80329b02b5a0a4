/* timed SECONDS RINGS - logs each millisecond with the clock read right before the call; the clock right
 * after it is in the next record. A second thread keeps a lane busy meanwhile. */
#include <fapilog/fapilog.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static uint32_t is_over;

static void *load(void *arg)
{
    /* order: relaxed - a flag, nothing is read through it */
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        for (int i = 0; i < 100; i++)
            FAPILOG_INFO((fapilog_t *)arg, "load", FL("i", i));
        (void)nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    const uint64_t end_ns = clock_mono_ns() + strtoull(argv[1], NULL, 10) * NS_PER_S;
    const struct fapilog_options options = {
        .size = sizeof options, .ring_dir = argv[2], .on_full = FAPILOG_ON_FULL_BLOCK};
    fapilog_t *log = fapilog_open("timed", &options);
    uint64_t before, after = 0;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, load, log) == 0);
    for (uint32_t n = 0; clock_mono_ns() < end_ns; n++) {
        before = clock_real_ns();
        FAPILOG_INFO(log, "timed", FL("n", n), FL("before", before), FL("after_last", after));
        after = clock_real_ns();
        (void)nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED); /* order: relaxed - as above */
    CHECK(pthread_join(thread, NULL) == 0);
    fapilog_close(log);
    return 0;
}
