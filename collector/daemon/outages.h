/* outages.h - what the log of the collector says of sinks that do not work, and of records that are lost: when it
 * begins, while it lasts, and when it is over. Few lines: an outage of a night has about ten. */
#ifndef COLLECTOR_DAEMON_OUTAGES_H
#define COLLECTOR_DAEMON_OUTAGES_H

#include "lib/base/clock.h"

#include <fapilog/abi.h>

#include <stdbool.h>
#include <stdint.h>

enum { OUTAGE_NAME_MAX = 64 };
#define OUTAGE_PATIENCE_NS (2 * NS_PER_S)  /* a failure that is over sooner is not worth a line */
#define OUTAGE_AGAIN_NS (60 * NS_PER_S)    /* from line to line while it lasts; doubles each time ... */
#define OUTAGE_AGAIN_MAX_NS (3600 * NS_PER_S) /* ... up to this */
#define OUTAGE_GONE_NS (5 * NS_PER_S)      /* not looked at for so long: the sink was not there */
#define OUTAGE_LOSS_NS (60 * NS_PER_S)     /* between two lines about losses of one kind */

/* Of one sink, now. */
struct outage_facts {
    const char *name;
    bool is_failing;
    bool is_told;           /* the sink itself says when it fails and when it works again: a local one */
    const char *reason;     /* may be empty */
    const char *waits;      /* where its records are meanwhile, and what becomes of them */
    uint64_t waiting;       /* records in memory and in the spool */
    uint64_t spooled, spooled_bytes, spool_max_bytes;
    uint64_t given_up;      /* since it was opened */
    const char *given_up_why;
    uint64_t dead;          /* dead letters, since it was opened */
    const char *dead_dir;
};

struct loss {
    uint64_t told;          /* of the counter */
    uint64_t told_ns;       /* 0: never */
};

struct outage {
    char name[OUTAGE_NAME_MAX];
    uint64_t since_ns;      /* 0: it works */
    uint64_t looked_ns;     /* a sink that a reload took out, and another one brings back, begins anew */
    bool is_told, is_spool_told;
    uint64_t again_ns, pause_ns;
    uint64_t over_ns;       /* worked again then, and has not caught up; 0: no */
    struct loss given_up, dead;
};

struct outages {
    void (*say)(void *arg, uint8_t level, const char *text);
    void *arg;
    struct outage sink[FAPILOG_SINKS_MAX];
    uint32_t count;
    struct loss services;
};

void outages_look(struct outages *o, uint64_t now_ns, const struct outage_facts *f);
/* Of all services: records that their lanes could not take, or gave up. `why` has the counts by reason. */
void outages_services(struct outages *o, uint64_t now_ns, uint64_t lost, const char *why);

#endif
