/* bench-calls-<peer>: logs a given number of records on one thread and nothing else, for tools that
 * count instructions and system calls (bench/instructions). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/harness/producer.h"

static long faults(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt + u.ru_majflt;
}

static int shape_index(const char *name)
{
    static const char *const names[SHAPE_COUNT] = {"none", "three", "text", "ten"};
    for (int i = 0; i < SHAPE_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    const int shape = argc == 6 ? shape_index(argv[2]) : -1;
    if (shape < 0) {
        fprintf(stderr, "usage: %s PEER none|three|text|ten WARMUP COUNT DIR\n", argv[0]);
        return 2;
    }
    const uint64_t warmup = strtoull(argv[3], NULL, 10), count = strtoull(argv[4], NULL, 10);
    const struct producer_env env = {.peer = argv[1], .dir = argv[5]};
    const int r = producer.open(&env);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
        return 1;
    }
    void *thread = producer.thread_open ? producer.thread_open() : NULL;
    producer.log[shape](thread, 0, warmup);
    const long before = faults();
    producer.log[shape](thread, warmup, count);
    const long during = faults() - before;
    if (producer.thread_close)
        producer.thread_close(thread);
    producer.close();
    printf("faults %ld\n", during);
    return 0;
}
