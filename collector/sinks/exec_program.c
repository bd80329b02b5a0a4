/* The life of the program: started when there is something to send, watched through its pidfd, its standard error
 * told line by line, reaped when it ends. */
#include "collector/sinks/exec.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 300, LINES_IN_WINDOW = 10, HOW_MAX = 200, LAST_READS = 16 };

#define LINES_WINDOW_NS (10 * NS_PER_S)

struct exec_program {
    struct sink *sink;
    const struct exec_cfg *cfg;
    const struct exec_events *events;
    void *owner;
    struct exec_spawned child;
    bool is_running, is_stopping, is_freed;
    struct io_req exit_poll, message_poll, kill_timer;
    bool is_exit_polled, is_message_polled, is_kill_timed;
    char line[LINE_MAX_BYTES + 1];
    unsigned line_len;
    uint64_t window_ns; /* since when lines are counted */
    uint64_t said, swallowed;
};

static void release(struct exec_program *p)
{
    if (p->is_freed && !p->is_exit_polled && !p->is_message_polled && !p->is_kill_timed)
        free(p);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* ---- what it says on standard error ---- */

static void warn(struct exec_program *p, const char *text)
{
    struct err e = { 0 };
    (void)err_set(&e, -EIO, "%s: %s", p->cfg->path, text);
    if (p->sink->warn)
        p->sink->warn(p->sink, &e);
}

static void tell_swallowed(struct exec_program *p)
{
    char text[80];
    if (p->swallowed) {
        (void)snprintf(text, sizeof text, "%llu more lines", (unsigned long long)p->swallowed);
        warn(p, text);
    }
    p->said = p->swallowed = 0;
}

static void tell(struct exec_program *p, const char *text)
{
    const uint64_t now = clock_mono_ns();
    if (now - p->window_ns >= LINES_WINDOW_NS) {
        tell_swallowed(p);
        p->window_ns = now;
    }
    if (p->said >= LINES_IN_WINDOW) {
        p->swallowed++;
        return;
    }
    p->said++;
    warn(p, text);
}

static void say(struct exec_program *p)
{
    if (!p->line_len)
        return;
    p->line[p->line_len] = '\0';
    p->line_len = 0;
    tell(p, p->line);
}

/* Control characters would reach somebody's terminal. A line that is too long is cut. */
static void take_text(struct exec_program *p, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)data[i];
        if (c == '\n')
            say(p);
        else if (p->line_len < LINE_MAX_BYTES)
            p->line[p->line_len++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
}

/* One piece; false: nothing there, or the end. */
static bool read_messages(struct exec_program *p)
{
    char data[4096];
    const ssize_t n = read(p->child.messages, data, sizeof data);
    if (n > 0)
        take_text(p, data, (size_t)n);
    else if (n == 0)
        close_fd(&p->child.messages);
    return n > 0;
}

/* What is left, but not for ever: a descendant that has left the group may still write. */
static void read_last_messages(struct exec_program *p)
{
    for (unsigned i = 0; i < LAST_READS && p->child.messages >= 0 && read_messages(p); i++)
        ;
    say(p);
}

static void poll_messages(struct exec_program *p);

static void on_message(struct io_req *req, int result)
{
    struct exec_program *p = req->owner;
    p->is_message_polled = false;
    if (!p->is_freed && p->is_running && p->child.messages >= 0 && result != -ECANCELED) {
        (void)read_messages(p);
        poll_messages(p);
    }
    release(p);
}

static void poll_messages(struct exec_program *p)
{
    if (p->child.messages < 0 || p->is_message_polled)
        return;
    p->is_message_polled = true;
    p->message_poll = (struct io_req){
        .op = IO_POLL, .fd = p->child.messages, .events = POLLIN, .done = on_message, .owner = p,
    };
    io_submit(p->sink->io, &p->message_poll);
}

/* ---- how it ends ---- */

/* The process is a zombie until the group has been told: nobody else can get its number. */
static void reap(struct exec_program *p, siginfo_t *ret)
{
    memset(ret, 0, sizeof *ret);
    (void)kill(-p->child.pid, SIGKILL);
    while (waitid(P_PID, (id_t)p->child.pid, ret, WEXITED) < 0 && errno == EINTR)
        ;
}

static bool describe(struct exec_program *p, const siginfo_t *info, char *how, size_t size)
{
    struct exec_failure f;
    if (read(p->child.failure, &f, sizeof f) == (ssize_t)sizeof f) {
        (void)snprintf(how, size, "cannot be run: %.16s: %s", f.what, strerror(f.error));
        return true;
    }
    if (info->si_code == CLD_EXITED)
        (void)snprintf(how, size, "ended with status %d", info->si_status);
    else
        (void)snprintf(how, size, "was killed by signal %d", info->si_status);
    return false;
}

static void cancel_requests(struct exec_program *p)
{
    struct io *io = p->sink->io;
    if (p->is_exit_polled)
        io_cancel(io, &p->exit_poll);
    if (p->is_message_polled)
        io_cancel(io, &p->message_poll);
    if (p->is_kill_timed)
        io_cancel(io, &p->kill_timer);
}

static void close_all(struct exec_program *p)
{
    p->is_running = p->is_stopping = false;
    cancel_requests(p);
    close_fd(&p->child.input);
    close_fd(&p->child.messages);
    close_fd(&p->child.failure);
    close_fd(&p->child.pidfd);
}

static void finish(struct exec_program *p)
{
    siginfo_t info;
    char how[HOW_MAX];
    reap(p, &info);
    read_last_messages(p);
    const bool is_missing = describe(p, &info, how, sizeof how);
    tell(p, how);
    const uint64_t unread = exec_program_unread(p);
    close_all(p);
    p->events->ended(p->owner, how, is_missing, unread);
}

static void poll_exit(struct exec_program *p);

static void on_exit_polled(struct io_req *req, int result)
{
    struct exec_program *p = req->owner;
    p->is_exit_polled = false;
    if (!p->is_freed && p->is_running && result > 0)
        finish(p);
    else if (!p->is_freed && p->is_running)
        poll_exit(p);
    release(p);
}

static void poll_exit(struct exec_program *p)
{
    p->is_exit_polled = true;
    p->exit_poll = (struct io_req){
        .op = IO_POLL, .fd = p->child.pidfd, .events = POLLIN, .done = on_exit_polled, .owner = p,
    };
    io_submit(p->sink->io, &p->exit_poll);
}

static void on_kill_timer(struct io_req *req, int result)
{
    struct exec_program *p = req->owner;
    p->is_kill_timed = false;
    if (!p->is_freed && p->is_stopping && result == 0)
        (void)kill(-p->child.pid, SIGKILL);
    release(p);
}

void exec_program_stop(struct exec_program *p)
{
    if (!p->is_running || p->is_stopping)
        return;
    p->is_stopping = true;
    (void)kill(-p->child.pid, SIGTERM);
    if (p->is_kill_timed)
        return;
    p->is_kill_timed = true;
    p->kill_timer = (struct io_req){
        .op = IO_TIMEOUT, .deadline_ns = clock_mono_ns() + p->cfg->stop_timeout_ns, .done = on_kill_timer, .owner = p,
    };
    io_submit(p->sink->io, &p->kill_timer);
}

/* ---- from outside ---- */

int exec_program_new(struct sink *s, const struct exec_events *events, void *owner, struct exec_program **ret,
                     struct err *e)
{
    struct exec_program *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, -ENOMEM, "out of memory");
    *p = (struct exec_program){
        .sink = s, .cfg = s->cfg, .events = events, .owner = owner, .child = { 0, -1, -1, -1, -1 },
    };
    *ret = p;
    return 0;
}

