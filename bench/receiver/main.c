/* bench-receiver http|stream MARKER: a server on a free port of loopback that reads what it is sent, as cheaply as it
 * can, and counts the records in it. http: answers each POST with 200. stream: only reads, for syslog over TCP.
 *
 * A record is an occurrence of MARKER; where digits follow it, they are the number of the record, and each number
 * counts once as distinct. Commands on stdin, one a line, each answered by a line of JSON on stdout: `stats`; `down`
 * (closes the port and all connections: connection refused); `up` (listens again on the same port); `hang` (accepts
 * and reads nothing). The end of stdin ends it. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"

enum { CONNECTIONS_MAX = 64, BUFFER_BYTES = 16 << 20, NUMBERS_MAX = 1 << 27 };

struct connection {
    int fd;
    char *data;
    size_t size;
};

struct receiver {
    bool is_http, is_hanging;
    const char *marker;
    int epoll, listener;
    in_port_t port; /* network order */
    struct connection at[CONNECTIONS_MAX];
    uint64_t requests, records, distinct, bytes;
    uint8_t *seen; /* a bit for each number */
};

static void count(struct receiver *r, const char *from, size_t size)
{
    const char *const end = from + size;
    const size_t length = strlen(r->marker);
    r->bytes += size;
    for (const char *p = from; (p = memmem(p, (size_t)(end - p), r->marker, length)) != NULL;) {
        uint64_t number = 0;
        p += length;
        const char *const digits = p;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            number = number * 10 + (uint64_t)(*p - '0');
        r->records++;
        if (p == digits || number >= NUMBERS_MAX)
            continue;
        r->distinct += !(r->seen[number / 8] >> number % 8 & 1);
        r->seen[number / 8] |= (uint8_t)(1u << number % 8);
    }
}

static void drop(struct receiver *r, struct connection *c)
{
    if (!r->is_http)
        count(r, c->data, c->size);
    (void)close(c->fd);
    free(c->data);
    *c = (struct connection){.fd = -1};
}

/* The size of the first request, 0 while it is not complete. */
static size_t request_size(const struct connection *c, size_t *ret_head)
{
    const char *const blank = memmem(c->data, c->size, "\r\n\r\n", 4);
    if (!blank)
        return 0;
    const size_t head = (size_t)(blank - c->data) + 4;
    static const char name[] = "\r\nContent-Length:";
    const char *const length = memmem(c->data, head, name, sizeof name - 1);
    CHECK(length != NULL); /* our sinks always say it */
    *ret_head = head;
    return head + strtoull(length + sizeof name - 1, NULL, 10);
}

static void answer(struct receiver *r, struct connection *c)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    size_t head, size;
    while ((size = request_size(c, &head)) != 0 && size <= c->size) {
        count(r, c->data + head, size - head);
        r->requests++;
        (void)send(c->fd, ok, sizeof ok - 1, MSG_NOSIGNAL);
        memmove(c->data, c->data + size, c->size - size);
        c->size -= size;
    }
    CHECK(c->size < BUFFER_BYTES);
}

/* What follows the last line feed waits for its rest. */
static void take_lines(struct receiver *r, struct connection *c)
{
    const char *const last = memrchr(c->data, '\n', c->size);
    const size_t whole = last ? (size_t)(last - c->data) + 1 : c->size < BUFFER_BYTES ? 0 : c->size;
    count(r, c->data, whole);
    memmove(c->data, c->data + whole, c->size - whole);
    c->size -= whole;
}

static void take(struct receiver *r, struct connection *c)
{
    const ssize_t n = recv(c->fd, c->data + c->size, BUFFER_BYTES - c->size, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        drop(r, c);
        return;
    }
    c->size += (size_t)n;
    if (r->is_http)
        answer(r, c);
    else
        take_lines(r, c);
}

static void watch(struct receiver *r, int fd, void *what)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};
    CHECK(epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) == 0);
}

static void greet(struct receiver *r)
{
    const int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *const c = &r->at[i];
        if (c->fd >= 0)
            continue;
        const int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        *c = (struct connection){.fd = fd, .data = malloc(BUFFER_BYTES)};
        CHECK(c->data != NULL);
        if (!r->is_hanging)
            watch(r, fd, c);
        return;
    }
    (void)close(fd);
}

static void up(struct receiver *r)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = r->port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    const int one = 1;
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(r->listener >= 0 && setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(r->listener, (struct sockaddr *)&a, size) == 0 && listen(r->listener, 64) == 0);
    CHECK(getsockname(r->listener, (struct sockaddr *)&a, &size) == 0);
    r->port = a.sin_port;
    watch(r, r->listener, &r->listener);
}

static void down(struct receiver *r)
{
    (void)close(r->listener);
    r->listener = -1;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (r->at[i].fd >= 0)
            drop(r, &r->at[i]);
}

static bool command(struct receiver *r)
{
    char line[64];
    const ssize_t n = read(STDIN_FILENO, line, sizeof line - 1); /* one: the next comes when this is answered */
    if (n <= 0)
        return false;
    line[n] = '\0';
    if (strcmp(line, "down\n") == 0 && r->listener >= 0)
        down(r);
    else if (strcmp(line, "up\n") == 0 && r->listener < 0)
        up(r);
    r->is_hanging |= strcmp(line, "hang\n") == 0;
    printf("{\"port\": %u, \"requests\": %" PRIu64 ", \"records\": %" PRIu64 ", \"distinct\": %" PRIu64
           ", \"bytes\": %" PRIu64 "}\n", ntohs(r->port), r->requests, r->records, r->distinct, r->bytes);
    (void)fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "http") != 0 && strcmp(argv[1], "stream") != 0)) {
        fprintf(stderr, "usage: %s http|stream MARKER\n", argv[0]);
        return 2;
    }
    static struct receiver r;
    r = (struct receiver){.is_http = strcmp(argv[1], "http") == 0, .marker = argv[2],
                          .epoll = epoll_create1(EPOLL_CLOEXEC), .seen = calloc(1, NUMBERS_MAX / 8)};
    CHECK(r.epoll >= 0 && r.seen != NULL);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        r.at[i].fd = -1;
    up(&r);
    watch(&r, STDIN_FILENO, NULL);
    for (bool goes_on = true; goes_on;) {
        struct epoll_event ev; /* one at a time: a command may close what another event is about */
        if (epoll_wait(r.epoll, &ev, 1, -1) != 1)
            continue;
        if (!ev.data.ptr)
            goes_on = command(&r);
        else if (ev.data.ptr == &r.listener)
            greet(&r);
        else
            take(&r, ev.data.ptr);
    }
    return 0;
}
