/* The file sink when calls fail, when the disk is full, and when the process dies. */
#include "collector/sinks/fileset.h"
#include "lib/base/check.h"
#include "tests/common/sink_run.h"
#include "tests/unit/sink-file-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* More chunks than one call takes; with every other seed one call in twenty fails or is cut short. */
static void many_chunks_arrive_in_order(void **state)
{
    (void)state;
    enum { CHUNKS = 150 };
    static struct sink_chunk chunks[CHUNKS];
    static uint32_t ends[CHUNKS];
    static char data[CHUNKS * RUN_RECORD_MAX];
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct io_config io = {.kind = seed ? IO_SIM : IO_AUTO, .sim_seed = seed,
                                     .sim_fault_ppm = seed % 2 ? 50000 : 0};
        static struct run r;
        struct run_state *s = run_state_new();
        size_t at = 0;
        r = (struct run){0};
        for (uint64_t tries = 0; run_open(&r, s, uri("file:$/a.jsonl"), &io, NULL) < 0; tries++) {
            assert_true(tries < 50);
            (void)run_close(&r, NULL);
            io.sim_seed += 100;
        }
        r.batch = (struct sink_batch){.id = 1, .chunks = chunks, .chunks_count = CHUNKS, .records = CHUNKS};
        for (unsigned i = 0; i < CHUNKS; i++) {
            ends[i] = (uint32_t)run_record(data + at, i, i % 40 == 7 ? RUN_RECORD_MAX - 8 : 0);
            chunks[i] = (struct sink_chunk){data + at, ends[i], -1, 1, &ends[i]};
            at += ends[i];
        }
        r.batch.bytes = at;
        do {
            assert_true(r.failures < 200);
            r.is_done = false;
            r.sink->ops->write(r.sink, &r.batch);
            while (!r.is_done)
                assert_true(io_turn(r.io, UINT64_MAX) >= 0);
        } while (r.result < 0);
        (void)run_close(&r, NULL); /* may be failed as well */
        static struct run_files files;
        run_read_files(dir, &files);
        assert_int_equal(files.file[0].len, at);
        assert_memory_equal(files.file[0].data, data, at);
        run_files_free(&files);
        run_state_free(s);
        run_remove(dir);
        assert_int_equal(mkdir(dir, 0755), 0);
    }
}

enum { EXIT_SKIP = 77, DISK_RECORDS = 400 };

/* A mount that nobody else sees: as root, or as root of a user name space. */
static bool mount_privately(void)
{
    char map[32];
    (void)snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
    if (unshare(CLONE_NEWNS) < 0) {
        const int made = unshare(CLONE_NEWUSER | CLONE_NEWNS);
        const int fd = made == 0 ? open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC) : -1;
        if (fd < 0 || write(fd, map, strlen(map)) < 0 || close(fd) < 0)
            return false;
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", dir, "tmpfs", 0, "size=64k") == 0;
}

