/* bench-scaling: do two producers cost no more each than one? Without a collector, which would be the limit: the
 * lanes are in overwrite mode and go on for ever.
 *
 * Rounds with one producer and with two at once take turns. Beside fapilog run two loops of which the answer is
 * known: `private` stores as many bytes into memory of its own (what the machine itself makes of two busy CPUs),
 * `shared` lets both add to one word (what a shared cache line costs). Only rounds count in which nobody was
 * preempted and, with two, both ran at the same time nearly throughout. With --check the ratio of fapilog has to
 * be near that of `private`; where there are too few good rounds, or `shared` shows nothing, nothing can be said
 * (77). */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fapilog/fapilog.h>

#include "bench/harness/outputs.h"
#include "bench/harness/shape.h"
#include "bench/harness/tick.h"
#include "lib/base/atomics.h"

enum { PRODUCERS = 2, ROUNDS = 600, RECORDS = 40000, LOOPS = 3, GOOD_MIN = 9 };
enum { RING_BYTES = 256 * 1024, RECORD_BYTES = 40 };

/* A shared line costs several times as much; noise stays well below. */
static const double ratio_max = 1.35, shared_min = 2.0;

struct sample {
    uint64_t from, to; /* wall */
    uint64_t cpu;
};

struct board { /* shared by the producers, which may be processes */
    pthread_barrier_t barrier;
    struct sample sample[LOOPS][2][ROUNDS][PRODUCERS]; /* [1]: both at once */
    _Alignas(128) uint64_t ready;
    _Alignas(128) uint64_t word;
    _Alignas(128) uint64_t rest;
};

static struct board *board;
static fapilog_t *the_log;

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void loop_fapilog(uint64_t *ring)
{
    (void)ring;
    for (uint64_t i = 0; i < RECORDS; i++)
        FAPILOG_INFO(the_log, BENCH_MARKER, FL("a", shape_int(i, 0)), FL("b", shape_int(i, 1)),
                     FL("c", shape_double(i, 0)));
}

static inline uint64_t stamp(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return now_ns();
#endif
}

/* A time stamp and the stores of a record, once around a ring of the same size. */
static void loop_private(uint64_t *ring)
{
    enum { WORDS = RECORD_BYTES / 8, LAST = RING_BYTES / 8 - WORDS };
    volatile uint64_t *to = ring;
    for (uint64_t i = 0, at = 0; i < RECORDS; i++, at = at + WORDS > LAST ? 0 : at + WORDS) {
        to[at] = stamp();
        for (uint64_t w = 1; w < WORDS; w++)
            to[at + w] = i * w;
    }
}

static void loop_shared(uint64_t *ring)
{
    (void)ring;
    for (uint64_t i = 0; i < RECORDS; i++)
        (void)__atomic_fetch_add(&board->word, 1, __ATOMIC_RELAXED); /* order: relaxed - a cost, not a value */
}

static void (*const loops[LOOPS])(uint64_t *) = {loop_fapilog, loop_private, loop_shared};
static const char *const names[LOOPS] = {"fapilog", "private", "shared"};

/* Both are on a CPU, or one of them does not come within 2 ms. */
static void meet(uint64_t wanted)
{
    const uint64_t until = now_ns() + 2000000;
    (void)__atomic_add_fetch(&board->ready, 1, __ATOMIC_ACQ_REL); /* order: acq_rel - as a barrier */
    while (load_acq(&board->ready) < wanted && now_ns() < until) /* order: acquire, pairs with the other's add */
        ;
}

static void round_run(int loop, int both, int round, int producer, uint64_t *ring)
{
    (void)pthread_barrier_wait(&board->barrier);
    if (both)
        meet(((uint64_t)round * LOOPS + (uint64_t)loop + 1) * PRODUCERS);
    if (both || producer == 0) {
        struct sample *s = &board->sample[loop][both][round][producer];
        const uint64_t before = cpu_ns();
        s->from = now_ns();
        loops[loop](ring);
        s->to = now_ns();
        s->cpu = cpu_ns() - before;
    }
    (void)pthread_barrier_wait(&board->barrier);
}

static void produce(int producer)
{
    uint64_t *ring = calloc(1, RING_BYTES);
    if (!ring)
        abort();
    for (int round = 0; round < ROUNDS; round++) {
        for (int loop = 0; loop < LOOPS; loop++) {
            round_run(loop, 0, round, producer, ring);
            round_run(loop, 1, round, producer, ring);
        }
    }
    free(ring);
}

