/* A process of its own group with three descriptors. All that allocates is done before fork(): the collector has
 * threads, so between fork() and execve() only async-signal-safe calls are made. */
#include "collector/sinks/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUT, MESSAGES, FAILURE, PIPES, EXIT_NOT_RUN = 127 };

/* What the program is given of the collector's environment, which may hold secrets of other sinks. */
static const char *const inherited[] = { "PATH", "HOME", "LANG", "LC_ALL", "LOGNAME", "TMPDIR", "TZ", "USER" };
enum { INHERITED = sizeof inherited / sizeof *inherited };

struct plan {
    const struct exec_cfg *cfg;
    char **argv, **envp;
    int pipe[PIPES][2];
    int null;
    pid_t parent;
};

static char *pair_text(const char *key, const char *value)
{
    char *text = NULL;
    return asprintf(&text, "%s=%s", key, value) < 0 ? NULL : text;
}

static int make_env(const struct exec_cfg *cfg, char ***ret)
{
    size_t n = 0;
    char **env = calloc(INHERITED + cfg->env.count + 1, sizeof *env);
    if (!env)
        return -ENOMEM;
    *ret = env;
    for (size_t i = 0; i < INHERITED; i++) {
        const char *value = getenv(inherited[i]);
        if (!value || opt_map_get(&cfg->env, inherited[i]))
            continue;
        if (!(env[n++] = pair_text(inherited[i], value)))
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < cfg->env.count; i++) {
        if (!(env[n++] = pair_text(cfg->env.item[i].key, cfg->env.item[i].value)))
            return -ENOMEM;
    }
    return 0;
}

static int make_argv(const struct exec_cfg *cfg, char ***ret)
{
    char **argv = calloc(cfg->args.count + 2u, sizeof *argv);
    if (!argv)
        return -ENOMEM;
    argv[0] = (char *)(uintptr_t)cfg->path;
    for (uint32_t i = 0; i < cfg->args.count; i++)
        argv[i + 1] = cfg->args.item[i];
    *ret = argv;
    return 0;
}

static void plan_done(struct plan *p)
{
    for (char **text = p->envp; text && *text; text++)
        free(*text);
    free(p->envp);
    free(p->argv);
    for (unsigned i = 0; i < PIPES; i++) {
        for (unsigned end = 0; end < 2; end++) {
            if (p->pipe[i][end] >= 0)
                (void)close(p->pipe[i][end]);
        }
    }
    if (p->null >= 0)
        (void)close(p->null);
}

static int plan_make(struct plan *p)
{
    for (unsigned i = 0; i < PIPES; i++) {
        if (pipe2(p->pipe[i], O_CLOEXEC) < 0)
            return -errno;
        const int ours = p->pipe[i][i == INPUT];
        if (fcntl(ours, F_SETFL, fcntl(ours, F_GETFL) | O_NONBLOCK) < 0)
            return -errno;
    }
    p->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (p->null < 0)
        return -errno;
    const int r = make_argv(p->cfg, &p->argv);
    return r < 0 ? r : make_env(p->cfg, &p->envp);
}

/* ---- in the child ---- */

static _Noreturn void give_up(int report, const char *what)
{
    struct exec_failure f = { .error = errno };
    for (unsigned i = 0; i + 1 < sizeof f.what && what[i]; i++)
        f.what[i] = what[i];
    while (write(report, &f, sizeof f) < 0 && errno == EINTR)
        ;
    _exit(EXIT_NOT_RUN);
}

static void reset_signals(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL); /* fails for some, which nobody can change */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0, 1 and 2 may be closed in the collector, so that a pipe has got one of these numbers: first out of
 * the way, then into place. */
static int place(struct plan *p, int *report)
{
    int fd[3] = { p->pipe[INPUT][0], p->null, p->pipe[MESSAGES][1] };
    for (unsigned i = 0; i < 3; i++) {
        fd[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 3);
        if (fd[i] < 0)
            return -1;
    }
    *report = fcntl(*report, F_DUPFD_CLOEXEC, 3);
    for (int i = 0; i < 3; i++) {
        if (dup2(fd[i], i) < 0)
            return -1;
    }
    return 0;
}

static _Noreturn void become(struct plan *p)
{
    int report = p->pipe[FAILURE][1];
    if (setpgid(0, 0) < 0)
        give_up(report, "setpgid");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        give_up(report, "prctl");
    if (getppid() != p->parent) /* it died before prctl() */
        _exit(EXIT_NOT_RUN);
    if (place(p, &report) < 0)
        give_up(report, "dup2");
    if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) < 0)
        give_up(report, "close_range");
    if (*p->cfg->directory && chdir(p->cfg->directory) < 0)
        give_up(report, "directory");
    reset_signals();
    (void)execve(p->cfg->path, p->argv, p->envp);
    give_up(report, "path");
}

/* ---- in the collector ---- */

static void take(int *from, int *to)
{
    *to = *from;
    *from = -1;
}

int exec_spawn(const struct exec_cfg *cfg, struct exec_spawned *ret, struct err *e)
{
    struct plan p = { .cfg = cfg, .null = -1, .pipe = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, .parent = getpid() };
    int r = plan_make(&p);
    if (r < 0) {
        plan_done(&p);
        return err_sys(e, r, "%s: cannot be prepared to run", cfg->path);
    }
    const pid_t pid = fork();
    if (pid == 0)
        become(&p);
    r = pid < 0 ? -errno : 0;
    if (pid > 0) /* as it does itself, whoever is first: it can be killed by its group from now on */
        (void)setpgid(pid, pid);
    const int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0u);
    if (pid > 0 && pidfd < 0) {
        r = -errno;
        (void)kill(pid, SIGKILL);
        (void)waitid(P_PID, (id_t)pid, NULL, WEXITED);
    }
    if (r == 0) {
        *ret = (struct exec_spawned){ .pid = pid, .pidfd = pidfd };
        take(&p.pipe[INPUT][1], &ret->input);
        take(&p.pipe[MESSAGES][0], &ret->messages);
        take(&p.pipe[FAILURE][0], &ret->failure);
    }
    plan_done(&p);
    return r < 0 ? err_sys(e, r, "%s: cannot be run", cfg->path) : 0;
}
