#include "collector/admin/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16, IDLE_SECONDS = 30, RUNS_MAX = 16, BODY_BYTES_MAX = 64 << 10 };

/* ---- libmicrohttpd on the reactor ---- */

static void server_run(struct admin *a);

static void on_ready(struct io_req *req, int result)
{
    struct admin *a = req->owner;
    (void)result;
    *(req == &a->poll ? &a->is_polling : &a->is_timing) = false;
    if (!a->is_closing)
        server_run(a);
}

static void arm(struct admin *a)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (!a->is_polling) {
        a->is_polling = true;
        a->poll = (struct io_req){ .op = IO_POLL, .fd = a->epoll_fd, .events = POLLIN, .done = on_ready, .owner = a };
        io_submit(a->io, &a->poll);
    }
    /* A timer that is on its way already comes no later than a second. */
    const bool is_due = MHD_get_timeout(a->daemon, &ms) == MHD_YES;
    if (!a->is_timing && (is_due || a->tails_count)) {
        const uint64_t wait_ns = is_due && ms < 1000 ? ms * NS_PER_MS : NS_PER_S;
        a->is_timing = true;
        a->timer = (struct io_req){
            .op = IO_TIMEOUT, .deadline_ns = clock_mono_ns() + wait_ns, .done = on_ready, .owner = a,
        };
        io_submit(a->io, &a->timer);
    }
}

/* It has more to do at once while its time-out is 0. */
static void server_run(struct admin *a)
{
    MHD_UNSIGNED_LONG_LONG ms;
    tail_check_all(a);
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        (void)MHD_run(a->daemon);
        if (MHD_get_timeout(a->daemon, &ms) != MHD_YES || ms > 0)
            break;
    }
    arm(a);
}

void admin_wake(struct admin *a)
{
    if (a->is_timing) {
        io_cancel(a->io, &a->timer); /* its end is a turn of the server */
        return;
    }
    a->is_timing = true;
    a->timer = (struct io_req){ .op = IO_TIMEOUT, .deadline_ns = clock_mono_ns(), .done = on_ready, .owner = a };
    io_submit(a->io, &a->timer);
}

/* Bodies mean nothing here: they are read and thrown away, up to a limit. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **state)
{
    struct admin *a = arg;
    (void)version, (void)upload;
    if (!*state) {
        size_t *seen = calloc(1, sizeof *seen);
        *state = seen;
        return seen ? MHD_YES : MHD_NO;
    }
    if (*upload_bytes) {
        *(size_t *)*state += *upload_bytes;
        *upload_bytes = 0;
        return *(size_t *)*state > BODY_BYTES_MAX ? MHD_NO : MHD_YES;
    }
    return admin_answer(a, c, url, method);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
    struct admin *a = arg;
    (void)code;
    if (a->reload.connection == c)
        a->reload.connection = NULL; /* nobody waits any more */
    free(*state);
    *state = NULL;
}

/* ---- where it listens ---- */

/* The lock of the ring directory says that a former run is gone; not so of a path that somebody chose. */
static bool is_listened_at(const struct sockaddr_un *sa)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool is = fd >= 0 && (connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0 || errno == EAGAIN);
    if (fd >= 0)
        (void)close(fd);
    return is;
}

static int listen_unix(struct admin *a, const char *path, struct err *e)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof sa.sun_path)
        return err_set(e, -ENAMETOOLONG, "admin: %s: a socket's path has at most %zu bytes; give a shorter one with "
                       "admin=unix:PATH, or none with admin=none", path, sizeof sa.sun_path - 1);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return err_set(e, -EEXIST, "admin: %s is there and no socket", path);
    if (is_listened_at(&sa))
        return err_set(e, -EADDRINUSE, "admin: somebody else listens at %s already", path);
    (void)unlink(path); /* a former run's */
    const mode_t before = umask(0077);
    const int r = bind(a->listen_fd, (const struct sockaddr *)&sa, sizeof sa);
    const int error = errno;
    (void)umask(before);
    if (r < 0)
        return err_sys(e, -error, "admin: socket %s", path);
    (void)snprintf(a->socket_path, sizeof a->socket_path, "%s", path);
    (void)snprintf(a->address, sizeof a->address, "unix:%s", path);
    return 0;
}

