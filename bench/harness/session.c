#include "bench/harness/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "bench/harness/outputs.h"
#include "bench/harness/proc.h"
#include "bench/harness/tick.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

static int make_dir(char *path, size_t size, const char *parent, struct err *e)
{
    if (snprintf(path, size, "%s/fapilog-bench-XXXXXX", parent) >= (int)size)
        return err_set(e, -ENAMETOOLONG, "directory name %s is too long", parent);
    return mkdtemp(path) ? 0 : err_sys(e, -errno, "make a directory in %s", parent);
}

int session_open(struct session *s, const char *peer, const char *tmp, bool block, struct err *e)
{
    *s = (struct session){.peer = peer, .block = block};
    int r = make_dir(s->root, sizeof s->root - 8, tmp, e);
    if (r < 0) {
        s->root[0] = '\0';
        return r;
    }
    r = make_dir(s->rings, sizeof s->rings, "/dev/shm", e);
    if (r < 0) {
        s->rings[0] = '\0';
        return r;
    }
    snprintf(s->out, sizeof s->out, "%.*s/out", (int)sizeof s->root - 8, s->root);
    return mkdir(s->out, 0700) < 0 ? err_sys(e, -errno, "make %s", s->out) : 0;
}

static void log_path(const struct session *s, char ret[SESSION_PATH_MAX + 16])
{
    snprintf(ret, SESSION_PATH_MAX + 16, "%s/consumer.log", s->root);
}

int session_consumer_start(struct session *s, const char *const argv[], const char *stdout_path, struct err *e)
{
    char path[SESSION_PATH_MAX + 16];
    log_path(s, path);
    return proc_spawn(argv, stdout_path, path, &s->consumer, e);
}

void session_show_log(const struct session *s)
{
    char path[SESSION_PATH_MAX + 16], line[1024];
    log_path(s, path);
    auto_stream f = s->root[0] ? fopen(path, "re") : NULL;
    while (f && fgets(line, sizeof line, f))
        fputs(line, stderr);
}

void session_close(struct session *s)
{
    struct err e;
    if (s->consumer > 0) {
        kill(s->consumer, SIGKILL);
        (void)waitpid(s->consumer, NULL, 0);
        s->consumer = 0;
    }
    const char *dirs[] = {s->root, s->rings};
    for (size_t i = 0; i < ARRAY_COUNT(dirs); i++)
        if (dirs[i][0] && outputs_remove(dirs[i], &e) < 0)
            fprintf(stderr, "fapilog-bench: %s\n", e.text);
}

void session_fs_name(const char *path, char *ret, size_t size)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } known[] = {{EXT4_SUPER_MAGIC, "ext2/3/4"}, {XFS_SUPER_MAGIC, "xfs"}, {BTRFS_SUPER_MAGIC, "btrfs"},
                 {TMPFS_MAGIC, "tmpfs"},         {OVERLAYFS_SUPER_MAGIC, "overlay"}};
    struct statfs fs;
    if (statfs(path, &fs) < 0) {
        snprintf(ret, size, "unknown");
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        if (known[i].magic == (unsigned long)fs.f_type) {
            snprintf(ret, size, "%s", known[i].name);
            return;
        }
    snprintf(ret, size, "0x%lx", (unsigned long)fs.f_type);
}

static bool consumer_ended(const struct session *s)
{
    siginfo_t info = {0};
    return s->consumer > 0 && waitid(P_PID, (id_t)s->consumer, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == s->consumer;
}

int session_wait(struct session *s, int (*ready)(struct session *s), int seconds, const char *what,
                 struct err *e)
{
    const uint64_t deadline = now_ns() + (uint64_t)seconds * 1000000000u;
    do {
        const int r = ready(s);
        if (r < 0)
            return err_sys(e, r, "%s", what);
        if (r > 0)
            return 0;
        if (consumer_ended(s))
            return err_set(e, -ECHILD, "%s: it has ended", what);
        usleep(1000);
    } while (now_ns() < deadline);
    return err_set(e, -ETIMEDOUT, "%s: nothing after %d s", what, seconds);
}

int session_program_dir(char *ret, size_t size, struct err *e)
{
    const ssize_t n = readlink("/proc/self/exe", ret, size - 1);
    if (n < 0)
        return err_sys(e, -errno, "read /proc/self/exe");
    ret[n] = '\0';
    *strrchr(ret, '/') = '\0';
    return 0;
}
