#include "bench/harness/run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/futex.h>

#include "bench/harness/latency.h"
#include "bench/harness/outputs.h"
#include "bench/harness/proc.h"
#include "bench/harness/session.h"
#include "bench/harness/tick.h"
#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

const char *const mode_names[MODE_COUNT] = {"batch", "burst", "sustained", "kill", "idle"};
const char *const shape_names[SHAPE_COUNT] = {"none", "three", "text", "ten"};

enum { READY_SECONDS_MAX = 60 };

struct run {
    const struct run_config *cfg;
    const struct peer *peer;
    struct session session;
    struct run_shared *shared;
    size_t shared_size;
    int shared_fd;
    uint32_t processes;
    pid_t pid[PRODUCERS_MAX];
    uint64_t producers_reaped_ns, go_ns, consumer_base_ns;
};

static int map_shared(struct run *run, struct err *e)
{
    const struct run_config *cfg = run->cfg;
    const struct run_shared head = {
        .layout = RUN_LAYOUT,
        .mode = cfg->mode,       .shape = cfg->shape,     .processes = run->processes,
        .records = cfg->records, .batches = cfg->batches, .threads = cfg->producers / run->processes,
        .spin = cfg->spin,       .pause_ns = cfg->pause_ns, .batch_calls = cfg->batch_calls,
        .idle_ns = cfg->idle_ns, .first_cpu = cfg->first_cpu,
    };
    run->shared_size = sizeof head + cfg->producers * samples_per_thread(&head) * sizeof(uint32_t);
    run->shared_fd = memfd_create("fapilog-bench", 0); /* inherited by the producers */
    if (run->shared_fd < 0 || ftruncate(run->shared_fd, (off_t)run->shared_size) < 0)
        return err_sys(e, -errno, "make shared memory of %zu bytes", run->shared_size);
    void *p = mmap(NULL, run->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED, run->shared_fd, 0);
    if (p == MAP_FAILED)
        return err_sys(e, -errno, "map shared memory of %zu bytes", run->shared_size);
    run->shared = p;
    memcpy(p, &head, sizeof head);
    return 0;
}

static int start_producers(struct run *run, struct err *e)
{
    char program[PATH_MAX], index[16], fd[16];
    int r = 0;
    snprintf(program, sizeof program, "%s/bench-producer-%.40s", run->session.programs, run->peer->program);
    snprintf(fd, sizeof fd, "%d", run->shared_fd);
    for (uint32_t i = 0; r == 0 && i < run->processes; i++) {
        snprintf(index, sizeof index, "%u", i);
        const char *const argv[] = {program, run->peer->name, run->session.out, index,
                        run->session.block ? "block" : "discard", fd, NULL};
        r = proc_spawn(argv, NULL, NULL, &run->pid[i], e);
    }
    return r;
}

