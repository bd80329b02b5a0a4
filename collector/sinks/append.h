/* append.h - puts a list of pieces at the end of a file descriptor, however many partial writes that
 * takes. One at a time per struct append. */
#ifndef COLLECTOR_SINKS_APPEND_H
#define COLLECTOR_SINKS_APPEND_H

#include "collector/io/io.h"

enum { APPEND_IOV_MAX = 64 };

struct piece {
    const void *data;
    uint32_t len;
    int32_t buf_index; /* registered buffer that holds data, or -1 */
};

struct append;
/* result: 0 when every piece is written, else -errno; a->written bytes have reached the file. */
typedef void append_done_fn(struct append *a, int result);

struct append {
    struct io *io;
    int fd;
    const struct piece *pieces; /* the caller's, until done */
    unsigned pieces_count;
    append_done_fn *done;
    void *owner;
    bool is_inline;              /* see io_req */
    uint64_t written;
    /* private */
    unsigned at;          /* piece that is being written */
    uint32_t at_offset;   /* bytes of it that are written */
    unsigned interrupted; /* times in a row that nothing was written */
    struct io_req req;
    struct iovec iov[APPEND_IOV_MAX];
};

/* io, fd, pieces, pieces_count, done and owner are set; the pieces hold at least one byte. */
void append_start(struct append *a);

#endif
