#include "tests/common/fake_remote.h"

#include "collector/delivery/image.h"
#include "collector/format/reencode.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fake *fake_of(struct sink *s)
{
    return *(struct fake **)s->state;
}

uint64_t fake_number(const struct entry_head *h)
{
    return h->position / 8;
}

static void note(struct fake *f, const struct entry_head *h)
{
    const uint64_t n = fake_number(h);
    if (n >= f->delivered_cap) {
        const uint64_t cap = 2 * n + 1024;
        f->delivered = realloc(f->delivered, cap);
        CHECK(f->delivered != NULL);
        memset(f->delivered + f->delivered_cap, 0, cap - f->delivered_cap);
        f->delivered_cap = cap;
    }
    if (!f->delivered[n] && f->last[h->lane] > n)
        f->order_breaks++;
    f->last[h->lane] = n > f->last[h->lane] ? n : f->last[h->lane];
    f->delivered[n]++;
}

static bool holds(const uint32_t *list, uint32_t count, uint32_t n)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == n)
            return true;
    return false;
}

static void answer(struct fake *f, struct sink_request *q, const struct sink_result *a)
{
    for (uint32_t i = 0; i < q->count && a->outcome == SINK_DELIVERED; i++)
        if (!holds(a->rejected, a->rejected_count, i) && !holds(a->retry, a->retry_count, i))
            note(f, q->entry[i]);
    sink_request_done(f->sink, q, a);
}

static void on_send(struct sink *s, struct sink_request *q)
{
    struct fake *f = fake_of(s);
    struct sink_result a = { .outcome = SINK_DELIVERED, .status = 200 };
    f->requests++;
    f->last_count = q->count;
    f->last_attempt = q->attempt;
    if (!f->script || f->script(f, q, &a)) {
        answer(f, q, &a);
        return;
    }
    CHECK(f->held_count < FAKE_HELD_MAX);
    f->held[f->held_count++] = q;
}

void fake_answer(struct fake *f, unsigned held, const struct sink_result *a)
{
    struct sink_request *q = f->held[held];
    CHECK(held < f->held_count);
    f->held_count--;
    memmove(f->held + held, f->held + held + 1, (f->held_count - held) * sizeof f->held[0]);
    answer(f, q, a);
}

static void on_cancel(struct sink *s, struct sink_request *q)
{
    struct fake *f = fake_of(s);
    const struct sink_result a = { .outcome = SINK_RETRY, .reason = "no answer in time" };
    f->cancelled++;
    for (unsigned i = 0; i < f->held_count; i++) {
        if (f->held[i] == q) {
            fake_answer(f, i, &a);
            return;
        }
    }
}

static void on_limits(struct sink *s, struct sink_limits *ret)
{
    *ret = fake_of(s)->limits;
}

static int on_open(struct sink *s, struct err *e)
{
    (void)s, (void)e;
    return 0;
}

static const struct opt no_opts[] = { OPT_END };
static const struct sink_remote_ops remote_ops = { .limits = on_limits, .send = on_send, .cancel = on_cancel };
static const struct sink_ops ops = {
    .abi = SINK_ABI, .scheme = "fake", .summary = "answers as it is told", .opts = no_opts,
    .state_size = sizeof(struct fake *), .remote = &remote_ops,
    .open = on_open, .close = on_open,
};

static void on_message(void *arg, const char *text)
{
    struct fake *f = arg;
    CHECK(strncmp(text, "sink fake: ", 11) == 0); /* as all that the log says of a sink */
    (void)snprintf(f->message, sizeof f->message, "%s", text);
    f->messages++;
}

void fake_init(struct fake *f, const struct io_config *io)
{
    struct err e;
    *f = (struct fake){ .now_ns = clock_mono_ns() };
    f->last = f->last_own;
    const char *given = getenv("TMPDIR"), *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(f->state, sizeof f->state, "%s/fapilog-remote-XXXXXX", given ? given : dir);
    CHECK(mkdtemp(f->state) != NULL);
    CHECK(io_new(io, &f->io, &e) == 0);
    CHECK(sink_new_empty(&ops, &f->sink, &e) == 0);
    f->sink->common.name = strdup("fake");
    CHECK(sink_finish(f->sink, &e) == 0);
    CHECK(format_open("json", &(struct format_config){ .source = false }, 0, &f->sink->format, &e) == 0);
    *(struct fake **)f->sink->state = f;
    f->sink->io = f->io;
}

void fake_option(struct fake *f, const char *name, const char *value)
{
    struct err e = { 0 };
    if (opt_set(opt_find(sink_delivery_opts, name), &f->sink->delivery, value, &e) < 0) {
        (void)fprintf(stderr, "%s\n", e.text);
        abort();
    }
}

int fake_start(struct fake *f, struct err *e)
{
    const struct remote_config cfg = {
        .io = f->io, .state_dir = f->state, .seed = 1, .on_message = on_message, .message_arg = f,
    };
    return remote_open(f->sink, &cfg, &f->r, e);
}

void fake_stop(struct fake *f)
{
    const struct sink_result a = { .outcome = SINK_RETRY };
    while (f->held_count)
        fake_answer(f, 0, &a);
    remote_close(f->r);
    f->r = NULL;
}

static int on_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void fake_done(struct fake *f)
{
    if (f->r)
        fake_stop(f);
    format_close(f->sink->format);
    sink_free(f->sink);
    io_free(f->io);
    if (!f->is_shared)
        free(f->delivered);
    (void)nftw(f->state, on_file, 16, FTW_DEPTH | FTW_PHYS);
}