static void name_address(struct admin *a)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    char host[64] = "?", port[8] = "?";
    if (getsockname(a->listen_fd, (struct sockaddr *)&sa, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&sa, len, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(a->address, sizeof a->address, strchr(host, ':') ? "http://[%s]:%s/" : "http://%s:%s/", host, port);
}

static int listen_tcp(struct admin *a, const struct addrinfo *ai, const char *text, struct err *e)
{
    a->is_local = address_is_loopback(ai->ai_addr);
    (void)setsockopt(a->listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(a->listen_fd, ai->ai_addr, ai->ai_addrlen) < 0)
        return errno == EADDRINUSE ? err_set(e, -errno, "admin: %s: another program listens there; take another port, "
                                                        "or admin=unix", text) :
                                     err_sys(e, -errno, "admin: %s", text);
    name_address(a);
    return 0;
}

static int open_socket(struct admin *a, int family, struct err *e)
{
    a->listen_fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return a->listen_fd < 0 ? err_sys(e, -errno, "admin: socket") : 0;
}

static int start_listening(struct admin *a, const struct admin_settings *cfg, struct err *e)
{
    const char *text = cfg->listen;
    char path[512];
    int r;
    if (address_is_unix(text)) {
        (void)snprintf(path, sizeof path, "%s%s", text[4] ? text + 5 : a->view.rings, text[4] ? "" : "/collector.sock");
        r = open_socket(a, AF_UNIX, e);
        if (r == 0)
            r = listen_unix(a, path, e);
    } else {
        struct addrinfo *ai = NULL;
        r = address_parse(cfg, &ai, e);
        if (r == 0)
            r = open_socket(a, ai->ai_family, e);
        if (r == 0)
            r = listen_tcp(a, ai, text, e);
        if (ai)
            freeaddrinfo(ai);
    }
    if (r == 0 && listen(a->listen_fd, BACKLOG) < 0)
        r = err_sys(e, -errno, "admin: listen on %s", a->address);
    return r;
}

static int start_server(struct admin *a, struct err *e)
{
    a->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, a,
                                 MHD_OPTION_LISTEN_SOCKET, a->listen_fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, a,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
    if (!a->daemon)
        return err_set(e, -EIO, "admin: cannot serve on %s", a->address);
    a->epoll_fd = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return 0;
}

int admin_open(const struct admin_settings *cfg, const struct admin_view *view, const struct admin_actions *actions,
               struct io *io, struct admin **ret, struct err *e)
{
    *ret = NULL;
    if (strcmp(cfg->listen, "none") == 0)
        return 0;
    struct admin *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(e, -ENOMEM, "admin: out of memory");
    a->io = io;
    a->view = *view;
    a->actions = *actions;
    a->listen_fd = a->epoll_fd = -1;
    int r = start_listening(a, cfg, e);
    if (r == 0)
        r = start_server(a, e);
    if (r < 0) {
        admin_close(a);
        return r;
    }
    arm(a);
    *ret = a;
    return 0;
}

void admin_set_view(struct admin *a, const struct admin_view *view)
{
    a->view = *view;
}

const char *admin_address(const struct admin *a)
{
    return a->address;
}

/* The requests of the reactor end before the memory goes. */
static void stop_requests(struct admin *a)
{
    a->is_closing = true;
    if (a->is_polling)
        io_cancel(a->io, &a->poll);
    if (a->is_timing)
        io_cancel(a->io, &a->timer);
    while (a->is_polling || a->is_timing)
        if (io_turn(a->io, UINT64_MAX) < 0)
            break;
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    admin_reload_ended(a, -ESHUTDOWN, "the collector stops");
    tail_end_all(a);
    stop_requests(a);
    if (a->daemon)
        for (unsigned i = 0; i < RUNS_MAX; i++) /* clients get what their sockets take at once */
            (void)MHD_run(a->daemon);
    if (a->daemon)
        MHD_stop_daemon(a->daemon); /* closes the listening socket */
    else if (a->listen_fd >= 0)
        (void)close(a->listen_fd);
    if (*a->socket_path)
        (void)unlink(a->socket_path);
    free(a);
}
