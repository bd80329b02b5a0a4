#include "collector/daemon/signals.h"

#include "lib/base/check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signals_set(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR1);
}

static void signals_arm(struct signals *s);

static void on_readable(struct io_req *req, int result)
{
    struct signals *s = req->owner;
    s->is_armed = false;
    if (result == -ECANCELED || s->is_closing)
        return;
    struct signalfd_siginfo info;
    while (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGHUP:
            s->reopen = true;
            break;
        case SIGUSR1:
            s->rotate = true;
            break;
        default:
            s->stop++;
            break;
        }
    }
    signals_arm(s);
}

static void signals_arm(struct signals *s)
{
    CHECK(!s->is_armed);
    s->req = (struct io_req){ .op = IO_POLL, .fd = s->fd, .events = POLLIN, .buf_index = -1,
                              .done = on_readable, .owner = s };
    s->is_armed = true;
    io_submit(s->io, &s->req);
}

int signals_block(struct err *e)
{
    sigset_t set;
    signals_set(&set);
    /* A reader of our console output that goes away is an EPIPE of that sink, not our end. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of that write, as -EFBIG */
    return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? err_sys(e, -errno, "block signals") : 0;
}

int signals_open(struct signals *s, struct io *io, struct err *e)
{
    sigset_t set;
    signals_set(&set);
    *s = (struct signals){ .io = io, .fd = -1 };
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd < 0)
        return err_sys(e, -errno, "signalfd");
    signals_arm(s);
    return 0;
}

void signals_close(struct signals *s)
{
    if (s->fd < 0)
        return;
    s->is_closing = true; /* the poll may complete before it can be cancelled */
    if (s->is_armed)
        io_cancel(s->io, &s->req);
    while (s->is_armed && io_turn(s->io, 0) >= 0)
        ;
    (void)close(s->fd);
    s->fd = -1;
}
