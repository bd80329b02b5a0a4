/* notify.h - tells the service manager how it stands, by the protocol of sd_notify(3): datagrams to $NOTIFY_SOCKET. A
 * few lines, so that a library of systemd is not needed. Without the variable nothing is said. */
#ifndef COLLECTOR_DAEMON_NOTIFY_H
#define COLLECTOR_DAEMON_NOTIFY_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

/* In the order in which they are told. */
enum notify_state { NOTIFY_RELOADING, NOTIFY_READY, NOTIFY_STOPPING, NOTIFY_STATES };

struct notify {
    int fd; /* -1: nobody to tell */
    struct sockaddr_un to;
    unsigned to_len;
    uint64_t watchdog_ns; /* how often WATCHDOG=1 is sent; 0: never */
    uint64_t watchdog_at_ns;
    char status[200];     /* the last that was said */
    char due[NOTIFY_STATES][64]; /* for which the manager's queue had no room yet; "": none */
    uint64_t due_at_ns;   /* when that is tried again */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
int notify_open(struct notify *n, struct err *e);
void notify_close(struct notify *n); /* waits a second for a manager that has no room for what it was not told yet */
void notify_ready(struct notify *n);
void notify_reloading(struct notify *n, uint64_t now_ns); /* notify_ready() ends it */
void notify_stopping(struct notify *n);
/* For people; sent when it is another one than before. */
void notify_status(struct notify *n, const char *text);
/* The reactor turns: once half of the watchdog's time has passed it is told, and so is what could not be before. */
void notify_run(struct notify *n, uint64_t now_ns);
uint64_t notify_deadline(const struct notify *n); /* CLOCK_MONOTONIC, UINT64_MAX: nothing */

#endif
