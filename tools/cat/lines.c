#include "tools/cat/lines.h"

#include "lib/base/check.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20 };

int lines_init(struct lines *l, int fd, int stop_fd, size_t line_max)
{
    CHECK(line_max >= 1);
    *l = (struct lines){.fd = fd, .stop_fd = stop_fd, .line_max = line_max, .cap = line_max + 1 + READ_BYTES};
    l->data = malloc(l->cap);
    return l->data ? 0 : -ENOMEM;
}

void lines_done(struct lines *l)
{
    free(l->data);
    *l = (struct lines){.fd = -1};
}

/* Whether there is more to read; waits for it. After the stop one more read takes what a pipe still holds. */
static bool wait_for_input(struct lines *l)
{
    struct pollfd p[2] = {{.fd = l->fd, .events = POLLIN}, {.fd = l->stop_fd, .events = POLLIN}};
    if (l->is_stopped)
        return false;
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    l->is_stopped = p[1].revents != 0;
    return p[0].revents || !l->is_stopped;
}

/* Reads once. At most a line and its carriage return are pending here, so READ_BYTES always fit. */
static int fill(struct lines *l)
{
    CHECK(l->end - l->start <= l->line_max + 1);
    if (l->start > 0) {
        memmove(l->data, l->data + l->start, l->end - l->start);
        l->end -= l->start;
        l->start = 0;
    }
    while (wait_for_input(l)) {
        const ssize_t n = read(l->fd, l->data + l->end, l->cap - l->end);
        if (n >= 0) {
            l->end += (size_t)n;
            l->eof = n == 0;
            return 0;
        }
        if (errno != EINTR && errno != EAGAIN) /* a non-blocking descriptor that somebody shares with us */
            return -errno;
    }
    l->eof = true;
    return 0;
}

/* Passes over the rest of a line that was cut; false when more input is needed. */
static bool skip_rest(struct lines *l)
{
    const char *feed = memchr(l->data + l->start, '\n', l->end - l->start);
    l->start = feed ? (size_t)(feed - l->data) + 1 : l->end;
    l->skipping = !feed;
    return feed != NULL;
}

static void hand_out(struct lines *l, size_t len, size_t consumed, bool is_cut, struct line *ret)
{
    *ret = (struct line){l->data + l->start, len, is_cut};
    l->start += consumed;
    l->skipping = is_cut;
    l->cut += is_cut;
    l->number++;
}

/* Text of what may be a line that ends CR LF: of a line that has no end yet, the LF may still come. */
static size_t text_of(const struct lines *l, size_t len, bool has_feed)
{
    const bool may_end = has_feed || !l->eof;
    return len > 0 && may_end && l->data[l->start + len - 1] == '\r' ? len - 1 : len;
}

int lines_next(struct lines *l, struct line *ret)
{
    size_t searched = 0;

    for (;;) {
        if (l->skipping && !skip_rest(l)) {
            if (l->eof)
                return 0;
        } else {
            const size_t have = l->end - l->start;
            const char *feed = memchr(l->data + l->start + searched, '\n', have - searched);
            const size_t end = feed ? (size_t)(feed - (l->data + l->start)) : have;
            const size_t len = text_of(l, end, feed);
            if (len > l->line_max) {
                hand_out(l, l->line_max, l->line_max, true, ret);
                return 1;
            }
            if (feed) {
                hand_out(l, len, end + 1, false, ret);
                return 1;
            }
            if (l->eof) {
                if (have == 0)
                    return 0;
                hand_out(l, have, have, false, ret);
                return 1;
            }
            searched = have;
        }
        const int r = fill(l);
        if (r < 0)
            return r;
    }
}
