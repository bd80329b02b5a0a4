#include "collector/sinks/append.h"

#include "lib/base/check.h"

#include <errno.h>

enum { INTERRUPTED_MAX = 100 };

/* A registered buffer goes by itself and saves the kernel the page look-up, where it is worth it. */
enum { FIXED_BYTES_MIN = 16384 };

static void append_done(struct io_req *req, int result);

static bool goes_alone(const struct piece *p, uint32_t left)
{
    return p->buf_index >= 0 && left >= FIXED_BYTES_MIN;
}

static void submit(struct append *a)
{
    const struct piece *p = &a->pieces[a->at];
    const uint32_t left = p->len - a->at_offset;
    a->req = (struct io_req){.fd = a->fd, .offset = -1, .buf_index = -1, .is_inline = a->is_inline,
                             .done = append_done, .owner = a};
    if (goes_alone(p, left) || a->at + 1 == a->pieces_count) {
        a->req.op = IO_WRITE;
        a->req.data = (const char *)p->data + a->at_offset;
        a->req.len = left;
        a->req.buf_index = p->buf_index;
        io_submit(a->io, &a->req);
        return;
    }
    uint64_t bytes = 0;
    unsigned n = 0;
    for (unsigned i = a->at; i < a->pieces_count && n < APPEND_IOV_MAX && bytes < INT32_MAX / 2; i++) {
        const uint32_t skip = i == a->at ? a->at_offset : 0;
        if (i > a->at && goes_alone(&a->pieces[i], a->pieces[i].len))
            break;
        a->iov[n++] = (struct iovec){(char *)a->pieces[i].data + skip, a->pieces[i].len - skip};
        bytes += a->pieces[i].len - skip;
    }
    a->req.op = IO_WRITEV;
    a->req.iov = a->iov;
    a->req.len = n;
    io_submit(a->io, &a->req);
}

/* Moves past empty pieces and past `bytes`; false at the end. */
static bool advance(struct append *a, uint64_t bytes)
{
    a->written += bytes;
    while (a->at < a->pieces_count) {
        const uint64_t left = a->pieces[a->at].len - a->at_offset;
        if (bytes < left) {
            a->at_offset += (uint32_t)bytes;
            return true;
        }
        bytes -= left;
        a->at++;
        a->at_offset = 0;
    }
    CHECK(bytes == 0);
    return false;
}

static void append_done(struct io_req *req, int result)
{
    struct append *a = req->owner;
    if (result == -EINTR || result == -EAGAIN || result == 0) {
        if (++a->interrupted < INTERRUPTED_MAX) {
            submit(a);
            return;
        }
        result = result ? result : -EIO;
    }
    if (result < 0) {
        a->done(a, result);
        return;
    }
    a->interrupted = 0;
    if (advance(a, (uint64_t)result))
        submit(a);
    else
        a->done(a, 0);
}

void append_start(struct append *a)
{
    a->written = 0;
    a->at = 0;
    a->at_offset = 0;
    a->interrupted = 0;
    CHECK(advance(a, 0)); /* there is something to write */
    submit(a);
}
