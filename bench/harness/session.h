/* The private places of one run. */
#ifndef FAPILOG_BENCH_HARNESS_SESSION_H
#define FAPILOG_BENCH_HARNESS_SESSION_H

#include <stddef.h>

#include "bench/harness/peer.h"

int session_open(struct session *s, const char *peer, const char *tmp, bool block, struct err *e);
/* Starts the consumer. What it says on standard error is kept in the session. */
int session_consumer_start(struct session *s, const char *const argv[], const char *stdout_path, struct err *e);
/* Shows what the consumer has said, for a run that has failed. */
void session_show_log(const struct session *s);
/* Kills what still runs and removes the directories. Fine after a failed open. */
void session_close(struct session *s);

/* Name of the file system below path: "ext2/3/4", "tmpfs", ... or its magic number. */
void session_fs_name(const char *path, char *ret, size_t size);

/* Calls ready(s) every millisecond until it returns non-zero: then 0, its negative errno,
 * -ETIMEDOUT, or -ECHILD when the consumer has ended meanwhile. */
int session_wait(struct session *s, int (*ready)(struct session *s), int seconds, const char *what,
                 struct err *e);

/* Directory of this program, where its companions are. */
int session_program_dir(char *ret, size_t size, struct err *e);

#endif