static int wait_ready(struct run *run, struct err *e)
{
    const uint64_t deadline = now_ns() + READY_SECONDS_MAX * UINT64_C(1000000000);
    while (load_acq(&run->shared->ready) < run->cfg->producers) { /* order: pairs with wait_for_go() */
        siginfo_t info = {0};
        for (uint32_t i = 0; i < run->processes; i++)
            if (waitid(P_PID, (id_t)run->pid[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
                return err_set(e, -ECHILD, "producer %u of %s ended before it was ready", i, run->peer->name);
        if (now_ns() > deadline)
            return err_set(e, -ETIMEDOUT, "%s was not ready after %d s", run->peer->name, READY_SECONDS_MAX);
        usleep(500);
    }
    return 0;
}

/* What the consumer has taken so far, so that its start does not count. */
static uint64_t consumer_base(const struct run *run)
{
    return proc_reaped_cpu_ns() + proc_tree_cpu_ns(run->session.consumer) - run->session.tools_cpu_ns;
}

static void run_go(struct run *run)
{
    run->consumer_base_ns = consumer_base(run);
    run->go_ns = now_ns();
    store_rel(&run->shared->go, 1); /* order: pairs with the acquire in wait_for_go(), producer_main.c */
    (void)syscall(SYS_futex, &run->shared->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int wait_producers(struct run *run, struct err *e)
{
    const int expected = run->cfg->mode == MODE_KILL ? SIGKILL : 0;
    int result = 0;
    for (uint32_t i = 0; i < run->processes; i++) {
        const int r = proc_wait(take_pid(&run->pid[i]), "a producer", expected, &run->producers_reaped_ns,
                                result < 0 ? NULL : e);
        result = result < 0 ? result : r;
    }
    return result;
}

static void collect_times(const struct run *run, struct run_result *ret)
{
    double call_ns = 0;
    for (uint32_t i = 0; i < run->cfg->producers; i++) {
        const struct thread_result *t = &run->shared->thread[i];
        ret->logged += t->logged;
        call_ns += (double)(t->end_ns - t->start_ns) / (double)run->cfg->records;
    }
    ret->call_ns = call_ns / run->cfg->producers;
    for (uint32_t i = 0; i < run->processes; i++) {
        ret->producer_cpu_s += (double)run->shared->process[i].cpu_ns * 1e-9;
        ret->producer_peak_kib += run->shared->process[i].peak_kib;
    }
    if (run->cfg->mode == MODE_KILL) /* the killed cannot report */
        ret->producer_cpu_s = (double)run->producers_reaped_ns * 1e-9;
}

/* From the producers' end to files on disk, and what it all took. */
static int finish(struct run *run, struct run_result *ret, struct err *e)
{
    const struct peer_control *control = run->peer->control;
    struct session *s = &run->session;
    collect_times(run, ret);
    s->expected = ret->logged;
    ret->consumer_peak_kib = proc_tree_peak_kib(s->consumer);
    int r = control->drain ? control->drain(s, e) : 0;
    if (r < 0 || (r = outputs_sync(s->out, e)) < 0)
        return r;
    ret->seconds = (double)(now_ns() - run->go_ns - s->quiet_ns) * 1e-9;
    if (control->stop && (r = control->stop(s, e)) < 0)
        return r;
    /* The base comes from finer clocks than the sum: an idle consumer may end a hair below it. */
    const int64_t consumer_ns = (int64_t)(proc_reaped_cpu_ns() - s->tools_cpu_ns - run->producers_reaped_ns -
                                          run->consumer_base_ns);
    ret->consumer_cpu_s = control->start && consumer_ns > 0 ? (double)consumer_ns * 1e-9 : 0;
    ret->delivered = control->count ? control->count(s, e) : outputs_count(s->out, BENCH_MARKER, e);
    ret->bytes = outputs_bytes(s->out, e);
    if (ret->delivered < 0 || ret->bytes < 0)
        return (int)(ret->delivered < 0 ? ret->delivered : ret->bytes);
    return 0;
}

/* CPU of producers and consumers while nothing is logged, in percent of one core. */
static void measure_idle(const struct run *run, struct run_result *ret)
{
    const uint64_t t0 = now_ns(), cpu0 = proc_tree_cpu_ns(run->session.consumer);
    const struct timespec ts = ns_timespec(run->cfg->idle_ns);
    nanosleep(&ts, NULL);
    const uint64_t cpu = proc_tree_cpu_ns(run->session.consumer) - cpu0;
    ret->idle_cpu_percent = 100.0 * (double)cpu / (double)(now_ns() - t0);
}

static int run_measured(struct run *run, struct run_result *ret, struct err *e)
{
    const struct peer_control *control = run->peer->control;
    int r;
    session_fs_name(run->session.out, ret->output_fs, sizeof ret->output_fs);
    if (control->start && (r = control->start(&run->session, e)) < 0)
        return r;
    if ((r = map_shared(run, e)) < 0 || (r = start_producers(run, e)) < 0 || (r = wait_ready(run, e)) < 0)
        return r;
    if (control->settle && (r = control->settle(&run->session, e)) < 0)
        return r;

    ret->timer_ns = machine_timer_ticks();
    ret->ping_before_ns = machine_ping_ns();
    const uint64_t tick0 = tick_begin(), ns0 = now_ns();
    run_go(run);
    if (run->cfg->mode == MODE_IDLE)
        measure_idle(run, ret);
    if ((r = wait_producers(run, e)) < 0)
        return r;
    /* The longer the stretch, the better the counter is known. */
    const double ns_per_tick = (double)(now_ns() - ns0) / (double)(tick_end() - tick0);
    if ((r = finish(run, ret, e)) < 0)
        return r;
    ret->ping_after_ns = machine_ping_ns();
    ret->timer_ns *= ns_per_tick;
    latency_compute(run->shared, ns_per_tick, &ret->latency);
    if (run->cfg->mode == MODE_IDLE)
        ret->idle_cpu_percent += 100 * ret->producer_cpu_s / ((double)run->cfg->idle_ns * 1e-9);
    return 0;
}

int run_peer(const struct peer *peer, const struct run_config *cfg, struct run_result *ret, struct err *e)
{
    struct run run = {
        .cfg = cfg, .peer = peer, .shared_fd = -1, .processes = cfg->processes ? cfg->producers : 1};
    char own[PATH_MAX - 64];
    *ret = (struct run_result){0};
    CHECK(cfg->producers > 0 && cfg->producers <= PRODUCERS_MAX);
    int r = session_program_dir(own, sizeof own, e);
    if (r < 0)
        return r;
    r = session_open(&run.session, peer->name, cfg->tmp, cfg->block, e);
    run.session.programs = peer->programs ? peer->programs : own;
    if (r == 0)
        r = run_measured(&run, ret, e);
    for (uint32_t i = 0; i < run.processes; i++)
        if (run.pid[i] > 0) {
            kill(run.pid[i], SIGKILL);
            (void)waitpid(run.pid[i], NULL, 0);
        }
    if (r < 0)
        session_show_log(&run.session);
    session_close(&run.session);
    if (run.shared)
        munmap(run.shared, run.shared_size);
    cleanup_fd(&run.shared_fd);
    return r;
}