static void *produce_in_thread(void *arg)
{
    produce((int)(intptr_t)arg);
    return NULL;
}

static void open_log(const char *dir)
{
    const struct fapilog_options options = {
        .size = sizeof options, .ring_dir = dir, .on_full = FAPILOG_ON_FULL_OVERWRITE, .level = FAPILOG_LEVEL_INFO};
    the_log = fapilog_open("scaling", &options);
}

static int run_threads(const char *dir)
{
    pthread_t thread;
    open_log(dir);
    if (pthread_create(&thread, NULL, produce_in_thread, (void *)1) != 0)
        return -1;
    produce(0);
    (void)pthread_join(thread, NULL);
    fapilog_close(the_log);
    return 0;
}

static int run_processes(const char *dir)
{
    int status = -1;
    const pid_t pid = fork();
    if (pid < 0)
        return -1;
    open_log(dir);
    produce(pid == 0);
    fapilog_close(the_log);
    if (pid == 0)
        _exit(0);
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int was_alone_on_its_cpu(const struct sample *s)
{
    return s->to - s->from <= s->cpu + s->cpu / 20 + 10000;
}

static int is_good(int loop, int both, int round)
{
    const struct sample *s = board->sample[loop][both][round];
    if (!both)
        return was_alone_on_its_cpu(&s[0]);
    const uint64_t from = s[0].from > s[1].from ? s[0].from : s[1].from;
    const uint64_t to = s[0].to < s[1].to ? s[0].to : s[1].to;
    return was_alone_on_its_cpu(&s[0]) && was_alone_on_its_cpu(&s[1]) && to > from &&
           (to - from) * 10 >= (s[0].to - s[0].from) * 8;
}

/* Median over the good rounds, ns a record; the first, in which lanes and rings get their pages, do not count. */
static double median(int loop, int both, size_t *ret_rounds)
{
    enum { WARM = 5 };
    double all[ROUNDS * PRODUCERS];
    size_t n = 0;
    *ret_rounds = 0;
    for (int r = WARM; r < ROUNDS; r++) {
        if (!is_good(loop, both, r))
            continue;
        ++*ret_rounds;
        for (int p = 0; p < (both ? PRODUCERS : 1); p++)
            all[n++] = (double)board->sample[loop][both][r][p].cpu / RECORDS;
    }
    if (n == 0)
        return 0;
    qsort(all, n, sizeof all[0], by_value);
    return all[n / 2];
}

static int report(const char *how, int check)
{
    double ratio[LOOPS];
    size_t least = ROUNDS;
    for (int loop = 0; loop < LOOPS; loop++) {
        size_t ones, twos;
        const double one = median(loop, 0, &ones), two = median(loop, 1, &twos);
        ratio[loop] = one > 0 ? two / one : 0;
        least = ones < least ? ones : least;
        least = twos < least ? twos : least;
        printf("%-9s %-8s %7.2f ns with one producer, %7.2f ns each with two, ratio %5.2f (%zu and %zu rounds)\n", how,
               names[loop], one, two, ratio[loop], ones, twos);
    }
    if (!check)
        return 0;
    if (least < GOOD_MIN || ratio[2] < shared_min) {
        printf("SKIPPED: the producers could not run at the same time often enough\n");
        return 77;
    }
    if (ratio[0] <= ratio[1] * ratio_max)
        return 0;
    printf("FAIL: two producers cost more each than one: more than %.2f times the machine's own %.2f\n", ratio_max,
           ratio[1]);
    return 1;
}

int main(int argc, char **argv)
{
    const int processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
    const int check = argc > 1 && strcmp(argv[argc - 1], "--check") == 0;
    char dir[] = "/dev/shm/fapilog-scaling-XXXXXX";
    pthread_barrierattr_t shared;
    if (argc - 1 > processes + check) {
        fprintf(stderr, "usage: %s [--processes] [--check]\n", argv[0]);
        return 2;
    }
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED || !mkdtemp(dir)) {
        perror("bench-scaling");
        return 1;
    }
    (void)pthread_barrierattr_init(&shared);
    (void)pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    (void)pthread_barrier_init(&board->barrier, &shared, PRODUCERS);
    const int failed = processes ? run_processes(dir) : run_threads(dir);
    if (outputs_remove(dir, NULL) < 0)
        fprintf(stderr, "bench-scaling: cannot remove %s\n", dir);
    return failed ? 1 : report(processes ? "processes" : "threads", check);
}
