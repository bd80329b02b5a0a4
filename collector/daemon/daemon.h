/* daemon.h - the reactor: one thread that drains the rings into the sinks until it is told to stop. */
#ifndef COLLECTOR_DAEMON_DAEMON_H
#define COLLECTOR_DAEMON_DAEMON_H

#include "collector/admin/admin.h"
#include "collector/daemon/notify.h"
#include "collector/daemon/options.h"
#include "collector/daemon/signals.h"
#include "collector/delivery/pump.h"
#include "collector/ingest/discover.h"

#include <limits.h>

struct daemon {
    const struct options *options;
    struct config config;
    char dir[512];
    int lock_fd;
    char state_dir[PATH_MAX];
    int state_fd;             /* holds its lock; -1: nothing keeps state there */
    struct io *io;
    struct commit *commit;
    uint64_t commit_look_ns;  /* whether it can be in `dir`; next at */
    bool is_commit_away;      /* as was told */
    struct position *redo;
    struct signals signals;
    struct notify notify;
    uint64_t notified_at_ns;
    struct segments segments;
    struct discover discover;
    struct stages *stages;    /* of chain.h; NULL: none */
    struct routes *routes;    /* NULL: every sink gets every record */
    struct pipeline pipeline;
    struct admin *admin;      /* NULL: none */
    struct reload *reload;    /* under way; NULL: none */
    struct reload *reloaded;  /* has the stages of before, which still have something to say; NULL: none */
    bool is_reload_due;       /* SIGHUP came while one was under way */
    uint64_t reloads, reloads_refused;
    struct drain drain;
    struct run_ledger *ledger; /* NULL: none is kept */
    bool is_pipeline_open;
    bool is_stopping;
    bool is_last_attempt;     /* remote sinks were told to come to an end */
    uint64_t stop_at_ns;      /* give up then; UINT64_MAX: not while all goes well */
    uint64_t turn_at_ns;      /* when the next turn is due */
    uint64_t turn_ended_ns;
    bool is_turn_rung;        /* the present turn was asked for by a producer */
    uint64_t heartbeat_at_ns;
    uint64_t overload_at_ns;
    struct message_limit *messages;
    struct notes *notes;
    uint64_t messages_at_ns;
    struct outages *outages;
    uint64_t outages_at_ns;
    uint64_t status_version;  /* of the sink states, and the segments, that were mirrored last */
    uint64_t status_attached;
    uint64_t turns;
    uint64_t started_ns;
};

/* Opens everything in the order of its dependencies. On failure daemon_close() is still due. */
int daemon_open(struct daemon *d, const struct options *o, struct err *e);
/* For a start and for a reload. No routes in the configuration: *ret is NULL. */
int daemon_open_routes(struct daemon *d, const struct config *c, struct routes **ret, struct err *e);
/* For people, as the setting `diagnostics` says: warnings, few enough to be read (message_limit.h). */
void daemon_say(struct daemon *d, const char *text);
/* The same, but each of them: what somebody has asked for, or what comes once. */
void daemon_tell(struct daemon *d, uint8_t level, const char *text);
/* Until stopped or, with --drain, until all is delivered. 0, or -EIO when records were left behind. */
int daemon_run(struct daemon *d, struct err *e);
/* The first error of a sink's close. -EBUSY: nothing was freed, as a write is still under way. */
int daemon_close(struct daemon *d, struct err *e);

#endif
