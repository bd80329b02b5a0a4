#include "collector/net/resolve.h"

#include "lib/base/atomics.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

/* Shared by the thread and the reactor; who lets go last frees it. */
struct resolve {
    struct io_req req; /* poll of the eventfd */
    struct io *io;
    resolve_done_fn *done; /* NULL: cancelled */
    void *owner;
    int fd;
    uint32_t refs;
    int socktype;
    int result; /* of getaddrinfo */
    struct addrinfo *list;
    char port[8];
    char host[];
};

static void unref(struct resolve *r)
{
    /* order: acq_rel - the last to let go sees what the other has written */
    if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (r->list)
        freeaddrinfo(r->list);
    (void)close(r->fd);
    free(r);
}

/* Without AI_ADDRCONFIG: it would leave out ::1 on a machine that has no other address of that family, while what
 * cannot be reached comes last as it is. */
static int look_up(struct resolve *r, int flags)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = r->socktype, .ai_flags = AI_NUMERICSERV | flags,
    };
    return getaddrinfo(r->host, r->port, &hints, &r->list);
}

static void *run(void *arg)
{
    struct resolve *r = arg;
    r->result = look_up(r, 0);
    (void)eventfd_write(r->fd, 1); /* orders the result before the reactor's read */
    unref(r);
    return NULL;
}

static int to_errno(int result)
{
    switch (result) {
    case 0: return 0;
    case EAI_AGAIN: return -EAGAIN;
    case EAI_MEMORY: return -ENOMEM;
    case EAI_SYSTEM: return -EIO;
    default: return -ENOENT;
    }
}

static void on_ready(struct io_req *req, int result)
{
    struct resolve *r = req->owner;
    eventfd_t n;
    resolve_done_fn *done = r->done;
    if (done && result < 0) {
        done(r->owner, result, strerror(-result), NULL);
    } else if (done) {
        (void)eventfd_read(r->fd, &n);
        done(r->owner, to_errno(r->result), gai_strerror(r->result), take_ptr(r->list));
    }
    unref(r);
}

/* The thread takes no signal: those are the reactor's. */
static int start_thread(struct resolve *r)
{
    sigset_t all, before;
    pthread_t thread;
    pthread_attr_t attr;
    int res = pthread_attr_init(&attr);
    if (res)
        return -res;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    res = pthread_create(&thread, &attr, run, r);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return -res;
}

int resolve_start(struct io *io, const char *host, uint16_t port, int socktype, resolve_done_fn *done, void *owner,
                  struct resolve **ret, struct err *e)
{
    struct resolve *r = calloc(1, sizeof *r + strlen(host) + 1);
    if (!r)
        return err_set(e, -ENOMEM, "out of memory");
    (void)snprintf(r->port, sizeof r->port, "%u", port);
    memcpy(r->host, host, strlen(host) + 1);
    r->io = io;
    r->done = done;
    r->owner = owner;
    r->socktype = socktype;
    r->refs = 1;
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->fd < 0) {
        const int error = -errno;
        free(r);
        return err_sys(e, error, "eventfd");
    }
    if (look_up(r, AI_NUMERICHOST) == 0) {
        (void)eventfd_write(r->fd, 1);
    } else {
        r->refs = 2;
        const int res = start_thread(r);
        if (res < 0) {
            r->refs = 1;
            unref(r);
            return err_sys(e, res, "a thread to look up %s", host);
        }
    }
    r->req = (struct io_req){ .op = IO_POLL, .fd = r->fd, .events = POLLIN, .done = on_ready, .owner = r };
    io_submit(io, &r->req);
    *ret = r;
    return 0;
}

void resolve_cancel(struct resolve *r)
{
    if (!r)
        return;
    r->done = NULL;
    io_cancel(r->io, &r->req);
}
