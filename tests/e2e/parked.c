/* parked THREADS RECORDS RINGS - threads that log some records and then rest, until the end of standard input. */
#include <fapilog/fapilog.h>

#include "lib/base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { STACK_BYTES = 128 << 10 };

static fapilog_t *log_;
static long records;
static pthread_barrier_t logged, over;

static void *work(void *arg)
{
    (void)arg;
    for (long i = 0; i < records; i++)
        FAPILOG_INFO(log_, "parked", FL("n", i));
    (void)pthread_barrier_wait(&logged);
    (void)pthread_barrier_wait(&over);
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    const long threads = strtol(argv[1], NULL, 10);
    records = strtol(argv[2], NULL, 10);
    const struct fapilog_options options = {
        .size = sizeof options, .ring_dir = argv[3], .lanes = (uint32_t)threads + 100};
    log_ = fapilog_open("parked", &options);
    pthread_t *thread = calloc((size_t)threads, sizeof *thread);
    pthread_attr_t attr;
    CHECK(thread && pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, STACK_BYTES) == 0);
    CHECK(pthread_barrier_init(&logged, NULL, (unsigned)threads + 1) == 0);
    CHECK(pthread_barrier_init(&over, NULL, (unsigned)threads + 1) == 0);
    for (long i = 0; i < threads; i++)
        CHECK(pthread_create(&thread[i], &attr, work, NULL) == 0);
    (void)pthread_barrier_wait(&logged);
    (void)puts("parked");
    (void)fflush(stdout);
    (void)getchar();
    (void)pthread_barrier_wait(&over);
    for (long i = 0; i < threads; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    fapilog_close(log_);
    free(thread);
    return 0;
}
