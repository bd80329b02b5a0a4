/* Peers whose programs were built elsewhere: bench-producer-NAME and, where there is need, beside it
 *   bench-consumer-NAME OUT RINGS   runs while producers log, writes below OUT; on SIGTERM it writes what is left and
 *                                   ends. The producers find RINGS, a directory on /dev/shm, in FAPILOG_BENCH_RINGS
 *   bench-count-NAME OUT            prints how many records OUT holds; without it, lines with the marker count */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/harness/outputs.h"
#include "bench/harness/peer.h"
#include "bench/harness/proc.h"
#include "bench/harness/session.h"
#include "bench/harness/shape.h"
#include "lib/base/cleanup.h"

/* Whether there is such a program of this peer. */
static bool companion(const struct session *s, const char *role, char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s/bench-%s-%s", s->programs, role, s->peer);
    return access(ret, X_OK) == 0;
}

static int outside_start(struct session *s, struct err *e)
{
    char program[PATH_MAX];
    setenv("FAPILOG_BENCH_RINGS", s->rings, 1);
    if (!companion(s, "consumer", program))
        return 0;
    const char *const argv[] = {program, s->out, s->rings, NULL};
    return session_consumer_start(s, argv, NULL, e);
}

static int outside_drain(struct session *s, struct err *e)
{
    return s->consumer > 0 ? proc_stop(take_pid(&s->consumer), "the peer's consumer", e) : 0;
}

static int64_t outside_count(struct session *s, struct err *e)
{
    char program[PATH_MAX], path[SESSION_PATH_MAX];
    if (!companion(s, "count", program))
        return outputs_count(s->out, BENCH_MARKER, e);
    snprintf(path, sizeof path, "%.*s/count", (int)sizeof path - 8, s->root);
    const char *const argv[] = {program, s->out, NULL};
    uint64_t cpu = 0;
    const int r = proc_run(argv, path, &cpu, e);
    if (r < 0)
        return r;
    auto_stream f = fopen(path, "re");
    int64_t count;
    if (f && fscanf(f, "%" SCNd64, &count) == 1 && count >= 0)
        return count;
    return err_set(e, -EBADMSG, "%s %s printed no number of records", program, s->out);
}

const struct peer_control control_outside = {
    .start = outside_start, .drain = outside_drain, .count = outside_count};
