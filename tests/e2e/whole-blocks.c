/* whole-blocks POLICY RINGS - threads whose lanes end exactly with a block, until the end of standard input; for each
 * line of it they fill one block more. Before the first, the last of them has ended. */
#include <fapilog/fapilog.h>

#include "lib/base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* A record without arguments is as long as its header: so many behind the head of a block of 64 KiB are all of it. */
enum { RECORDS = (65536 - 48) / 16, THREADS = 3, LANE_BYTES = 512 << 10 };

static fapilog_t *log_;
static pthread_barrier_t turn;
static bool is_over;

static void *work(void *arg)
{
    static const int blocks[THREADS] = { 1, 5, 1 }; /* a lane gets memory for its first block, and then for four */
    const int number = (int)(size_t)arg;
    for (int i = 0; i < blocks[number] * RECORDS; i++)
        FAPILOG_INFO(log_, "whole");
    while (number < THREADS - 1) {
        (void)pthread_barrier_wait(&turn);
        (void)pthread_barrier_wait(&turn);
        if (is_over)
            break;
        for (int i = 0; i < RECORDS; i++)
            FAPILOG_INFO(log_, "whole");
    }
    return NULL;
}

static void tell(void)
{
    struct fapilog_counters c;
    fapilog_get_counters(log_, &c);
    (void)printf("written %llu dropped %llu\n", (unsigned long long)c.written, (unsigned long long)c.dropped);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[8];
    pthread_t thread[THREADS];
    CHECK(argc == 3);
    const struct fapilog_options options = {
        .size = sizeof options, .ring_dir = argv[2], .lane_bytes = LANE_BYTES,
        .on_full = strcmp(argv[1], "overwrite") == 0 ? FAPILOG_ON_FULL_OVERWRITE : FAPILOG_ON_FULL_DISCARD};
    log_ = fapilog_open("whole", &options);
    CHECK(pthread_barrier_init(&turn, NULL, THREADS) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
    CHECK(pthread_join(thread[THREADS - 1], NULL) == 0);
    do {
        (void)pthread_barrier_wait(&turn);
        tell();
        is_over = !fgets(line, sizeof line, stdin);
        (void)pthread_barrier_wait(&turn);
    } while (!is_over);
    for (int i = 0; i < THREADS - 1; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    fapilog_close(log_);
    return 0;
}
