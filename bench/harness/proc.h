/* Child processes and what they cost. */
#ifndef FAPILOG_BENCH_HARNESS_PROC_H
#define FAPILOG_BENCH_HARNESS_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

/* Starts argv[0] (searched in PATH). The child gets SIGTERM when we die. Its standard error goes to stderr_path, to
 * ours where that is NULL; its standard output to stdout_path, to its standard error where that is NULL. */
int proc_spawn(const char *const argv[], const char *stdout_path, const char *stderr_path, pid_t *ret_pid,
               struct err *e);

/* Waits for the end; a child that exits with something else than 0 is an error (as is a signal, unless
 * it is `signal_ok`). Adds its CPU time and that of its children to *cpu_ns where that is not NULL. */
int proc_wait(pid_t pid, const char *what, int signal_ok, uint64_t *cpu_ns, struct err *e);

static inline pid_t take_pid(pid_t *p)
{
    const pid_t pid = *p;
    *p = 0;
    return pid;
}

/* Sends SIGTERM, waits up to 30 s for the end, then kills. */
int proc_stop(pid_t pid, const char *what, struct err *e);

/* Runs a helper command to its end. */
int proc_run(const char *const argv[], const char *stdout_path, uint64_t *cpu_ns, struct err *e);

/* CPU time of a living process and its living descendants, with what the dead among them took. */
uint64_t proc_tree_cpu_ns(pid_t pid);
/* Sum of VmHWM of the same processes, KiB. */
uint64_t proc_tree_peak_kib(pid_t pid);
/* CPU time of all children that were waited for, with their descendants. */
uint64_t proc_reaped_cpu_ns(void);

#endif
