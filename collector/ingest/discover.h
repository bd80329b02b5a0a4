/* discover.h - which segments exist: the directory's content at the start, inotify from then on. */
#ifndef COLLECTOR_INGEST_DISCOVER_H
#define COLLECTOR_INGEST_DISCOVER_H

#include "collector/ingest/segments.h"

struct discover {
    struct segments *segments;
    int fd;
    bool is_armed;
    bool is_closing;
    bool wants_scan; /* events were lost, or an attach failed for lack of what a ring that goes gives back */
    bool is_gone;    /* the directory was removed or renamed: services that start from now on use another one */
    uint64_t scan_at_ns;
    struct io_req req;
};

/* The watch is set before the first scan, so nothing falls between the two. */
int discover_open(struct discover *d, struct segments *t, struct err *e);
void discover_close(struct discover *d);
/* Attaches what has appeared until now, without waiting for the next turn. */
void discover_look(struct discover *d);
/* Scans again when that is due. */
void discover_run(struct discover *d, uint64_t now_ns);
uint64_t discover_deadline(const struct discover *d);

#endif
