/* admin.h - the collector's window for people and monitoring: metrics, health, status, live tail, a page, and
 * the few things that can be changed while it runs. HTTP by libmicrohttpd, whose descriptor the reactor polls:
 * no thread of its own, nothing that a slow client could hold up.
 *
 *   GET  /            the status page
 *   GET  /metrics     Prometheus text
 *   GET  /healthz     200 while the reactor turns
 *   GET  /readyz      200 while every sink works; 503 with their names, or while stopping
 *   GET  /status      everything as JSON
 *   GET  /tail        records as they come: ?format=json&level=WARNING&where=EXPR; chunked, drops what a client
 *                     does not take
 *   POST /level       ?level=DEBUG[&logger=orders]
 *   POST /reload /reopen /rotate
 *
 * It listens on a Unix socket by default. On TCP it takes loopback addresses only, unless told otherwise, and
 * requests must name such a host (a page in a browser could otherwise be led here by its DNS). What changes
 * something wants the header X-Fapilog, which another site's page cannot send. */
#ifndef COLLECTOR_ADMIN_ADMIN_H
#define COLLECTOR_ADMIN_ADMIN_H

#include "collector/delivery/pipeline.h"
#include "collector/ingest/segments.h"
#include "collector/stage/pressure.h"
#include "collector/stage/stage.h"

enum { ADMIN_TAILS_MAX = 16, ADMIN_TAIL_BYTES = 256 << 10, ADMIN_CONNECTIONS_MAX = 64 };

struct admin_settings {
    const char *listen; /* "unix", "unix:PATH", "HOST:PORT", "none" */
    bool allow_remote;  /* let HOST be an address that other machines reach */
};

/* What it shows; owned by the daemon, read on its thread. */
struct admin_view {
    const char *rings;
    uint64_t started_ns;  /* CLOCK_MONOTONIC */
    const struct io *io;
    const struct pipeline *pipeline;
    const struct segments *segments;
    const struct stages *stages;   /* NULL: none */
    const struct pressure *pressure; /* NULL: adaptive is not enabled */
    const bool *is_stopping;
    const uint64_t *reloads, *reloads_refused;
};

struct admin_actions {
    int (*reload)(void *arg, struct err *e); /* 0: begun, admin_reload_ended() will come */
    int (*set_level)(void *arg, const char *logger, const char *level, struct err *e);
    void (*reopen)(void *arg);
    void (*rotate)(void *arg);
    void *arg;
};

struct admin;

/* Whether it can be listened there, as far as that can be told without trying. */
int admin_check(const struct admin_settings *cfg, struct err *e);
/* `rings` is where the default socket goes. listen=none: *ret is NULL. */
int admin_open(const struct admin_settings *cfg, const struct admin_view *view, const struct admin_actions *actions,
               struct io *io, struct admin **ret, struct err *e);
/* How the reload that an action has begun went; the text is the error's, or says what has changed. NULL allowed. */
void admin_reload_ended(struct admin *a, int result, const char *text);
/* After a reload. */
void admin_set_view(struct admin *a, const struct admin_view *view);
void admin_close(struct admin *a); /* NULL allowed */
/* For people: where it listens. */
const char *admin_address(const struct admin *a);
/* Whether somebody tails: admin_tap() is due for each record that leaves the stages. */
bool admin_wants_records(const struct admin *a); /* NULL allowed */
void admin_tap(struct admin *a, const struct fapilog_record *r);

#endif
