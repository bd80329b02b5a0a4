/* Runs the threads of one producer process. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#include "bench/harness/producer.h"
#include "bench/harness/shared.h"
#include "bench/harness/tick.h"
#include "lib/base/atomics.h"
#include "lib/base/check.h"

struct worker {
    pthread_t id;
    struct run_shared *run;
    uint32_t number; /* over all processes */
};

static void pause_for(const struct run_shared *run)
{
    if (run->pause_ns == 0)
        return;
    if (run->spin) {
        const uint64_t until = now_ns() + run->pause_ns;
        while (now_ns() < until)
            ;
        return;
    }
    struct timespec ts = ns_timespec(run->pause_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
        ;
}

static void pin_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        fprintf(stderr, "bench-producer: cannot run on CPU %d: %s\n", cpu, strerror(errno));
}

static void wait_for_go(struct run_shared *run)
{
    __atomic_fetch_add(&run->ready, 1, __ATOMIC_ACQ_REL);
    while (load_acq(&run->go) == 0) /* order: pairs with the release in run_go(), harness/run.c */
        (void)syscall(SYS_futex, &run->go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* Returns the number of the next record. */
static uint64_t run_batches(struct worker *w, void *thread, uint64_t n)
{
    struct run_shared *run = w->run;
    producer_log_fn *log = producer.log[run->shape];
    uint32_t *sample = run->samples + w->number * samples_per_thread(run);
    const uint32_t timed = run->mode == MODE_BURST ? run->batch_calls : 1;
    const uint32_t calls = run->mode == MODE_BURST ? 1 : run->batch_calls;

    for (uint64_t b = 0; b < run->batches; b++) {
        pause_for(run);
        for (uint32_t k = 0; k < timed; k++) {
            const uint64_t t0 = tick_begin();
            log(thread, n, calls);
            const uint64_t ticks = tick_end() - t0;
            *sample++ = ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
            n += calls;
        }
    }
    return n;
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    struct run_shared *run = w->run;
    struct thread_result *res = &run->thread[w->number];

    if (run->first_cpu >= 0)
        pin_to((int)(((uint32_t)run->first_cpu + w->number) % (uint32_t)sysconf(_SC_NPROCESSORS_ONLN)));
    void *thread = producer.thread_open ? producer.thread_open() : NULL;
    uint64_t n = 0;
    for (; n < WARMUP_CHUNKS * WARMUP_CALLS; n += WARMUP_CALLS) {
        producer.log[run->shape](thread, n, WARMUP_CALLS);
        usleep(WARMUP_PAUSE_US);
    }
    wait_for_go(run);

    res->start_ns = now_ns();
    if (run->mode == MODE_SUSTAINED || run->mode == MODE_KILL) {
        producer.log[run->shape](thread, n, run->records);
        n += run->records;
    } else if (run->mode != MODE_IDLE) {
        n = run_batches(w, thread, n);
    }
    res->end_ns = now_ns();
    res->logged = n;
    if (producer.thread_close && run->mode != MODE_KILL)
        producer.thread_close(thread);
    return NULL;
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t peak_kib(void)
{
    uint64_t kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static struct run_shared *map_run(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return NULL;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void run_process(struct run_shared *run, int index)
{
    static struct worker workers[PRODUCERS_MAX];
    CHECK(run->threads <= PRODUCERS_MAX);
    for (uint32_t i = 0; i < run->threads; i++) {
        workers[i] = (struct worker){.run = run, .number = (uint32_t)index * run->threads + i};
        CHECK(workers[i].number < PRODUCERS_MAX);
        CHECK(pthread_create(&workers[i].id, NULL, worker_run, &workers[i]) == 0);
    }
    while (load_acq(&run->go) == 0) /* order: pairs with the release in run_go(), harness/run.c */
        (void)syscall(SYS_futex, &run->go, FUTEX_WAIT, 0, NULL, NULL, 0);
    const uint64_t cpu0 = cpu_ns();
    for (uint32_t i = 0; i < run->threads; i++)
        CHECK(pthread_join(workers[i].id, NULL) == 0);
    if (run->mode == MODE_KILL)
        raise(SIGKILL);
    if (run->mode == MODE_IDLE) {
        const struct timespec ts = ns_timespec(run->idle_ns);
        nanosleep(&ts, NULL);
        run->process[index].cpu_ns = cpu_ns() - cpu0;
    }
    producer.close();
    if (run->mode != MODE_IDLE)
        run->process[index].cpu_ns = cpu_ns() - cpu0;
    run->process[index].peak_kib = peak_kib();
    run->process[index].finished = 1;
}

/* -1 for what is no number from 0 to 9999. */
static int small_number(const char *text)
{
    char *end;
    const long n = strtol(text, &end, 10);
    return end == text || *end || n < 0 || n > 9999 ? -1 : (int)n;
}

int main(int argc, char **argv)
{
    const int index = argc == 6 ? small_number(argv[3]) : -1, fd = argc == 6 ? small_number(argv[5]) : -1;
    if (index < 0 || fd < 0) {
        fprintf(stderr, "usage: %s PEER DIR INDEX block|discard FD   (started by fapilog-bench)\n", argv[0]);
        return 2;
    }
    struct run_shared *run = map_run(fd);
    if (!run) {
        fprintf(stderr, "%s: cannot map the run: %s\n", argv[0], strerror(errno));
        return 1;
    }
    if (run->layout != RUN_LAYOUT) {
        fprintf(stderr, "%s: was built with another version of bench/harness; build it again\n", argv[0]);
        return 1;
    }
    const struct producer_env env = {
        .peer = argv[1], .dir = argv[2], .index = index, .block = strcmp(argv[4], "block") == 0};
    const int r = producer.open(&env);
    if (r < 0) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], env.peer, strerror(-r));
        return 1;
    }
    run_process(run, env.index);
    return 0;
}