struct parcel *fake_parcel(struct fake *f, uint32_t count, uint32_t bytes)
{
    const size_t one = entry_bound(bytes);
    struct parcel *p = parcel_new(one * count + 64);
    CHECK(p != NULL);
    for (uint32_t i = 0; i < count; i++) {
        struct fapilog_record r = { .level = 9, .time_ns = (int64_t)clock_real_ns() };
        struct entry_head *h = (struct entry_head *)(void *)(p->data + p->bytes);
        char *payload = (char *)(h + 1);
        r.id.uuid[0] = 7;
        r.id.lane = (uint32_t)(f->next % FAKE_LANES);
        r.id.position = 8 * f->next; /* as in a ring */
        memset(payload, 'x', bytes);
        const int n = snprintf(payload, bytes, "record %llu", (unsigned long long)f->next++);
        if (n >= 0 && (uint32_t)n < bytes)
            payload[n] = ' ';
        p->bytes += (uint64_t)(entry_finish(h, &r, 0, 0, payload + bytes) - (char *)h);
        p->records++;
        p->payload_bytes += bytes;
    }
    parcel_seal(p, f->now_ns);
    return p;
}

/* A record in the bytes of the ring. */
static void fill_span(struct fake *f, struct sink_span *span, char *data, const char *message, uint32_t bytes)
{
    static struct fapilog_superblock super = { .clock_kind = FAPILOG_CLOCK_MONOTONIC, .counter_hz = 1000000000,
                                               .uuid_hi = 7, .registry_size = 4096 };
    static struct fapilog_process_info process = { .uuid = { 7 } };
    static struct fapilog_logger_info logger;
    const struct fapilog_record r = { .level = 9, .message = { message, bytes }, .process = &process, .logger = &logger,
                                      .cycles = clock_mono_ns() };
    super.t0_cycles = r.cycles;
    super.t0_real_ns = clock_real_ns();
    *span = (struct sink_span){
        .process = &process, .super = &super, .lane = (uint32_t)(f->next % FAKE_LANES), .position = 8 * f->next++,
        .records = 1, .is_apart = true, .data = data,
        .len = (uint32_t)reencode_write(&r, &(struct reencode_options){ .limit = 0 }, (uint8_t *)data),
    };
}

/* The records of an image, where a ring would have them. */
struct source {
    struct sink_span *span;
    char *data, *message;
};

static struct source source_make(struct fake *f, uint32_t count, uint32_t bytes)
{
    const size_t one = (bytes + 512) & ~(size_t)7;
    const struct source s = { calloc(count, sizeof *s.span), calloc(count, one), calloc(1, bytes + 1) };
    CHECK(s.span && s.data && s.message);
    memset(s.message, 'x', bytes);
    for (uint32_t i = 0; i < count; i++)
        fill_span(f, &s.span[i], s.data + i * one, s.message, bytes);
    return s;
}

static void source_free(struct source *s)
{
    free(s->span);
    free(s->data);
    free(s->message);
}

struct parcel *fake_image(struct fake *f, uint32_t count, uint32_t bytes)
{
    const struct image_used none = {0};
    struct source s = source_make(f, count, bytes);
    struct parcel *p;
    uint32_t taken;
    CHECK(image_new(&none, s.span, count, &taken, &p) == 0 && taken == count);
    p->oldest_ns = p->youngest_ns = (int64_t)clock_real_ns();
    p->sealed_ns = f->now_ns;
    source_free(&s);
    return p;
}

bool fake_take_image(struct fake *f, uint32_t count, uint32_t bytes, bool is_short)
{
    const struct image_used none = {0};
    struct image_draft d = { .count = 0 };
    struct source s = source_make(f, count, bytes);
    CHECK(image_draft(&d, &none, s.span, count) == 0 && d.taken == count);
    const bool is_taken = remote_take_image(f->r, &d, (int64_t)clock_real_ns(), is_short);
    image_draft_done(&d);
    source_free(&s);
    return is_taken;
}

static void on_settled(struct remote_ticket *t)
{
    ((struct fake_ticket *)(void *)t)->settled++;
}

void fake_put_parcel(struct fake *f, struct parcel *p, struct fake_ticket *t)
{
    *t = (struct fake_ticket){ .t = { .settled = on_settled } };
    remote_put(f->r, p, &t->t);
    parcel_unref(p);
}

void fake_put(struct fake *f, uint32_t count, uint32_t bytes, struct fake_ticket *t)
{
    fake_put_parcel(f, fake_parcel(f, count, bytes), t);
}

void fake_run(struct fake *f, uint64_t ns)
{
    f->now_ns += ns;
    CHECK(io_turn(f->io, io_inflight(f->io) ? clock_mono_ns() + NS_PER_MS : 0) >= 0);
    remote_run(f->r, f->now_ns);
}

struct remote_stats fake_stats(const struct fake *f)
{
    struct remote_stats st;
    remote_stats(f->r, &st);
    return st;
}

bool fake_is_balanced(const struct fake *f)
{
    const struct remote_stats s = fake_stats(f);
    return s.taken == s.delivered + s.dropped_full + s.dropped_spool_size + s.dropped_spool_age + s.dropped_corrupt +
                          s.dropped_refused + s.dead + s.queued_records + s.spooled_records;
}
