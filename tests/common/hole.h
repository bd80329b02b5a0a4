/* hole.h - a port of the loopback that drops what wants in, without a word: a listener whose queue is full. */
#ifndef TESTS_COMMON_HOLE_H
#define TESTS_COMMON_HOLE_H

#include "lib/base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOLE_FILLERS = 4 };

struct hole {
    int fd, filler[HOLE_FILLERS];
};

static inline int hole_listen(struct sockaddr_in *ret, int backlog)
{
    socklen_t len = sizeof *ret;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)ret, len) == 0 && listen(fd, backlog) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)ret, &len) == 0);
    return fd;
}

static inline void hole_dig(struct hole *h, struct sockaddr_in *ret)
{
    h->fd = hole_listen(ret, 0);
    for (unsigned i = 0; i < HOLE_FILLERS; i++) {
        h->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(connect(h->filler[i], (struct sockaddr *)ret, sizeof *ret) == 0 || errno == EINPROGRESS);
    }
}

static inline void hole_fill(struct hole *h)
{
    for (unsigned i = 0; i < HOLE_FILLERS; i++)
        (void)close(h->filler[i]);
    (void)close(h->fd);
}

#endif
