/* A sink whose first request ends when a file is there, whatever cancel() says, and the others at once. */
#include <fapilog/plugin.h>

#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 20000000

struct config {
    const char *until;
};

static const struct fapilog_option options[] = {
    { .type = FAPILOG_OPTION_TEXT, .name = "until", .flags = FAPILOG_OPTION_REQUIRED, .help = "File to wait for.",
      .offset = offsetof(struct config, until) },
    { .type = FAPILOG_OPTION_END },
};

struct state {
    struct fapilog_request *first; /* NULL: there was none */
};

static void look(void *owner, uint32_t revents)
{
    struct fapilog_sink *s = owner;
    struct state *st = s->state;
    const struct fapilog_result delivered = { .size = sizeof delivered, .outcome = FAPILOG_DELIVERED };
    struct timespec now;
    (void)revents;
    if (access(((const struct config *)s->config)->until, F_OK) == 0) {
        s->host->done(s, st->first, &delivered);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)s->host->timer(s, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + LOOK_NS, look, s);
}

static int late_open(struct fapilog_sink *s, struct fapilog_error *e) { (void)s, (void)e; return 0; }

static void late_send(struct fapilog_sink *s, struct fapilog_request *q)
{
    const struct fapilog_result delivered = { .size = sizeof delivered, .outcome = FAPILOG_DELIVERED };
    struct state *st = s->state;
    if (st->first) {
        s->host->done(s, q, &delivered);
        return;
    }
    st->first = q;
    look(s, 0);
}

static void late_cancel(struct fapilog_sink *s, struct fapilog_request *q) { (void)s, (void)q; }

static const struct fapilog_sink_kind late = {
    .size = sizeof late, .max_in_flight = 2, .max_records = 10, .name = "late", .summary = "Takes its time.",
    .format = "json", .options = options, .config_size = sizeof(struct config), .state_size = sizeof(struct state),
    .open = late_open, .send = late_send, .cancel = late_cancel,
};

static const struct fapilog_sink_kind *const sinks[] = { &late, NULL };

FAPILOG_PLUGIN(.name = "late", .version = "1.0", .sinks = sinks);
