/* Live tail: records as they leave the stages (so after redaction), in a format of the client's choice, for as
 * long as it listens. A client that does not keep up loses records, never holds up anything; how many it
 * has lost it is told in between. */
#include "collector/admin/internal.h"

#include "collector/format/format.h"
#include "lib/base/check.h"
#include "lib/where/where.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CHECK_NS NS_PER_S
#define STALLED_NS (10 * NS_PER_S) /* so long it has taken nothing though there was something */

enum { FREE_MIN = 4096 };

struct tail {
    struct admin *admin;
    struct MHD_Connection *connection;
    struct format *format;
    struct where *where;
    uint8_t level;
    uint64_t dropped;
    uint64_t read_ns; /* when the client's socket has last taken something, or had nothing to take */
    bool is_suspended;
    bool is_ended;
    size_t begin, used; /* of the ring of bytes */
    char *large;        /* one record being made */
    size_t large_bytes;
    char bytes[ADMIN_TAIL_BYTES];
};

static void tail_free(struct tail *t)
{
    if (t->format)
        format_close(t->format);
    where_free(t->where);
    free(t->large);
    free(t);
}

/* ---- from records to bytes ---- */

static bool append(struct tail *t, const char *data, size_t len)
{
    if (len > ADMIN_TAIL_BYTES - t->used)
        return false;
    const size_t at = (t->begin + t->used) % ADMIN_TAIL_BYTES;
    const size_t first = len < ADMIN_TAIL_BYTES - at ? len : ADMIN_TAIL_BYTES - at;
    memcpy(t->bytes + at, data, first);
    memcpy(t->bytes, data + first, len - first);
    t->used += len;
    return true;
}

static bool tell_dropped(struct tail *t)
{
    char text[120];
    const int n = snprintf(text, sizeof text, "# %" PRIu64 " records left out: this client is too slow, or they are "
                           "too long\n", t->dropped);
    if (t->dropped && !append(t, text, (size_t)n))
        return false;
    t->dropped = 0;
    return true;
}

static bool put_record(struct tail *t, const struct fapilog_record *r)
{
    const size_t bound = t->format->ops->bound(t->format, r);
    if (ADMIN_TAIL_BYTES - t->used < FREE_MIN && bound > FREE_MIN)
        return false; /* not worth writing it: a bound is far above what most records need */
    if (bound > t->large_bytes) {
        char *more = realloc(t->large, bound);
        if (!more)
            return false;
        t->large = more;
        t->large_bytes = bound;
    }
    char *end = t->format->ops->write(t->format, r, t->large);
    return tell_dropped(t) && append(t, t->large, (size_t)(end - t->large));
}

static void tail_take(struct tail *t, const struct fapilog_record *r)
{
    if (r->level < t->level || (t->where && !where_matches(t->where, r)))
        return;
    if (!put_record(t, r))
        t->dropped++;
    if (t->is_suspended && t->used) {
        t->is_suspended = false;
        t->read_ns = clock_mono_ns();
        MHD_resume_connection(t->connection);
        admin_wake(t->admin);
    }
}

void admin_tap(struct admin *a, const struct fapilog_record *r)
{
    for (unsigned i = 0; i < a->tails_count; i++)
        tail_take(a->tail[i], r);
}

bool admin_wants_records(const struct admin *a)
{
    return a && a->tails_count;
}

/* ---- from bytes to the client ---- */

static ssize_t on_read(void *arg, uint64_t pos, char *out, size_t max)
{
    struct tail *t = arg;
    (void)pos;
    t->read_ns = clock_mono_ns();
    if (!t->used)
        (void)tell_dropped(t); /* though no record may come any more */
    if (!t->used && t->is_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!t->used) {
        t->is_suspended = true;
        MHD_suspend_connection(t->connection);
        return 0;
    }
    size_t n = t->used < max ? t->used : max;
    if (n > ADMIN_TAIL_BYTES - t->begin)
        n = ADMIN_TAIL_BYTES - t->begin;
    memcpy(out, t->bytes + t->begin, n);
    t->begin = (t->begin + n) % ADMIN_TAIL_BYTES;
    t->used -= n;
    return (ssize_t)n;
}

