/* A collector with private rings on /dev/shm that writes into the session's directory: JSON lines in the
 * default envelope, flat JSON lines for the peer fapilog-json, binary files for fapilog-native and, with zstd,
 * for fapilog-zstd; fapilog-shared is fapilog-native with the shared library.
 * FAPILOG_COLLECTOR and FAPILOG_DUMP name other programs than those of this build; FAPILOG_ON_FULL and
 * the other FAPILOG_ variables reach the producers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fapilog/abi.h>

#include "bench/harness/outputs.h"
#include "bench/harness/peer.h"
#include "bench/harness/proc.h"
#include "bench/harness/session.h"
#include "bench/harness/shape.h"
#include "lib/base/cleanup.h"
#include "fapilog_programs.h"

enum { SETTLE_SECONDS_MAX = 10 };

static const char *program(const char *variable, const char *built)
{
    const char *named = getenv(variable);
    return named && *named ? named : built;
}

static bool is_native(const struct session *s)
{
    return strcmp(s->peer, "fapilog-native") == 0 || strcmp(s->peer, "fapilog-zstd") == 0 ||
           strcmp(s->peer, "fapilog-shared") == 0;
}

/* It has the lock of the rings. Producers that start earlier find nobody there to wait for, and drop. */
static int has_lock(struct session *s)
{
    char path[SESSION_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/" FAPILOG_COLLECTOR_LOCK, s->rings);
    auto_stream f = fopen(path, "re");
    int pid = 0;
    return f && fscanf(f, "%d", &pid) == 1 && pid == s->consumer;
}

static int fapilog_start(struct session *s, struct err *e)
{
    char uri[SESSION_PATH_MAX + 64];
    if (is_native(s))
        snprintf(uri, sizeof uri, "native://%s/fapilog.fnl%s", s->out,
                 strcmp(s->peer, "fapilog-zstd") == 0 ? "?compress=zstd" : "");
    else if (strcmp(s->peer, "fapilog-json") == 0)
        snprintf(uri, sizeof uri, "file://%s/fapilog.jsonl?format=json", s->out);
    else
        snprintf(uri, sizeof uri, "file://%s/fapilog.jsonl", s->out);
    setenv("FAPILOG_RING_DIR", s->rings, 1);
    setenv("FAPILOG_ON_FULL", s->block ? "block" : "discard", 0);
    const char *const argv[] = {
        program("FAPILOG_COLLECTOR", FAPILOG_COLLECTOR_BUILT), "--rings", s->rings, "--sink", uri, NULL};
    const int r = session_consumer_start(s, argv, NULL, e);
    return r < 0 ? r : session_wait(s, has_lock, SETTLE_SECONDS_MAX, "fapilog-collector does not begin", e);
}

/* The collector is at work once some of the warm-up is in its output. */
static int has_output(struct session *s)
{
    const int64_t bytes = outputs_bytes(s->out, NULL);
    return bytes < 0 ? (int)bytes : bytes > 0;
}

static int fapilog_settle(struct session *s, struct err *e)
{
    return session_wait(s, has_output, SETTLE_SECONDS_MAX, "fapilog-collector writes nothing", e);
}

/* It drains on SIGTERM, so its end is the end of the work. */
static int fapilog_drain(struct session *s, struct err *e)
{
    return proc_stop(take_pid(&s->consumer), "fapilog-collector", e);
}

static int64_t fapilog_count(struct session *s, struct err *e)
{
    char dump[SESSION_PATH_MAX];
    if (!is_native(s))
        return outputs_count(s->out, BENCH_MARKER, e);
    snprintf(dump, sizeof dump, "%.*s/dump", (int)sizeof dump - 8, s->root);
    const char *const argv[] = {
        program("FAPILOG_DUMP", FAPILOG_DUMP_BUILT), "--format", "json", s->out, NULL};
    uint64_t cpu = 0;
    const int r = proc_run(argv, dump, &cpu, e);
    return r < 0 ? r : outputs_count(dump, BENCH_MARKER, e);
}

const struct peer_control control_fapilog = {.start = fapilog_start, .settle = fapilog_settle,
                                             .drain = fapilog_drain, .count = fapilog_count};
