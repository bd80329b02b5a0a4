/* A private rsyslogd with one Unix datagram input and one file, and no rate limit. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/harness/outputs.h"
#include "bench/harness/peer.h"
#include "bench/harness/proc.h"
#include "bench/harness/session.h"
#include "bench/harness/shape.h"
#include "bench/harness/tick.h"
#include "lib/base/cleanup.h"

static const char config[] =
    "global(workDirectory=\"%1$s\")\n"
    "module(load=\"imuxsock\" SysSock.Use=\"off\")\n"
    "input(type=\"imuxsock\" Socket=\"%1$s/log.sock\" RateLimit.Interval=\"0\" CreatePath=\"off\")\n"
    "action(type=\"omfile\" file=\"%1$s/out/syslog.log\")\n";

static int write_config(const struct session *s, const char *path, struct err *e)
{
    auto_stream f = fopen(path, "we");
    if (!f || fprintf(f, config, s->root) < 0 || fflush(f) != 0)
        return err_sys(e, -errno, "write %s", path);
    return 0;
}

static int socket_ready(struct session *s)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log.sock", s->root);
    return access(path, F_OK) == 0;
}

static int syslog_start(struct session *s, struct err *e)
{
    char path[PATH_MAX], pid[PATH_MAX];
    snprintf(path, sizeof path, "%s/rsyslog.conf", s->root);
    snprintf(pid, sizeof pid, "%s/rsyslog.pid", s->root);
    int r = write_config(s, path, e);
    if (r < 0)
        return r;
    const char *const argv[] = {"rsyslogd", "-n", "-f", path, "-i", pid, NULL};
    r = session_consumer_start(s, argv, NULL, e);
    return r < 0 ? r : session_wait(s, socket_ready, 10, "rsyslogd does not open its socket", e);
}

/* rsyslogd tells nobody when its queue is empty, and drops what is still in the socket when it stops:
 * wait for the file to hold everything, or to stop growing for a second. */
static int syslog_drain(struct session *s, struct err *e)
{
    static const uint64_t QUIET_NS = 1000000000;
    int64_t bytes = -1, counted = 0;
    uint64_t changed = now_ns();
    while (now_ns() - changed < QUIET_NS) {
        const int64_t size = outputs_bytes(s->out, e);
        if (size < 0)
            return (int)size;
        if (size != bytes) {
            bytes = size;
            changed = now_ns();
            counted = 0;
        } else if (!counted) {
            counted = outputs_count(s->out, BENCH_MARKER, e);
            if (counted < 0 || (uint64_t)counted >= s->expected)
                return counted < 0 ? (int)counted : 0;
        }
        usleep(2000);
    }
    s->quiet_ns = outputs_quiet_ns(s->out);
    return 0;
}

static int syslog_stop(struct session *s, struct err *e)
{
    return proc_stop(take_pid(&s->consumer), "rsyslogd", e);
}

const struct peer_control control_syslog = {
    .start = syslog_start, .drain = syslog_drain, .stop = syslog_stop};
