/* What a backend fills in, and the bookkeeping that all backends share. Private to collector/io.
 *
 * A request is in exactly one list (or heap) at a time. Its private words are used as follows:
 *   private_[0]  previous request of the list
 *   private_[1]  state: a tag that catches double submission, and the backend's place number
 *   private_[2], private_[3]  the backend's; the result while the request is in `finished` */
#ifndef COLLECTOR_IO_IO_OPS_H
#define COLLECTOR_IO_IO_OPS_H

#include "collector/io/io.h"

#ifndef RWF_DONTCACHE /* Linux 6.14; older ones refuse it */
#define RWF_DONTCACHE 0x80
#endif

/* Calls that sim counts and makes fail. */
enum io_call {
    IO_CALL_OPEN,
    IO_CALL_CLOSE,
    IO_CALL_RENAME,
    IO_CALL_UNLINK,
    IO_CALL_MKDIR,
    IO_CALL_STAT,
    IO_CALL_TRUNCATE,
    IO_CALL_READ,
    IO_CALL_WRITE,
    IO_CALL_SYNC,
};

struct io_list {
    struct io_req *head, *tail;
    uint32_t count;
};

struct io_ops {
    const char *name;
    void (*free)(struct io *io);
    void (*submit)(struct io *io, struct io_req *req);
    void (*cancel)(struct io *io, struct io_req *req);
    int (*turn)(struct io *io, uint64_t deadline_ns);
    int (*register_buffers)(struct io *io, void *base, size_t size, unsigned count); /* may be NULL */
    /* Lets the kernel finish what it still holds of requests that are done. May be NULL: it holds nothing. */
    void (*run_task_work)(struct io *io);
    /* Before a synchronous call: 0 = make it, or the negative errno it is to end in. NULL: never. */
    int (*fault)(struct io *io, enum io_call call);
    uint64_t (*calls)(const struct io *io); /* may be NULL */
};

struct io {
    const struct io_ops *ops;
    uint32_t inflight; /* submitted, done not yet called */
    bool closing;      /* in io_free(): what is submitted now ends in -ECANCELED */
    bool turning;
    bool has_futex_wait;
    struct io_list finished; /* completed, done not yet called */
    struct io_service *services; /* youngest first */
    char reason[160];
};

enum io_place { IO_PLACE_NONE, IO_PLACE_FINISHED, IO_PLACE_BACKEND };

int uring_new(const struct io_config *cfg, struct io **ret, struct err *e);
int plain_new(const struct io_config *cfg, struct io **ret, struct err *e);
int sim_new(const struct io_config *cfg, struct io **ret, struct err *e);

static inline uint64_t io_req_bytes(const struct io_req *req)
{
    uint64_t sum = 0;
    if (req->op != IO_WRITEV)
        return req->len;
    for (uint32_t i = 0; i < req->len; i++)
        sum += req->iov[i].iov_len;
    return sum;
}

void io_list_append(struct io_list *l, struct io_req *req);
void io_list_remove(struct io_list *l, struct io_req *req);

/* Place numbers from IO_PLACE_BACKEND on are the backend's own. */
void io_place_set(struct io_req *req, unsigned place);
unsigned io_place(const struct io_req *req);

/* The request, which is in no list, is complete: its done runs in this or the next turn. */
void io_finish(struct io *io, struct io_req *req, int result);
/* Takes the request out of the books and runs its done. It must be in no list. */
void io_complete(struct io *io, struct io_req *req, int result);
/* Runs the done of what was finished when the call began; returns how many. */
int io_run_finished(struct io *io);

#endif
