/* signals.h - signals as input of the reactor: a signalfd that the I/O table polls. */
#ifndef COLLECTOR_DAEMON_SIGNALS_H
#define COLLECTOR_DAEMON_SIGNALS_H

#include "collector/io/io.h"
#include "lib/base/err.h"

struct signals {
    struct io *io;
    int fd;
    bool is_armed;
    bool is_closing;
    struct io_req req;
    unsigned stop;  /* SIGTERM and SIGINT seen: 1 drain and stop, 2 stop at once */
    bool reopen;    /* SIGHUP; the reader clears it */
    bool rotate;    /* SIGUSR1; the reader clears it */
};

/* From here on signals wait until the descriptor is read. First thing of all, so that a SIGTERM during
 * the start is not the end of a half-opened collector. */
int signals_block(struct err *e);
int signals_open(struct signals *s, struct io *io, struct err *e);
void signals_close(struct signals *s);

#endif
