/* A plug-in with one of each: the format `tsv`, the stages `tag` and `alarm`, and the sink `datagram`. Built with nothing but the
 * installed headers:
 *
 *     cc -shared -fPIC -O2 -o example.so example.c
 *     fapilog-collector --set plugins=/path/to/example.so --sink datagram:/run/logs.sock
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime(), also with -std=c17 */
#include <fapilog/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- the format: time, level and message, separated by tabs ---- */

static size_t tsv_bound(struct fapilog_format *f, const struct fapilog_record *r)
{
    (void)f;
    return 64 + 2 * (size_t)r->message.len; /* every byte may need an escape */
}

static char *tsv_write(struct fapilog_format *f, const struct fapilog_record *r, char *out)
{
    (void)f;
    out += sprintf(out, "%lld\t%u\t", (long long)r->time_ns, r->level);
    for (uint32_t i = 0; i < r->message.len; i++) {
        const char c = r->message.data[i]; /* loaded once: another process may still write to it */
        if (c == '\t' || c == '\n' || c == '\\') {
            *out++ = '\\';
            *out++ = c == '\t' ? 't' : c == '\n' ? 'n' : '\\';
        } else {
            *out++ = c;
        }
    }
    *out++ = '\n';
    return out;
}

static const struct fapilog_format_kind tsv = {
    .size = sizeof tsv, .name = "tsv", .summary = "Time, level and message, separated by tabs.",
    .media_type = "text/tab-separated-values", .is_lines = true, .bound = tsv_bound, .write = tsv_write,
};

/* ---- the stage: adds one field ---- */

struct tag_config {
    const char *name, *value;
};

static const struct fapilog_option tag_options[] = {
    { .type = FAPILOG_OPTION_TEXT, .name = "name", .default_text = "tag", .help = "Name of the field.",
      .offset = offsetof(struct tag_config, name) },
    { .type = FAPILOG_OPTION_TEXT, .name = "value", .flags = FAPILOG_OPTION_REQUIRED, .help = "Its value.",
      .offset = offsetof(struct tag_config, value) },
    { .type = FAPILOG_OPTION_END },
};

static int tag_check(void *opaque, struct fapilog_error *e)
{
    const struct tag_config *cfg = opaque;
    if (*cfg->name)
        return 0;
    (void)snprintf(e->text, sizeof e->text, "name: must not be empty");
    return -EINVAL;
}

/* The configuration lives longer than any record, so nothing is copied. */
static int tag_run(struct fapilog_stage *s, const struct fapilog_record *r, struct fapilog_edit *edit)
{
    const struct tag_config *cfg = s->config;
    const struct fapilog_field field = {
        .name = { cfg->name, (uint32_t)strlen(cfg->name) }, .type = FAPILOG_TYPE_STRING,
        .len = (uint32_t)strlen(cfg->value), .v = { .data = cfg->value },
    };
    (void)r;
    return s->host->add_field(edit, &field) < 0 ? FAPILOG_STAGE_FAILED : FAPILOG_STAGE_PASS;
}

static const struct fapilog_stage_kind tag = {
    .size = sizeof tag, .group = FAPILOG_STAGE_ENRICH, .name = "tag", .summary = "Adds a field to every record.",
    .options = tag_options, .config_size = sizeof(struct tag_config), .check = tag_check, .run = tag_run,
};

/* ---- the stage that tells: when too large a share of the records of a window is of some level ---- */

struct alarm_config {
    double share;
    uint64_t window_ns;
    uint8_t level;
};

struct alarm_state {
    uint64_t all, high, ends_ns; /* of the present window; ends_ns 0: none yet */
};

static const struct fapilog_option alarm_options[] = {
    { .type = FAPILOG_OPTION_LEVEL, .name = "level", .default_text = "ERROR", .help = "Level that counts, and above.",
      .offset = offsetof(struct alarm_config, level) },
    { .type = FAPILOG_OPTION_REAL, .name = "share", .default_text = "0.5", .real_min = 0, .real_max = 1,
      .help = "Share of the records above which it is told.", .offset = offsetof(struct alarm_config, share) },
    { .type = FAPILOG_OPTION_DURATION, .name = "window", .default_text = "10s", .min = 1000000, .max = 3600000000000,
      .help = "Time over which is counted.", .offset = offsetof(struct alarm_config, window_ns) },
    { .type = FAPILOG_OPTION_END },
};

static int alarm_run(struct fapilog_stage *s, const struct fapilog_record *r, struct fapilog_edit *edit)
{
    struct alarm_state *st = s->state;
    (void)edit;
    st->all++;
    st->high += r->level >= ((const struct alarm_config *)s->config)->level;
    return FAPILOG_STAGE_PASS;
}

static void alarm_tick(struct fapilog_stage *s, uint64_t now_ns)
{
    const struct alarm_config *cfg = s->config;
    struct alarm_state *st = s->state;
    char text[100];
    if (st->ends_ns && now_ns < st->ends_ns)
        return;
    if (st->all && (double)st->high > cfg->share * (double)st->all) {
        const int len = snprintf(text, sizeof text, "%llu of %llu records are of level %u or above",
                                 (unsigned long long)st->high, (unsigned long long)st->all, cfg->level);
        const struct fapilog_record r = { .level = FAPILOG_LEVEL_WARNING, .message = { text, (uint32_t)len } };
        (void)s->host->emit(s, &r); /* what finds no room is counted by the collector */
    }
    *st = (struct alarm_state){ .ends_ns = now_ns + cfg->window_ns };
}