/* Polls of the process before, which were cancelled, must have come back: their memory is used again. */
int exec_program_start(struct exec_program *p, struct err *e)
{
    if (p->is_exit_polled || p->is_message_polled || p->is_kill_timed)
        return err_set(e, -EAGAIN, "%s: the one before is still ending", p->cfg->path);
    const int r = exec_spawn(p->cfg, &p->child, e);
    if (r < 0)
        return r;
    p->is_running = true;
    p->line_len = 0;
    poll_exit(p);
    poll_messages(p);
    return 0;
}

bool exec_program_is_running(const struct exec_program *p) { return p->is_running; }
bool exec_program_is_stopping(const struct exec_program *p) { return p->is_stopping; }

/* Its process says so before its end of the input is closed. */
bool exec_program_is_missing(const struct exec_program *p)
{
    struct pollfd fd = { p->child.failure, POLLIN, 0 };
    return p->is_running && poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

int exec_program_input(const struct exec_program *p) { return p->child.input; }

uint64_t exec_program_unread(const struct exec_program *p)
{
    int n = 0;
    return p->child.input >= 0 && ioctl(p->child.input, FIONREAD, &n) == 0 ? (uint64_t)n : 0;
}

uint64_t exec_program_take_back(const struct exec_program *p)
{
    static char waste[1 << 16];
    char path[40];
    uint64_t bytes = 0;
    ssize_t n;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", p->child.input);
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* the other end of the same pipe */
    if (fd < 0)
        return exec_program_unread(p);
    while ((n = read(fd, waste, sizeof waste)) > 0)
        bytes += (uint64_t)n;
    (void)close(fd);
    return bytes;
}

/* Whether it has ended by then. What it says meanwhile is read, so that it does not wait for that. */
static bool wait_end(struct exec_program *p, uint64_t wait_ns)
{
    const uint64_t deadline = clock_mono_ns() + wait_ns;
    for (;;) {
        const uint64_t now = clock_mono_ns();
        struct pollfd fds[] = { { p->child.pidfd, POLLIN, 0 }, { p->child.messages, POLLIN, 0 } };
        const int left = now < deadline ? (int)((deadline - now) / NS_PER_MS) + 1 : 0;
        if (poll(fds, 2, left) >= 0 && fds[1].revents)
            (void)read_messages(p);
        if (fds[0].revents)
            return true;
        if (now >= deadline)
            return false;
    }
}

void exec_program_free(struct exec_program *p)
{
    siginfo_t info;
    if (!p)
        return;
    if (p->is_running) {
        close_fd(&p->child.input);
        if (!wait_end(p, p->cfg->stop_timeout_ns / 2)) {
            (void)kill(-p->child.pid, SIGTERM);
            (void)wait_end(p, p->cfg->stop_timeout_ns / 2);
        }
        reap(p, &info);
        read_last_messages(p);
    }
    tell_swallowed(p);
    p->is_freed = true;
    close_all(p);
    release(p);
}
