#include "collector/daemon/replay_sink.h"

#include "collector/daemon/say.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARCELS_MAX = 8 }; /* of PARCEL_BYTES, under way at once */
#define WAIT_NS (100 * NS_PER_MS)
#define LAST_NS NS_PER_S /* for what is under way when it is given up */

struct ticket {
    struct remote_ticket ticket;
    struct replay_sink *owner; /* NULL: free */
};

struct replay_sink {
    struct sink *sink;
    struct remote *remote;
    struct replay_sink_config cfg;
    char refused[PATH_MAX];
    struct parcel *filling; /* NULL: none */
    struct ticket ticket[PARCELS_MAX];
    uint32_t under_way; /* of them */
    uint64_t works_ns;      /* CLOCK_MONOTONIC: it did not fail then */
    bool is_open, is_hopeless;
};

static void say(void *arg, const char *text)
{
    (void)arg;
    say_line(stderr, text);
}

static void on_settled(struct remote_ticket *ticket)
{
    struct ticket *t = ticket->owner;
    t->owner->under_way--;
    t->owner = NULL;
}

static void hook(struct replay_sink *r)
{
    struct sink_delivery *d = &r->sink->delivery;
    d->on_full = SINK_FULL_BLOCK; /* the files are the spool */
    d->spool_dir = NULL;
    d->dead_letters = true;
    r->sink->io = r->cfg.io;
    r->sink->is_alone = true;
}

static int open_sink(struct replay_sink *r, struct err *e)
{
    struct sink *s = r->sink;
    const struct format_config format = { .source = s->common.source };
    const struct remote_config cfg = { .io = r->cfg.io, .state_dir = r->refused, .on_message = say };
    int n = 0;
    if (s->common.format)
        n = format_open(s->common.format, &format, 0, &s->format, e);
    if (n == 0) {
        r->is_open = true; /* a close is due after a failed open, too */
        n = s->ops->open(s, e);
    }
    return n < 0 ? err_wrap(e, n, "sink %s", s->common.name) : remote_open(s, &cfg, &r->remote, e);
}

int replay_sink_open(struct sink *s, const struct replay_sink_config *cfg, struct replay_sink **ret, struct err *e)
{
    struct replay_sink *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, -ENOMEM, "out of memory");
    *r = (struct replay_sink){ .sink = s, .cfg = *cfg, .works_ns = clock_mono_ns() };
    int n = 0;
    if (snprintf(r->refused, sizeof r->refused, "%s/" REPLAY_REFUSED, cfg->refused_dir) >= (int)sizeof r->refused)
        n = err_set(e, -ENAMETOOLONG, "%s: path too long", cfg->refused_dir);
    if (n == 0) {
        hook(r);
        n = open_sink(r, e);
    }
    if (n < 0)
        replay_sink_close(r);
    else
        *ret = r;
    return n;
}

/* The directories were made in case; those that hold something stay. */
static void remove_empty(const struct replay_sink *r)
{
    char path[PATH_MAX + 128];
    (void)snprintf(path, sizeof path, "%s/dead/%s", r->refused, r->sink->common.name);
    if (rmdir(path) < 0)
        return;
    (void)snprintf(path, sizeof path, "%s/dead", r->refused);
    if (rmdir(path) == 0)
        (void)rmdir(r->refused);
}

void replay_sink_close(struct replay_sink *r)
{
    struct err e = { 0 };
    if (!r)
        return;
    parcel_unref(r->filling);
    remote_close(r->remote);
    if (r->is_open && r->sink->ops->close && r->sink->ops->close(r->sink, &e) < 0)
        say(NULL, e.text);
    format_close(r->sink->format);
    r->sink->format = NULL;
    remove_empty(r);
    free(r);
}

/* One turn. Gives up when the sink has not worked for long. */
static int turn(struct replay_sink *r)
{
    const uint64_t now_ns = clock_mono_ns();
    remote_run(r->remote, now_ns);
    if (!remote_is_failing(r->remote))
        r->works_ns = now_ns;
    else if (now_ns > r->works_ns + r->cfg.patience_ns)
        r->is_hopeless = true;
    if (r->is_hopeless)
        return -EIO;
    const uint64_t due_ns = remote_deadline(r->remote);
    return io_turn(r->cfg.io, due_ns < now_ns + WAIT_NS ? due_ns : now_ns + WAIT_NS);
}

static int turns_until_free(struct replay_sink *r)
{
    int n = 0;
    while (n >= 0 && r->under_way == PARCELS_MAX)
        n = turn(r);
    return n < 0 ? n : 0;
}

static int hand_over(struct replay_sink *r)
{
    struct ticket *t = r->ticket;
    const int n = turns_until_free(r);
    if (n < 0)
        return n;
    while (t->owner)
        t++;
    *t = (struct ticket){ { on_settled, t }, r };
    parcel_seal(r->filling, clock_mono_ns());
    r->under_way++;
    remote_put(r->remote, r->filling, &t->ticket);
    parcel_unref(r->filling);
    r->filling = NULL;
    return 0;
}

static int make_room(struct replay_sink *r, uint32_t bytes)
{
    int n = 0;
    if (r->filling && r->filling->bytes + bytes > r->filling->cap)
        n = hand_over(r);
    if (n == 0 && !r->filling)
        r->filling = parcel_new(bytes > PARCEL_BYTES ? bytes : PARCEL_BYTES);
    return n < 0 ? n : r->filling ? 0 : -ENOMEM;
}

int replay_sink_put(struct replay_sink *r, const struct entry_head *entry)
{
    const int n = make_room(r, entry->bytes);
    if (n < 0)
        return n;
    struct parcel *p = r->filling;
    struct entry_head *to = (struct entry_head *)(void *)(p->data + p->bytes);
    memcpy(to, entry, entry->bytes);
    to->attempts = 0;
    p->oldest_ns = p->records && p->oldest_ns < to->time_ns ? p->oldest_ns : to->time_ns;
    p->youngest_ns = p->records && p->youngest_ns > to->time_ns ? p->youngest_ns : to->time_ns;
    p->bytes += to->bytes;
    p->payload_bytes += to->payload_len;
    p->records++;
    return 0;
}

/* What is under way ends; what is not delivered stays in its file. */
static void give_up(struct replay_sink *r)
{
    const uint64_t until_ns = clock_mono_ns() + LAST_NS;
    remote_stop(r->remote, clock_mono_ns());
    while (!remote_is_idle(r->remote, false) && clock_mono_ns() < until_ns) {
        remote_run(r->remote, clock_mono_ns());
        if (io_turn(r->cfg.io, clock_mono_ns() + WAIT_NS / 10) < 0)
            break;
    }
}

int replay_sink_settle(struct replay_sink *r, struct err *e)
{
    struct remote_stats stats;
    int n = r->is_hopeless ? -EIO : 0;
    if (n == 0 && r->filling)
        n = hand_over(r);
    remote_drain(r->remote); /* waits for no more records */
    while (n >= 0 && !remote_is_idle(r->remote, false))
        n = turn(r);
    if (n >= 0)
        return 0;
    remote_stats(r->remote, &stats);
    give_up(r);
    return err_set(e, n, "sink %s: %s; the records stay in their file", r->sink->common.name,
                   *stats.last_reason ? stats.last_reason : strerror(-n));
}

void replay_sink_stats(const struct replay_sink *r, struct remote_stats *ret)
{
    remote_stats(r->remote, ret);
}