static const struct fapilog_stage_kind alarm_kind = {
    .size = sizeof alarm_kind, .group = FAPILOG_STAGE_FILTER, .name = "alarm",
    .summary = "Tells when many records are of a level.", .options = alarm_options,
    .config_size = sizeof(struct alarm_config), .state_size = sizeof(struct alarm_state), .run = alarm_run,
    .tick = alarm_tick,
};

/* ---- the sink: one record, one datagram to a Unix socket ---- */

struct datagram_config {
    const char *path;
};

struct datagram_state {
    int fd;
    struct fapilog_request *request; /* NULL: none */
    uint32_t next;                   /* entry to send */
    struct fapilog_watch *watch;     /* NULL: not waiting */
};

static const struct fapilog_option datagram_options[] = {
    { .type = FAPILOG_OPTION_TEXT, .name = "path", .flags = FAPILOG_OPTION_REQUIRED, .help = "Unix socket to send to.",
      .offset = offsetof(struct datagram_config, path) },
    { .type = FAPILOG_OPTION_END },
};

static int datagram_check(void *opaque, struct fapilog_error *e)
{
    const struct datagram_config *cfg = opaque;
    if (strlen(cfg->path) < sizeof ((struct sockaddr_un *)0)->sun_path)
        return 0;
    (void)snprintf(e->text, sizeof e->text, "path: a socket's has at most %zu bytes",
                   sizeof ((struct sockaddr_un *)0)->sun_path - 1);
    return -ENAMETOOLONG;
}

static int datagram_open(struct fapilog_sink *s, struct fapilog_error *e)
{
    struct datagram_state *st = s->state;
    st->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (st->fd >= 0)
        return 0;
    const int error = -errno;
    (void)snprintf(e->text, sizeof e->text, "socket: %s", strerror(-error));
    return error;
}

static void datagram_close(struct fapilog_sink *s)
{
    struct datagram_state *st = s->state;
    if (st->fd >= 0)
        (void)close(st->fd);
    st->fd = -1;
}

/* What has been sent is delivered; of the rest: nothing yet. */
static void end(struct fapilog_sink *s, int error)
{
    struct datagram_state *st = s->state;
    struct fapilog_request *q = st->request;
    struct fapilog_result result = { .size = sizeof result, .outcome = FAPILOG_DELIVERED };
    uint32_t left[256]; /* max_records */
    if (error && st->next == 0) {
        result.outcome = FAPILOG_RETRY;
    } else {
        for (uint32_t i = st->next; i < q->count; i++)
            left[result.retry_count++] = i;
        result.retry = left;
    }
    result.reason = error ? strerror(error) : NULL;
    s->host->unwatch(st->watch);
    st->watch = NULL;
    st->request = NULL;
    s->host->done(s, q, &result);
}

static void on_time(void *owner, uint32_t revents);

static void go_on(struct fapilog_sink *s)
{
    struct datagram_state *st = s->state;
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    strcpy(to.sun_path, ((const struct datagram_config *)s->config)->path); /* it fits: datagram_check() */
    for (; st->next < st->request->count; st->next++) {
        const struct fapilog_entry *entry = &st->request->entries[st->next];
        if (sendto(st->fd, entry->data, entry->len, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to) >= 0)
            continue;
        if (errno != EAGAIN) {
            end(s, errno);
            return;
        }
        /* An unconnected socket is never told that its receiver has room, so it looks again a little later. */
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        const uint64_t at = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + 1000000;
        st->watch = s->host->timer(s, at, on_time, s);
        if (!st->watch)
            end(s, ENOMEM);
        return;
    }
    end(s, 0);
}

static void on_time(void *owner, uint32_t revents)
{
    struct fapilog_sink *s = owner;
    (void)revents;
    ((struct datagram_state *)s->state)->watch = NULL;
    go_on(s);
}

static void datagram_send(struct fapilog_sink *s, struct fapilog_request *q)
{
    struct datagram_state *st = s->state;
    st->request = q;
    st->next = 0;
    go_on(s);
}

static void datagram_cancel(struct fapilog_sink *s, struct fapilog_request *q)
{
    struct datagram_state *st = s->state;
    if (st->request == q)
        end(s, ETIMEDOUT);
}

static const struct fapilog_sink_kind datagram = {
    .size = sizeof datagram, .max_in_flight = 1, .max_records = 256, .name = "datagram",
    .summary = "Send each record as a datagram to a Unix socket.", .format = "tsv", .options = datagram_options,
    .config_size = sizeof(struct datagram_config), .state_size = sizeof(struct datagram_state),
    .check = datagram_check, .open = datagram_open, .send = datagram_send, .cancel = datagram_cancel,
    .close = datagram_close,
};

static const struct fapilog_sink_kind *const sinks[] = { &datagram, NULL };
static const struct fapilog_stage_kind *const stages[] = { &tag, &alarm_kind, NULL };
static const struct fapilog_format_kind *const formats[] = { &tsv, NULL };

FAPILOG_PLUGIN(.name = "example", .version = "1.0", .sinks = sinks, .stages = stages, .formats = formats);
