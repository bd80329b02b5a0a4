#include "tests/common/remote_run.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/sink_new.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_NS (60 * NS_PER_S)

static uint32_t *copy(const uint32_t *from, uint32_t count)
{
    uint32_t *to = calloc(count + 1, sizeof *to);
    CHECK(to);
    if (count)
        memcpy(to, from, count * sizeof *to);
    return to;
}

static void on_request_done(struct sink *s, struct sink_request *q, const struct sink_result *result)
{
    struct remote_run_request *r = q->core;
    (void)s;
    CHECK(q->work == NULL);
    r->is_done = true;
    r->done_count++;
    r->result = *result;
    r->result.rejected = copy(result->rejected, result->rejected_count);
    r->result.retry = copy(result->retry, result->retry_count);
}

int remote_run_open(struct remote_run *r, const char *uri, struct err *e)
{
    *r = (struct remote_run){0};
    int result = io_new(&(struct io_config){.kind = IO_AUTO}, &r->io, e);
    if (result < 0)
        return result;
    result = sink_new(uri, "test", &r->sink, e);
    if (result < 0)
        return result;
    r->sink->io = r->io;
    r->sink->request_done = on_request_done;
    if (r->sink->common.format) {
        const struct format_config cfg = {.source = r->sink->common.source};
        result = format_open(r->sink->common.format, &cfg, 0, &r->sink->format, e);
    }
    return result < 0 ? result : r->sink->ops->open(r->sink, e);
}

void remote_run_close(struct remote_run *r)
{
    struct err e = {0};
    remote_run_forget(r);
    if (r->sink) {
        CHECK(r->sink->ops->close(r->sink, &e) == 0);
        if (r->sink->format)
            format_close(r->sink->format);
        sink_free(r->sink);
    }
    io_free(r->io);
    *r = (struct remote_run){0};
}

struct entry_head *remote_run_encode(struct remote_run *r, const struct fapilog_record *record)
{
    struct sink *s = r->sink;
    const struct sink_remote_ops *ops = s->ops->remote;
    const size_t bound = ops->encode ? ops->encode_bound(s, record) : s->format->ops->bound(s->format, record);
    struct entry_head *h = malloc(entry_bound(bound) + 64);
    uint16_t group = 0, meta = 0;
    char *end;
    CHECK(h);
    if (ops->encode) {
        end = ops->encode(s, record, (char *)(h + 1), &group, &meta);
    } else {
        end = s->format->ops->write(s->format, record, (char *)(h + 1));
        end -= s->format->ops->is_lines;
    }
    CHECK((size_t)(end - (char *)(h + 1)) <= bound);
    (void)entry_finish(h, record, group, meta, end);
    CHECK(entry_at((const char *)h, h->bytes) == h);
    return h;
}

struct entry_head *remote_run_entry(struct remote_run *r, uint64_t n, int64_t base_ns, uint32_t text_bytes)
{
    static const uint8_t levels[] = {FAPILOG_LEVEL_INFO, FAPILOG_LEVEL_ERROR, FAPILOG_LEVEL_DEBUG};
    struct sample *s = sample_new(SAMPLE_EMPTY);
    char *text = malloc((size_t)text_bytes + 8);
    CHECK(text);
    memset(text, 'x', text_bytes);
    memcpy(text, "gr\xc3\xbc\xc3\x9f", 6);
    text[text_bytes > 6 ? text_bytes : 6] = '\0';
    s->logger.name = sample_text("orders.matching");
    s->process.service = sample_text("orders");
    s->r.process = &s->process;
    s->r.logger = &s->logger;
    s->r.level = levels[n % ARRAY_COUNT(levels)];
    s->r.message = sample_text("load");
    s->r.time_ns = base_ns + (int64_t)n;
    s->r.id.position = 64 * n;
    sample_add(s, sample_int("n", (int64_t)n));
    sample_add(s, sample_string("text", text));
    sample_add(s, sample_string("trace_id", "0123456789abcdef0123456789abcdef"));
    struct entry_head *h = remote_run_encode(r, &s->r);
    free(text);
    sample_free(s);
    return h;
}

struct remote_run_request *remote_run_send(struct remote_run *r, struct entry_head *const *entry, uint32_t count,
                                           uint32_t attempt)
{
    CHECK(r->requests < REMOTE_RUN_REQUESTS);
    struct remote_run_request *q = &r->request[r->requests++];
    const struct entry_head *const *entries = (const struct entry_head *const *)entry;
    q->q = (struct sink_request){.entry = entries, .count = count, .attempt = attempt, .core = q,
                                 .deadline_ns = clock_mono_ns() + r->sink->delivery.timeout_ns};
    for (uint32_t i = 0; i < count; i++)
        q->q.bytes += entry[i]->payload_len;
    r->sink->ops->remote->send(r->sink, &q->q);
    return q;
}

void remote_run_wait(struct remote_run *r)
{
    const uint64_t until = clock_mono_ns() + WAIT_NS;
    for (unsigned i = 0; i < r->requests; i++)
        while (!r->request[i].is_done) {
            CHECK(clock_mono_ns() < until);
            CHECK(io_turn(r->io, until) >= 0);
        }
    for (unsigned i = 0; i < r->requests; i++)
        CHECK(r->request[i].done_count == 1);
}

void remote_run_forget(struct remote_run *r)
{
    for (unsigned i = 0; i < r->requests; i++) {
        free((void *)(uintptr_t)r->request[i].result.rejected);
        free((void *)(uintptr_t)r->request[i].result.retry);
        r->request[i] = (struct remote_run_request){0};
    }
    r->requests = 0;
}
