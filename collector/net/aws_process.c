#include "collector/net/aws_process.h"
#include "collector/net/aws_words.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 4096 };

struct aws_process {
    struct io *io;
    aws_process_done_fn *done; /* NULL: cancelled */
    void *owner;
    pid_t pid;
    int pidfd, output;
    struct io_req read, exit, timer;
    unsigned pending;          /* of the three */
    unsigned seconds;          /* what it may take */
    siginfo_t end;
    bool has_ended, is_read, is_late, is_long;
    struct buf text;
};

static void kill_all(const struct aws_process *p)
{
    if (!p->has_ended)
        (void)kill(-p->pid, SIGKILL);
}

static void explain(const struct aws_process *p, char *ret, size_t size)
{
    if (p->is_late)
        (void)snprintf(ret, size, "credential_process took longer than %u s", p->seconds);
    else if (p->is_long)
        (void)snprintf(ret, size, "credential_process printed more than %d bytes", AWS_PROCESS_OUTPUT_MAX);
    else
        (void)snprintf(ret, size, "credential_process ended with %s %d; run it by hand to see why",
                       p->end.si_code == CLD_EXITED ? "status" : "signal", p->end.si_status);
}

static void finish(struct aws_process *p)
{
    char why[120];
    const bool is_good = !p->is_late && !p->is_long && p->end.si_code == CLD_EXITED && p->end.si_status == 0;
    (void)close(p->pidfd);
    (void)close(p->output);
    explain(p, why, sizeof why);
    if (p->done)
        p->done(p->owner, is_good ? 0 : p->is_late ? -ETIMEDOUT : -EIO, &p->text, is_good ? "" : why);
    buf_done(&p->text);
    free(p);
}

static void completed(struct aws_process *p)
{
    p->pending--;
    if (p->has_ended && p->is_read && p->pending == 1)
        io_cancel(p->io, &p->timer);
    if (p->pending == 0)
        finish(p);
}

static void submit(struct aws_process *p, struct io_req *req)
{
    p->pending++;
    io_submit(p->io, req);
}

static void on_read(struct io_req *req, int result);

static void read_on(struct aws_process *p)
{
    if (buf_reserve(&p->text, PIECE) < 0) {
        p->is_long = p->is_read = true;
        kill_all(p);
        return;
    }
    p->read = (struct io_req){.op = IO_READ, .fd = p->output, .buf = p->text.data + p->text.len, .len = PIECE,
                              .offset = -1, .buf_index = -1, .done = on_read, .owner = p};
    submit(p, &p->read);
}

static void on_read(struct io_req *req, int result)
{
    struct aws_process *p = req->owner;
    if (result > 0)
        p->text.len += (size_t)result;
    if (p->text.len > AWS_PROCESS_OUTPUT_MAX) {
        p->is_long = p->is_read = true;
        kill_all(p);
    } else if (result > 0 || result == -EINTR || result == -EAGAIN) {
        read_on(p);
    } else {
        p->is_read = true;
    }
    completed(p);
}

static void on_exit_seen(struct io_req *req, int result)
{
    struct aws_process *p = req->owner;
    if (result < 0) /* the io ends */
        kill_all(p);
    while (waitid(P_PID, (id_t)p->pid, &p->end, WEXITED) < 0 && errno == EINTR)
        ;
    p->has_ended = true;
    completed(p);
}

static void on_timer(struct io_req *req, int result)
{
    struct aws_process *p = req->owner;
    if (result != -ECANCELED || !p->has_ended || !p->is_read) {
        p->is_late = true;
        kill_all(p);
        if (!p->is_read) /* somebody else may still hold the pipe */
            io_cancel(p->io, &p->read);
    }
    completed(p);
}

/* ---- starting ---- */

static char **environment(void)
{
    extern char **environ;
    size_t n = 0;
    char **ret;
    while (environ[n])
        n++;
    ret = calloc(n + 1, sizeof *ret);
    for (size_t i = 0, k = 0; ret && i < n; i++)
        if (strncmp(environ[i], "FAPILOG_", 8) != 0)
            ret[k++] = environ[i];
    return ret;
}

static int spawn(char *const *argv, int output, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t all, none;
    char **env = environment();
    if (!env)
        return -ENOMEM;
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    CHECK(posix_spawn_file_actions_init(&files) == 0 && posix_spawnattr_init(&how) == 0);
    int r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&files, output, 1);
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    CHECK(posix_spawnattr_setsigdefault(&how, &all) == 0 && posix_spawnattr_setsigmask(&how, &none) == 0);
    CHECK(posix_spawnattr_setpgroup(&how, 0) == 0);
    CHECK(posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK) == 0);
    if (r == 0)
        r = posix_spawnp(ret, argv[0], &files, &how, argv, env);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&how);
    free(env);
    return -r;
}

static int launch(struct aws_process *p, char *const *argv)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int r = spawn(argv, ends[1], &p->pid);
    (void)close(ends[1]);
    p->pidfd = r < 0 ? -1 : (int)syscall(SYS_pidfd_open, p->pid, 0u);
    if (r == 0 && p->pidfd < 0) {
        r = -errno;
        kill_all(p);
        (void)waitid(P_PID, (id_t)p->pid, &p->end, WEXITED);
    }
    if (r < 0)
        (void)close(ends[0]);
    p->output = ends[0];
    return r;
}

int aws_process_start(struct io *io, const char *command, unsigned seconds, aws_process_done_fn *done, void *owner,
                      struct aws_process **ret, struct err *e)
{
    struct aws_words words;
    struct err why = {0};
    int r = aws_words_split(command, AWS_PROCESS_ARGS_MAX, &words, &why);
    if (r < 0)
        return err_set(e, r, "credential_process: %s", why.text);
    struct aws_process *p = calloc(1, sizeof *p);
    if (p)
        *p = (struct aws_process){.io = io, .done = done, .owner = owner, .seconds = seconds};
    r = p ? launch(p, words.word) : -ENOMEM;
    if (r < 0) {
        err_sys(e, r, "credential_process: %.100s cannot be run", words.word[0]);
        aws_words_done(&words);
        free(p);
        return r;
    }
    aws_words_done(&words);
    p->exit = (struct io_req){.op = IO_POLL, .fd = p->pidfd, .events = POLLIN, .buf_index = -1, .done = on_exit_seen,
                              .owner = p};
    p->timer = (struct io_req){.op = IO_TIMEOUT, .buf_index = -1, .done = on_timer, .owner = p,
                               .deadline_ns = clock_mono_ns() + seconds * NS_PER_S};
    submit(p, &p->exit);
    submit(p, &p->timer);
    read_on(p);
    *ret = p;
    return 0;
}

void aws_process_cancel(struct aws_process *p)
{
    p->done = NULL;
    kill_all(p);
    io_cancel(p->io, &p->timer); /* which ends the rest */
}
