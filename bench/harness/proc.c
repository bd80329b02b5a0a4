#include "bench/harness/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "bench/harness/tick.h"
#include "lib/base/cleanup.h"

static const uint64_t STOP_NS_MAX = 30u * UINT64_C(1000000000);

static uint64_t timeval_ns(struct timeval tv)
{
    return (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
}

static uint64_t rusage_ns(const struct rusage *u)
{
    return timeval_ns(u->ru_utime) + timeval_ns(u->ru_stime);
}

/* NULL: to standard error. */
static void redirect(int to, const char *path)
{
    const int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600) : dup(2);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(126);
    close(fd);
}

__attribute__((noreturn)) static void child_exec(const char *const argv[], const char *stdout_path,
                                                 const char *stderr_path)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    redirect(2, stderr_path);
    redirect(1, stdout_path);
    execvp(argv[0], (char *const *)argv);
    fprintf(stderr, "fapilog-bench: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int proc_spawn(const char *const argv[], const char *stdout_path, const char *stderr_path, pid_t *ret_pid,
               struct err *e)
{
    const pid_t pid = fork();
    if (pid < 0)
        return err_sys(e, -errno, "start %s", argv[0]);
    if (pid == 0)
        child_exec(argv, stdout_path, stderr_path);
    *ret_pid = pid;
    return 0;
}

static int judge(int status, const char *what, int signal_ok, struct err *e)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) != signal_ok)
        return err_set(e, -ECHILD, "%s was ended by signal %d (%s)", what, WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return err_set(e, -ECHILD, "%s ended with exit code %d", what, WEXITSTATUS(status));
    return 0;
}

int proc_wait(pid_t pid, const char *what, int signal_ok, uint64_t *cpu_ns, struct err *e)
{
    struct rusage usage;
    int status;
    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            return err_sys(e, -errno, "wait for %s", what);
    if (cpu_ns)
        *cpu_ns += rusage_ns(&usage);
    return judge(status, what, signal_ok, e);
}

int proc_stop(pid_t pid, const char *what, struct err *e)
{
    kill(pid, SIGTERM);
    const uint64_t deadline = now_ns() + STOP_NS_MAX;
    int status;
    pid_t r;
    while ((r = waitpid(pid, &status, WNOHANG)) == 0 && now_ns() < deadline)
        usleep(500);
    if (r < 0)
        return err_sys(e, -errno, "wait for %s", what);
    if (r > 0)
        return judge(status, what, SIGTERM, e);
    kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return err_set(e, -ETIMEDOUT, "%s did not stop within %d s of SIGTERM", what,
                   (int)(STOP_NS_MAX / 1000000000u));
}

int proc_run(const char *const argv[], const char *stdout_path, uint64_t *cpu_ns, struct err *e)
{
    pid_t pid = 0;
    const int r = proc_spawn(argv, stdout_path, NULL, &pid, e);
    return r < 0 ? r : proc_wait(pid, argv[0], 0, cpu_ns, e);
}

/* ---- process trees --------------------------------------------------------------------------- */

struct proc_stat {
    pid_t parent;
    uint64_t reaped_ticks;
};

static int read_stat(pid_t pid, struct proc_stat *ret)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    auto_stream f = fopen(path, "re");
    if (!f || !fgets(text, sizeof text, f))
        return -ESRCH;
    const char *rest = strrchr(text, ')'); /* the name may hold anything */
    uint64_t cu, cs;
    int parent;
    if (!rest || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                        &parent, &cu, &cs) != 3)
        return -EBADMSG;
    *ret = (struct proc_stat){parent, cu + cs};
    return 0;
}

static uint64_t own_cpu_ns(pid_t pid)
{
    struct proc_stat st;
    struct timespec ts;
    clockid_t clock;
    uint64_t ns = 0;
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0)
        ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
    if (read_stat(pid, &st) == 0)
        ns += st.reaped_ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    return ns;
}

static uint64_t own_peak_kib(pid_t pid)
{
    char path[64], line[256];
    uint64_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    auto_stream f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1)
            break;
    return kib;
}

static uint64_t tree_sum(pid_t pid, uint64_t (*value)(pid_t), int depth)
{
    enum { DEPTH_MAX = 8 };
    uint64_t sum = value(pid);
    auto_dir d = depth < DEPTH_MAX ? opendir("/proc") : NULL;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char *end;
        const pid_t candidate = (pid_t)strtol(entry->d_name, &end, 10);
        struct proc_stat st;
        if (candidate > 0 && *end == '\0' && read_stat(candidate, &st) == 0 && st.parent == pid)
            sum += tree_sum(candidate, value, depth + 1);
    }
    return sum;
}

uint64_t proc_tree_cpu_ns(pid_t pid)
{
    return pid > 0 ? tree_sum(pid, own_cpu_ns, 0) : 0;
}

uint64_t proc_tree_peak_kib(pid_t pid)
{
    return pid > 0 ? tree_sum(pid, own_peak_kib, 0) : 0;
}

uint64_t proc_reaped_cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return rusage_ns(&usage);
}
