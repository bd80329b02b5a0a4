#include "tests/common/http_server.h"

#include "lib/base/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, READ_BYTES = 64 << 10 };

struct connection {
    int fd;
    unsigned number;
    struct buf in;
};

struct http_server {
    pthread_t thread;
    http_server_fn *answer;
    void *arg;
    int listen_fd, stop_fd[2];
    unsigned port, connections, requests, count;
    struct connection conn[CONNECTIONS_MAX];
};

static void drop(struct http_server *s, unsigned i, bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct connection *c = &s->conn[i];
    if (reset)
        CHECK(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    (void)close(c->fd);
    buf_done(&c->in);
    *c = s->conn[--s->count];
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static void send_all(int fd, const struct buf *b)
{
    for (size_t at = 0; at < b->len;) {
        const ssize_t n = send(fd, b->data + at, b->len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

/* True while the connection lives on and may hold another request. */
static bool serve(struct http_server *s, unsigned i)
{
    struct connection *c = &s->conn[i];
    struct buf answer = {0};
    const char *text = buf_cstr(&c->in), *end = text ? strstr(text, "\r\n\r\n") : NULL;
    if (!end)
        return false;
    const size_t head_len = (size_t)(end - text) + 2, whole = head_len + 2 + content_length(text);
    if (c->in.len < whole)
        return false;
    char *head = strndup(text, head_len), *body = strndup("", 0);
    CHECK(head && body);
    body = realloc(body, whole - head_len - 1);
    CHECK(body);
    memcpy(body, text + head_len + 2, whole - head_len - 2);
    body[whole - head_len - 2] = '\0';
    const struct http_server_request q = {head, body, whole - head_len - 2, c->number, s->requests++};
    const enum http_server_then then = s->answer(s->arg, &q, &answer);
    free(head);
    free(body);
    send_all(c->fd, &answer);
    buf_done(&answer);
    memmove(c->in.data, c->in.data + whole, c->in.len - whole);
    c->in.len -= whole;
    if (then == HTTP_SERVER_CLOSE || then == HTTP_SERVER_RESET)
        drop(s, i, then == HTTP_SERVER_RESET);
    return then == HTTP_SERVER_KEEP;
}

static void receive(struct http_server *s, unsigned i)
{
    struct connection *c = &s->conn[i];
    CHECK(buf_reserve(&c->in, READ_BYTES) == 0);
    const ssize_t n = recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
    if (n <= 0) {
        drop(s, i, false);
        return;
    }
    c->in.len += (size_t)n;
    while (serve(s, i))
        ;
}

static void take(struct http_server *s)
{
    const int fd = accept(s->listen_fd, NULL, NULL);
    if (fd < 0)
        return;
    CHECK(s->count < CONNECTIONS_MAX);
    s->conn[s->count++] = (struct connection){.fd = fd, .number = s->connections++};
}

static void *run(void *arg)
{
    struct http_server *s = arg;
    for (;;) {
        struct pollfd p[CONNECTIONS_MAX + 2];
        const unsigned count = s->count;
        p[0] = (struct pollfd){.fd = s->stop_fd[0], .events = POLLIN};
        p[1] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
        for (unsigned i = 0; i < count; i++)
            p[i + 2] = (struct pollfd){.fd = s->conn[i].fd, .events = POLLIN};
        CHECK(poll(p, count + 2, -1) >= 0);
        if (p[0].revents)
            return NULL;
        for (unsigned i = count; i-- > 0;) /* a drop moves the last one here, which was seen already */
            if (p[i + 2].revents)
                receive(s, i);
        if (p[1].revents)
            take(s);
    }
}

static int listen_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static int listen_tcp(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

struct http_server *http_server_start(http_server_fn *answer, void *arg, const char *unix_path)
{
    struct http_server *s = calloc(1, sizeof *s);
    CHECK(s);
    s->answer = answer;
    s->arg = arg;
    s->listen_fd = unix_path ? listen_unix(unix_path) : listen_tcp(&s->port);
    CHECK(listen(s->listen_fd, 64) == 0);
    CHECK(pipe(s->stop_fd) == 0);
    CHECK(pthread_create(&s->thread, NULL, run, s) == 0);
    return s;
}

unsigned http_server_port(const struct http_server *s) { return s->port; }

void http_server_stop(struct http_server *s)
{
    CHECK(write(s->stop_fd[1], "", 1) == 1);
    CHECK(pthread_join(s->thread, NULL) == 0);
    while (s->count)
        drop(s, 0, false);
    (void)close(s->listen_fd);
    (void)close(s->stop_fd[0]);
    (void)close(s->stop_fd[1]);
    free(s);
}

void http_server_respond(struct buf *answer, int status, const char *headers, const char *body)
{
    CHECK(buf_printf(answer, "HTTP/1.1 %d Status\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body),
                     body) == 0);
}

const char *http_server_header(const struct http_server_request *q, const char *name)
{
    static char value[8192];
    const size_t len = strlen(name);
    for (const char *at = strstr(q->head, "\r\n"); at && at[2]; at = strstr(at + 2, "\r\n")) {
        if (strncasecmp(at + 2, name, len) != 0 || at[2 + len] != ':')
            continue;
        at += 3 + len;
        at += strspn(at, " ");
        (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
        return value;
    }
    return NULL;
}
