#include "collector/daemon/notify.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define AGAIN_NS (100 * NS_PER_MS) /* until a manager whose queue is full is tried again */
#define LAST_WORD_NS NS_PER_S /* for what it has not heard when everything else is closed */

/* A path, or a name in the abstract namespace behind '@'. */
static int parse_address(struct notify *n, const char *text, struct err *e)
{
    const size_t len = strlen(text);
    if ((*text != '/' && *text != '@') || len < 2 || len >= sizeof n->to.sun_path)
        return err_set(e, -EINVAL, "NOTIFY_SOCKET: '%s' is neither a path nor @NAME of at most %zu bytes", text,
                       sizeof n->to.sun_path - 1);
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, text, len);
    if (*text == '@')
        n->to.sun_path[0] = '\0';
    n->to_len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + len + (*text == '/'));
    return 0;
}

static bool parse_number(const char *name, uint64_t *ret)
{
    const char *text = getenv(name);
    char *end;
    if (!text || !*text)
        return false;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return !*end && errno == 0;
}

/* The variables may have been meant for a parent process. */
static void read_watchdog(struct notify *n)
{
    uint64_t us, pid;
    if (!parse_number("WATCHDOG_USEC", &us) || (parse_number("WATCHDOG_PID", &pid) && pid != (uint64_t)getpid()))
        return;
    n->watchdog_ns = us * 1000 / 2;
}

int notify_open(struct notify *n, struct err *e)
{
    const char *text = getenv("NOTIFY_SOCKET");
    *n = (struct notify){ .fd = -1 };
    if (!text || !*text)
        return 0;
    const int r = parse_address(n, text, e);
    if (r < 0)
        return r;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (n->fd < 0)
        return err_sys(e, -errno, "NOTIFY_SOCKET: socket");
    read_watchdog(n);
    return 0;
}

/* False: its queue is full at this moment. A manager that does not listen at all is its own trouble: it will find out
 * by its own time-outs. */
static bool tell(const struct notify *n, const char *text)
{
    const struct sockaddr *to = (const struct sockaddr *)&n->to;
    return n->fd < 0 || sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, to, n->to_len) >= 0 || errno != EAGAIN;
}

/* Those that are due, in their order. */
static void tell_due(struct notify *n)
{
    for (unsigned i = 0; i < NOTIFY_STATES; i++) {
        if (n->due[i][0] && !tell(n, n->due[i]))
            return;
        n->due[i][0] = '\0';
    }
}

static void tell_state(struct notify *n, enum notify_state state, const char *text)
{
    (void)snprintf(n->due[state], sizeof n->due[state], "%s", text);
    tell_due(n);
}

void notify_ready(struct notify *n)
{
    tell_state(n, NOTIFY_READY, "READY=1");
}

void notify_reloading(struct notify *n, uint64_t now_ns)
{
    char text[sizeof n->due[0]];
    n->due[NOTIFY_READY][0] = '\0'; /* it will be again */
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_ns / 1000);
    tell_state(n, NOTIFY_RELOADING, text);
}

void notify_stopping(struct notify *n)
{
    tell_state(n, NOTIFY_STOPPING, "STOPPING=1");
}

void notify_status(struct notify *n, const char *text)
{
    char line[sizeof n->status + 8];
    if (n->fd < 0 || strncmp(n->status, text, sizeof n->status - 1) == 0)
        return;
    (void)snprintf(n->status, sizeof n->status, "%s", text);
    (void)snprintf(line, sizeof line, "STATUS=%s", n->status);
    if (!tell(n, line))
        n->status[0] = '\0'; /* the next look says it */
}

static bool is_due(const struct notify *n)
{
    for (unsigned i = 0; i < NOTIFY_STATES; i++)
        if (n->due[i][0])
            return true;
    return false;
}

void notify_run(struct notify *n, uint64_t now_ns)
{
    if (is_due(n) && now_ns >= n->due_at_ns) {
        n->due_at_ns = now_ns + AGAIN_NS;
        tell_due(n);
    }
    if (n->watchdog_ns && now_ns >= n->watchdog_at_ns)
        n->watchdog_at_ns = now_ns + (tell(n, "WATCHDOG=1") || n->watchdog_ns < AGAIN_NS ? n->watchdog_ns : AGAIN_NS);
}

/* Nothing turns any more: whoever is connected is woken when there is room. */
static void wait_for_room(struct notify *n)
{
    const uint64_t give_up_ns = clock_mono_ns() + LAST_WORD_NS;
    struct pollfd p = { .fd = n->fd, .events = POLLOUT };
    uint64_t now_ns;
    if (connect(n->fd, (const struct sockaddr *)&n->to, n->to_len) < 0)
        return;
    while (is_due(n) && (now_ns = clock_mono_ns()) < give_up_ns) {
        if (poll(&p, 1, (int)((give_up_ns - now_ns) / NS_PER_MS) + 1) < 0 && errno != EINTR)
            return;
        tell_due(n);
    }
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0 && is_due(n))
        wait_for_room(n);
    cleanup_fd(&n->fd);
}

uint64_t notify_deadline(const struct notify *n)
{
    const uint64_t at = n->watchdog_ns ? n->watchdog_at_ns : UINT64_MAX;
    return is_due(n) && n->due_at_ns < at ? n->due_at_ns : at;
}
