/* The side of a peer that runs in fapilog-bench: its consumer processes and its output. */
#ifndef FAPILOG_BENCH_HARNESS_PEER_H
#define FAPILOG_BENCH_HARNESS_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum { SESSION_PATH_MAX = 512 };

/* One run's places and processes. */
struct session {
    const char *peer;
    const char *programs; /* directory of the peer's programs */
    char root[SESSION_PATH_MAX];  /* private directory on disk, removed at the end */
    char out[SESSION_PATH_MAX];   /* root/out: what is counted, measured and synced */
    char rings[SESSION_PATH_MAX]; /* private directory on /dev/shm */
    bool block;
    pid_t consumer;        /* 0: none */
    uint64_t tools_cpu_ns; /* helper commands that are not part of the peer's work */
    uint64_t quiet_ns;     /* end of drain() in which a tool only waited: not charged to the peer */
    uint64_t expected;     /* records logged, known once the producers are done */
};

struct peer_control {
    /* Starts what consumes; producers inherit the environment it sets. */
    int (*start)(struct session *s, struct err *e);
    /* Returns when the consumer is at work: the producers have logged their warm-up. */
    int (*settle)(struct session *s, struct err *e);
    /* After the producers' end: returns when everything is in files below s->out. */
    int (*drain)(struct session *s, struct err *e);
    int (*stop)(struct session *s, struct err *e);
    /* Delivered records, or a negative errno; NULL: lines that hold BENCH_MARKER. */
    int64_t (*count)(struct session *s, struct err *e);
};

struct peer {
    const char *name;
    const struct peer_control *control;
    const char *program;  /* bench-producer-<program> */
    const char *absent;   /* why it is not built, or NULL */
    const char *programs; /* directory of its programs; NULL: that of fapilog-bench */
};

enum { PEERS_MAX = 64, PEER_NAME_MAX = 31 };

extern const struct peer *const peers;
extern int peer_count;

/* Adds a peer for each program bench-producer-NAME in dir, which was built elsewhere: docs/benchmarks.md,
 * "Peers from outside". A name that this build has already is an error; one that was left out of it is
 * filled in. */
int peers_add(const char *dir, struct err *e);

/* NULL with a reason for a name that is unknown or was left out at configure time. */
const struct peer *peer_find(const char *name, struct err *e);

extern const struct peer_control control_files;
extern const struct peer_control control_lttng;
extern const struct peer_control control_syslog;
extern const struct peer_control control_fapilog;
extern const struct peer_control control_outside;

#endif
