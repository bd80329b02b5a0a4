/* A session daemon of our own for each run, with per-user buffers and user space only. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/harness/outputs.h"
#include "bench/harness/peer.h"
#include "bench/harness/proc.h"
#include "bench/harness/session.h"
#include "lib/base/cleanup.h"

static int lttng(struct session *s, const char *const argv[], struct err *e)
{
    return proc_run(argv, "/dev/null", &s->tools_cpu_ns, e);
}

/* The daemon's socket is below LTTNG_HOME, root's below /var/run whatever LTTNG_HOME says. */
static int daemon_answers(struct session *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *const dir = geteuid() == 0 ? "/var/run/lttng" : s->root;
    const char *const sub = geteuid() == 0 ? "" : ".lttng/";
    if (snprintf(addr.sun_path, sizeof addr.sun_path, "%s/%sclient-lttng-sessiond", dir, sub) >=
        (int)sizeof addr.sun_path)
        return -ENAMETOOLONG;
    auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    return connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0;
}

static int start_daemon(struct session *s, struct err *e)
{
    setenv("LTTNG_HOME", s->root, 1);
    setenv("LTTNG_UST_REGISTER_TIMEOUT", "-1", 1); /* producers start registered, however long it takes */
    setenv("LTTNG_UST_ALLOW_BLOCKING", "1", 1);
    if (daemon_answers(s) > 0)
        return err_set(e, -EEXIST, "an lttng-sessiond is running; stop it, the measured one must be our own");
    const char *const argv[] = {"lttng-sessiond", "--no-kernel", "--quiet", NULL};
    int r = session_consumer_start(s, argv, "/dev/null", e);
    return r < 0 ? r : session_wait(s, daemon_answers, 10, "lttng-sessiond does not open its socket", e);
}

static int lttng_start(struct session *s, struct err *e)
{
    char output[SESSION_PATH_MAX + 16];
    snprintf(output, sizeof output, "--output=%s", s->out);
    const char *const create[] = {"lttng", "--no-sessiond", "create", "bench", output, NULL};
    const char *const blocking = s->block ? "--blocking-timeout=inf" : "--blocking-timeout=0";
    const char *const channel[] = {"lttng", "--no-sessiond", "enable-channel", "--userspace",
                                   "--session=bench", "--subbuf-size=1M", "--num-subbuf=4", blocking,
                                   "channel", NULL};
    const char *const event[] = {"lttng", "--no-sessiond", "enable-event", "--userspace", "--session=bench",
                                 "--channel=channel", "fapilog_bench:*", NULL};
    const char *const start[] = {"lttng", "--no-sessiond", "start", "bench", NULL};
    const char *const *const steps[] = {create, channel, event, start};
    int r = start_daemon(s, e);
    for (size_t i = 0; r == 0 && i < sizeof steps / sizeof steps[0]; i++)
        r = lttng(s, steps[i], e);
    return r;
}

static int lttng_drain(struct session *s, struct err *e)
{
    const char *const argv[] = {"lttng", "--no-sessiond", "stop", "bench", NULL};
    const int r = lttng(s, argv, e);
    /* It returns when no data is pending, but looks only every 200 ms. */
    s->quiet_ns = outputs_quiet_ns(s->out);
    return r;
}

static int lttng_stop(struct session *s, struct err *e)
{
    const char *const argv[] = {"lttng", "--no-sessiond", "destroy", "bench", NULL};
    const int r = lttng(s, argv, e);
    return r < 0 ? r : proc_stop(take_pid(&s->consumer), "lttng-sessiond", e);
}

static int64_t lttng_count(struct session *s, struct err *e)
{
    char list[SESSION_PATH_MAX + 16], line[256];
    uint64_t cpu = 0, n;
    int64_t events = -1;
    snprintf(list, sizeof list, "%s/count", s->root);
    const char *const argv[] = {"babeltrace2", s->out, "--component=sink.utils.counter", NULL};
    const int r = proc_run(argv, list, &cpu, e);
    if (r < 0)
        return r;
    auto_stream f = fopen(list, "re");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, "Event message") && sscanf(line, " %" SCNu64, &n) == 1)
            events = (int64_t)n; /* it counts aloud; the last line is the sum */
    if (events >= 0)
        return events;
    return err_set(e, -EBADMSG, "babeltrace2 does not say how many events %s holds", s->out);
}

const struct peer_control control_lttng = {
    .start = lttng_start, .drain = lttng_drain, .stop = lttng_stop, .count = lttng_count};