static void on_free(void *arg)
{
    struct tail *t = arg;
    struct admin *a = t->admin;
    for (unsigned i = 0; i < a->tails_count; i++)
        if (a->tail[i] == t)
            a->tail[i] = a->tail[--a->tails_count];
    tail_free(t);
}

static void tail_end(struct tail *t)
{
    t->is_ended = true;
    if (t->is_suspended) {
        t->is_suspended = false;
        MHD_resume_connection(t->connection);
    }
}

void tail_end_all(struct admin *a)
{
    for (unsigned i = 0; i < a->tails_count; i++)
        tail_end(a->tail[i]);
}

static int socket_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Bytes that it has sent behind its request, and that nobody reads, hide nothing here. */
static bool is_gone(const struct tail *t)
{
    struct pollfd p = { .fd = socket_of(t->connection), .events = POLLRDHUP };
    return poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

/* A client that has stopped is not bothered until somebody else wants its place. */
static void end_stalled(struct admin *a)
{
    const uint64_t now_ns = clock_mono_ns();
    for (unsigned i = 0; i < a->tails_count; i++) {
        const struct tail *t = a->tail[i];
        if (!t->is_suspended && now_ns - t->read_ns > STALLED_NS)
            (void)shutdown(socket_of(t->connection), SHUT_RDWR); /* its next write fails, and that frees it */
    }
}

/* A machine that has vanished without a word is found out. Of a Unix socket it means nothing. */
static void keep_alive(struct MHD_Connection *c)
{
    const int fd = socket_of(c);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ 60 }, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){ 10 }, sizeof(int));
}

void tail_check_all(struct admin *a)
{
    const uint64_t now_ns = clock_mono_ns();
    if (!a->tails_count || now_ns < a->tails_checked_ns + CHECK_NS)
        return;
    a->tails_checked_ns = now_ns;
    for (unsigned i = 0; i < a->tails_count; i++) {
        struct tail *t = a->tail[i];
        if (t->is_suspended && is_gone(t))
            tail_end(t);
    }
}

static int tail_configure(struct tail *t, struct MHD_Connection *c, struct err *e)
{
    const char *format = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "format");
    const char *level = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "level");
    const char *where = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "where");
    const struct format_config cfg = { 0 };
    /* Slots above those of outputs. Tails of one format share what is compiled for it, so they use one. */
    static const char *const names[FORMAT_TAIL_SLOTS] = { "pretty", "json", "logfmt" };
    unsigned slot = 0;
    while (format && slot < FORMAT_TAIL_SLOTS && strcmp(names[slot], format) != 0)
        slot++;
    if (slot == FORMAT_TAIL_SLOTS)
        return err_set(e, -EINVAL, "format: '%s' is not one of pretty, json, logfmt", format);
    if (level && opt_parse_level(level, &t->level) < 0)
        return err_set(e, -EINVAL, "level: '%s' is not a level", level);
    if (where && where_parse(where, (int64_t)clock_real_ns(), &t->where, e) < 0)
        return err_wrap(e, -EINVAL, "where");
    return format_open(names[slot], &cfg, FORMAT_OUTPUT_SLOTS + slot, &t->format, e);
}

static enum MHD_Result start(struct tail *t, struct MHD_Connection *c)
{
    struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_read, t, on_free);
    if (!r) {
        tail_free(t);
        return MHD_NO;
    }
    t->admin->tail[t->admin->tails_count++] = t;
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    keep_alive(c);
    (void)MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    const enum MHD_Result result = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return result;
}

enum MHD_Result tail_begin(struct admin *a, struct MHD_Connection *c)
{
    struct err e = { 0 };
    char text[ERR_TEXT_MAX + 2];
    if (a->tails_count == ADMIN_TAILS_MAX)
        end_stalled(a);
    if (a->tails_count == ADMIN_TAILS_MAX)
        return admin_reply_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "too many tails; try again when one has ended\n");
    struct tail *t = calloc(1, sizeof *t);
    if (!t)
        return admin_reply_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    t->admin = a;
    t->connection = c;
    t->read_ns = clock_mono_ns();
    t->level = FAPILOG_LEVEL_TRACE;
    if (tail_configure(t, c, &e) == 0)
        return start(t, c);
    (void)snprintf(text, sizeof text, "%s\n", e.text);
    tail_free(t);
    return admin_reply_text(c, MHD_HTTP_BAD_REQUEST, text);
}