/* With 64 KiB of disk of which a filler takes most. */
static int fill_a_disk(const char *settings)
{
    static struct run r;
    char filler[300], bytes[4096] = "";
    struct err e = {0};
    if (!mount_privately())
        return EXIT_SKIP;
    path_of(filler, ".filler");
    const int fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    for (int i = 0; i < 10; i++)
        if (write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
            return 1;
    struct run_state *s = run_state_new();
    if (run_open(&r, s, uri(settings), NULL, &e) < 0)
        return 2;
    r.record_bytes = 100;
    if (run_until(&r, DISK_RECORDS) || r.failures == 0 || r.result != -ENOSPC)
        return 3;
    if (!run_check_text(dir, r.next, 100)) /* nothing half, nothing twice, while it is full */
        return 4;
    if (unlink(filler) < 0 || close(fd) < 0 || !run_until(&r, DISK_RECORDS) || run_close(&r, &e) < 0)
        return 5;
    return run_check_text(dir, DISK_RECORDS, 100) ? 0 : 6;
}

static void records_survive_a_disk_that_is_full_for_a_while(void **state)
{
    (void)state;
    static const char *const full[] = {
        "file:$/a.jsonl", "file:$/a.jsonl?max_bytes=3000", "file:?directory=$&max_bytes=3000&sync=always",
        "file:$/a.jsonl?max_bytes=30000&compress=gzip",
    };
    for (size_t i = 0; i < ARRAY_COUNT(full); i++) {
        int status;
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(fill_a_disk(full[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == EXIT_SKIP)
            skip(); /* no name spaces here */
        if (WEXITSTATUS(status))
            fail_msg("%s: step %d", full[i], WEXITSTATUS(status));
    }
}

/* A file ends behind its mark, as after a kill, and a start fails before it is cut. */
static void a_start_that_fails_leaves_what_is_to_be_cut(void **state)
{
    static struct run r;
    unsigned failed = 0;
    (void)state;
    for (int64_t n = 1; n < 20; n++) {
        const struct io_config fault = {.kind = IO_SIM, .sim_seed = 1, .sim_fail_at = n, .sim_error = EIO};
        struct run_state *s = run_state_new(), *old = run_state_new();
        struct err e = {0};
        assert_int_equal(run_open(&r, s, uri("file:?directory=$"), NULL, &e), 0);
        assert_true(run_until(&r, 10));
        *old = *s;
        assert_true(run_until(&r, 30));
        assert_int_equal(run_close(&r, &e), 0);
        if (run_open(&r, old, uri("file:?directory=$&compress=zstd"), &fault, &e) < 0) {
            failed++;
            (void)run_close(&r, NULL);
            assert_int_equal(run_open(&r, old, uri("file:?directory=$&compress=zstd"), NULL, &e), 0);
        }
        assert_true(run_until(&r, 40));
        assert_int_equal(run_close(&r, &e), 0);
        assert_true(run_check_text(dir, 40, 0));
        run_state_free(s);
        run_state_free(old);
        run_remove(dir);
        assert_int_equal(mkdir(dir, 0755), 0);
    }
    assert_true(failed > 1);
}

/* ---- every call fails once ---- */

static const char *const settings[] = {
    "file:$/a.jsonl",
    "file:$/a.jsonl?max_bytes=500&sync=always",
    "file:$/a.jsonl?max_bytes=500&sync=interval&sync_interval=1ms",
    "file:?directory=$&max_bytes=500",
    "file:?directory=$&max_bytes=500&sync=always",
    "file:$/a.jsonl?max_bytes=500&compress=gzip",
    "file:?directory=$&max_bytes=500&compress=zstd",
    "file:$/a.jsonl?interval=1s",
    "file:?directory=$&interval=1s&max_bytes=2000",
};

enum { SWEEP_RECORDS = 24 };

static bool run_in_steps(struct run *r)
{
    for (uint64_t end = 8; end <= SWEEP_RECORDS; end += 8) {
        if (!run_until(r, end))
            return false;
        clock_ns += 400000000;
    }
    return true;
}

static uint64_t sweep_once(const char *setting, const struct io_config *fault, int64_t n)
{
    static struct run r;
    struct err e = {0};
    struct run_state *s = run_state_new();
    char text[600];
    (void)snprintf(text, sizeof text, "%s", uri(setting));
    int result = run_open(&r, s, text, fault, &e);
    for (int tries = 0; result < 0 && tries < 3; tries++) {
        struct io_config again = {.kind = IO_SIM, .sim_seed = fault->sim_seed};
        assert_int_not_equal(e.text[0], '\0');
        (void)run_close(&r, NULL);
        result = run_open(&r, s, text, &again, &e);
    }
    assert_int_equal(result, 0);
    assert_true(run_in_steps(&r));
    const uint64_t calls = io_sim_calls(r.io);
    (void)run_close(&r, NULL); /* may report the fault: all records are written before it */
    if (!run_check_text(dir, SWEEP_RECORDS, 0))
        fail_msg("%s: fault at call %lld, errno %d", setting, (long long)n, fault->sim_error);
    run_state_free(s);
    return calls;
}

static void sweep_faults(int error)
{
    const unsigned fds = run_open_fds();
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        run_kill_at(0);
        uint64_t calls = 1;
        for (int64_t n = 1; (uint64_t)n <= calls + 8; n++) { /* a few more for close */
            const struct io_config fault = {.kind = IO_SIM, .sim_seed = 7 + (uint64_t)n, .sim_fail_at = n,
                                            .sim_error = error};
            calls = sweep_once(settings[i], &fault, n);
            run_remove(dir);
            assert_int_equal(mkdir(dir, 0755), 0);
        }
    }
    assert_int_equal(run_open_fds(), fds);
}

static void one_failing_call_costs_no_record(void **state)
{
    (void)state;
    sweep_faults(0);
}

static void one_full_disk_costs_no_record(void **state)
{
    (void)state;
    sweep_faults(ENOSPC);
}

/* ---- the process dies at every step ---- */

/* Exit code of a child that writes until it is killed at step n. */
static int run_child(struct run_state *s, const char *text, uint64_t n)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static struct run r;
        struct err e = {0};
        alarm(20);
        run_kill_at(n);
        if (run_open(&r, s, text, NULL, &e) < 0) {
            fprintf(stderr, "%s\n", e.text);
            _exit(1);
        }
        if (!run_in_steps(&r) || run_close(&r, &e) < 0) {
            fprintf(stderr, "%s: step %llu, record %llu: %s %s\n", text, (unsigned long long)n,
                    (unsigned long long)r.next, e.text, r.warned.text);
            _exit(1);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void death_at_any_step_leaves_each_record_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        char text[600];
        (void)snprintf(text, sizeof text, "%s", uri(settings[i]));
        bool killed = true;
        for (uint64_t n = 1; killed; n += RUN_KILL_STRIDE) {
            struct run_state *s = run_state_new();
            const int code = run_child(s, text, n);
            assert_true(code == 99 || code == 0);
            killed = code == 99;
            /* dies again early in its recovery, then is left alone */
            if (killed && n % 3 == 0)
                (void)run_child(s, text, 1 + n % 17);
            assert_int_equal(run_child(s, text, 0), 0);
            if (!run_check_text(dir, SWEEP_RECORDS, 0))
                fail_msg("%s: killed at step %llu", settings[i], (unsigned long long)n);
            run_state_free(s);
            run_remove(dir);
            assert_int_equal(mkdir(dir, 0755), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(many_chunks_arrive_in_order),
        T(records_survive_a_disk_that_is_full_for_a_while),
        T(a_start_that_fails_leaves_what_is_to_be_cut),
        T(one_failing_call_costs_no_record),
        T(one_full_disk_costs_no_record),
        T(death_at_any_step_leaves_each_record_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
