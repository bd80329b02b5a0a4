#include "bench/harness/machine.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/harness/stats.h"
#include "bench/harness/tick.h"
#include "lib/base/atomics.h"
#include "lib/base/cleanup.h"

enum { PING_WINDOWS = 21, PING_ROUNDS = 1000, TIMER_SAMPLES = 1001 };

/* On a busy machine each thread waits for its core: fewer windows then, but never none. */
static const uint64_t PING_NS_MAX = 200000000;
static const uint32_t PING_STOP = UINT32_MAX;

static void copy_text(char *dst, size_t size, const char *src)
{
    snprintf(dst, size, "%s", src);
    dst[strcspn(dst, "\n")] = '\0';
}

static void read_line(const char *path, char *dst, size_t size)
{
    auto_stream f = fopen(path, "re");
    if (!f || !fgets(dst, (int)size, f))
        copy_text(dst, size, "unknown");
    dst[strcspn(dst, "\n")] = '\0';
}

static void read_cpu(char *dst, size_t size)
{
    char line[512];
    copy_text(dst, size, "unknown");
    auto_stream f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *value = strchr(line, ':');
        if (value && strncmp(line, "model name", 10) == 0) {
            copy_text(dst, size, value + 2);
            return;
        }
    }
}

void machine_describe(struct machine *ret)
{
    struct utsname u;
    *ret = (struct machine){.cpus = (int)sysconf(_SC_NPROCESSORS_ONLN)};
    read_cpu(ret->cpu, sizeof ret->cpu);
    if (uname(&u) == 0)
        snprintf(ret->kernel, sizeof ret->kernel, "%.100s %.100s %.40s", u.sysname, u.release, u.machine);
#if defined(__clang__)
    copy_text(ret->compiler, sizeof ret->compiler, __VERSION__);
#else
    snprintf(ret->compiler, sizeof ret->compiler, "gcc %s", __VERSION__);
#endif
    read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", ret->clocksource,
              sizeof ret->clocksource);
}

/* ---- ping-pong ------------------------------------------------------------------------------- */

struct pong {
    _Alignas(128) uint32_t ball; /* even: ours, odd: theirs */
    _Alignas(128) cpu_set_t cpu;
};

static void *pong_run(void *arg)
{
    struct pong *p = arg;
    pthread_setaffinity_np(pthread_self(), sizeof p->cpu, &p->cpu);
    for (uint32_t turn = 1;; turn += 2) {
        uint32_t ball;
        while ((ball = load_acq(&p->ball)) != turn) /* order: pairs with the release in machine_ping_ns() */
            if (ball == PING_STOP)
                return NULL;
        store_rel(&p->ball, turn + 1); /* order: pairs with the acquire in machine_ping_ns() */
    }
}

/* The first two CPUs that we may use. */
static int two_cpus(const cpu_set_t *allowed, cpu_set_t *first, cpu_set_t *second)
{
    int found = 0;
    CPU_ZERO(first);
    CPU_ZERO(second);
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, allowed))
            CPU_SET(cpu, found++ == 0 ? first : second);
    return found;
}

double machine_ping_ns(void)
{
    struct pong p = {0};
    cpu_set_t allowed, mine;
    pthread_t thread;
    uint32_t window_ns[PING_WINDOWS], turn = 0;

    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0 || two_cpus(&allowed, &mine, &p.cpu) < 2)
        return -1;
    if (pthread_create(&thread, NULL, pong_run, &p) != 0)
        return -1;
    sched_setaffinity(0, sizeof mine, &mine);
    const uint64_t start = now_ns();
    int windows = -1; /* the first one warms up */
    for (; windows < 1 || (windows < PING_WINDOWS && now_ns() - start < PING_NS_MAX); windows++) {
        const uint64_t t0 = now_ns();
        for (int i = 0; i < PING_ROUNDS; i++) {
            store_rel(&p.ball, ++turn); /* order: pairs with the acquire in pong_run() */
            turn++;
            while (load_acq(&p.ball) != turn) /* order: pairs with the release in pong_run() */
                ;
        }
        if (windows >= 0)
            window_ns[windows] = (uint32_t)(now_ns() - t0);
    }
    store_rel(&p.ball, PING_STOP); /* order: pairs with the acquire in pong_run() */
    pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof allowed, &allowed);
    stats_sort(window_ns, (size_t)windows);
    return (double)window_ns[windows / 2] / PING_ROUNDS / 2;
}

unsigned machine_timer_ticks(void)
{
    uint32_t ticks[TIMER_SAMPLES];
    for (int i = 0; i < TIMER_SAMPLES; i++) {
        const uint64_t t0 = tick_begin();
        ticks[i] = (uint32_t)(tick_end() - t0);
    }
    stats_sort(ticks, TIMER_SAMPLES);
    return ticks[TIMER_SAMPLES / 2];
}
