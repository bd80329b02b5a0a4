/* exec.h - the parts of the exec sink: a program with a pipe to its standard input (exec_program.c, exec_spawn.c),
 * and the request that goes through that pipe (exec.c). */
#ifndef COLLECTOR_SINKS_EXEC_H
#define COLLECTOR_SINKS_EXEC_H

#include "collector/sinks/sink.h"

#include <sys/types.h>

struct exec_cfg {
    const char *path, *directory;
    struct opt_list args;
    struct opt_map env;
    uint64_t restart_min_ns, restart_max_ns;
    uint64_t stop_timeout_ns;
};

/* ---- exec_spawn.c: fork and exec, nothing else ---- */

struct exec_spawned {
    pid_t pid;
    int pidfd;    /* readable once it has ended */
    int input;    /* write end of its standard input, non-blocking */
    int messages; /* read end of its standard error, non-blocking */
    int failure;  /* read end: holds a struct exec_failure once it has ended without having run */
};

struct exec_failure {
    int error; /* errno */
    char what[16];
};

/* 0 or -errno. That the program itself cannot be run shows when it has "ended". */
int exec_spawn(const struct exec_cfg *cfg, struct exec_spawned *ret, struct err *e);

/* ---- exec_program.c: the life of one process at a time ---- */

struct exec_program;

struct exec_events {
    /* The process is gone, and its group. `how` is for people; is_missing: it could not even be run; unread: bytes
     * in its pipe. */
    void (*ended)(void *owner, const char *how, bool is_missing, uint64_t unread);
};

int exec_program_new(struct sink *s, const struct exec_events *events, void *owner, struct exec_program **ret,
                     struct err *e);
int exec_program_start(struct exec_program *p, struct err *e);
bool exec_program_is_running(const struct exec_program *p); /* no more when `ended` is called */
bool exec_program_is_stopping(const struct exec_program *p);
/* It could not even be run, and its end is about to be seen. */
bool exec_program_is_missing(const struct exec_program *p);
int exec_program_input(const struct exec_program *p);
/* Bytes that it has not read yet. */
uint64_t exec_program_unread(const struct exec_program *p);
/* Takes them out of the pipe again, so that it will never read them; how many. */
uint64_t exec_program_take_back(const struct exec_program *p);
/* Ends it in the background: SIGTERM, and SIGKILL when stop_timeout has passed. */
void exec_program_stop(struct exec_program *p);
/* Ends it now and waits: end of input, half of stop_timeout later SIGTERM, then SIGKILL. No event follows. */
void exec_program_free(struct exec_program *p); /* NULL allowed */

#endif
