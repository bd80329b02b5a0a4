/* Capture, contexts, loggers and counters from many threads at once. */
#include <fapilog/fapilog.h>

#include "lib/base/check.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, RECORDS = 5000 };

struct worker {
    fapilog_t *log;
    uint32_t index;
};

struct taker {
    uint32_t next[THREADS]; /* number of the thread's next record, at least */
    uint64_t taken;
    uint32_t is_over;
};

static void *log_all(void *arg)
{
    const struct worker *w = arg;
    for (uint32_t n = 0; n < RECORDS; n++) {
        FAPILOG_SCOPE(FL("thread", w->index), FL("n", n));
        char name[16];
        (void)snprintf(name, sizeof name, "l%u", n % 8);
        FAPILOG_INFO(n % 100 ? w->log : fapilog_logger(w->log, name), "captured", FL("own", n));
        if (n % 1000 == 0)
            FAPILOG_DEBUG(w->log, "below the threshold");
    }
    return NULL;
}

static void take_all(struct taker *t)
{
    for (const struct fapilog_record *r; (r = fapilog_capture_next());) {
        const struct fapilog_field *thread = fapilog_capture_field(r, "thread"), *n = fapilog_capture_field(r, "n");
        const struct fapilog_field *own = fapilog_capture_field(r, "own");
        CHECK(thread && n && own && own->v.u64 == n->v.u64 && thread->v.u64 < THREADS);
        CHECK(n->v.u64 >= t->next[thread->v.u64]);
        t->next[thread->v.u64] = (uint32_t)n->v.u64 + 1;
        t->taken++;
    }
}

static void *take_until_over(void *arg)
{
    struct taker *t = arg;
    while (!__atomic_load_n(&t->is_over, __ATOMIC_ACQUIRE))
        take_all(t);
    take_all(t);
    return NULL;
}

static void captured_records_come_whole_and_in_the_order_of_their_thread(void **state)
{
    (void)state;
    struct worker worker[THREADS];
    pthread_t thread[THREADS], reader;
    struct taker t = {0};

    assert_int_equal(fapilog_capture_start(1000), 0);
    fapilog_t *log = fapilog_open("capture", NULL);
    CHECK(pthread_create(&reader, NULL, take_until_over, &t) == 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        worker[i] = (struct worker){log, i};
        CHECK(pthread_create(&thread[i], NULL, log_all, &worker[i]) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    __atomic_store_n(&t.is_over, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(reader, NULL) == 0);
    const uint64_t lost = fapilog_capture_lost();
    print_message("%" PRIu64 " taken, %" PRIu64 " lost\n", t.taken, lost);
    assert_int_equal(t.taken + lost, THREADS * RECORDS);
    fapilog_close(log);
    fapilog_capture_stop();
}

int main(void)
{
    (void)unsetenv("FAPILOG_LEVEL");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_records_come_whole_and_in_the_order_of_their_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
