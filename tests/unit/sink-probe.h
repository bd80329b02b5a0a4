/* A sink as the core drives it, for tests: one batch at a time, its result remembered. */
#ifndef TESTS_UNIT_SINK_PROBE_H
#define TESTS_UNIT_SINK_PROBE_H

#include "tests/unit/io-probe.h"

#include "collector/sinks/sink.h"
#include "lib/base/check.h"
#include "tests/common/sink_new.h"

enum { PROBE_RECORDS_MAX = 4096, PROBE_CHUNKS = 2 };

struct sink_probe {
    struct io *io;
    struct sink *sink;
    int result;
    unsigned done, marks, warnings;
    bool in_write;
    struct err warning, err;
    struct sink_mark mark; /* as last persisted by mark_changed */
    struct sink_batch batch;
    struct sink_chunk chunks[PROBE_CHUNKS];
    uint32_t ends[PROBE_CHUNKS][PROBE_RECORDS_MAX];
};

__attribute__((unused)) static void sink_probe_done(struct sink *s, int result)
{
    struct sink_probe *const p = s->core;

    assert_false(p->in_write); /* the sinks of this project leave the caller's stack first */
    p->done++;
    p->result = result;
}

__attribute__((unused)) static void sink_probe_marked(struct sink *s)
{
    struct sink_probe *const p = s->core;

    p->marks++;
    s->ops->mark(s, &p->mark);
}

__attribute__((unused)) static void sink_probe_warned(struct sink *s, const struct err *e)
{
    struct sink_probe *const p = s->core;

    p->warnings++;
    p->warning = *e;
}

__attribute__((unused)) static struct sink_probe *sink_probe_new(const char *uri, struct io_config cfg)
{
    struct sink_probe *const p = calloc(1, sizeof *p);

    assert_int_equal(io_new(&cfg, &p->io, &p->err), 0);
    if (sink_new(uri, "test", &p->sink, &p->err) < 0)
        fail_msg("%s", p->err.text);
    p->sink->io = p->io;
    p->sink->done = sink_probe_done;
    p->sink->mark_changed = sink_probe_marked;
    p->sink->warn = sink_probe_warned;
    p->sink->core = p;
    return p;
}

__attribute__((unused)) static struct sink_probe *sink_probe_open(const char *uri, struct io_config cfg)
{
    struct sink_probe *const p = sink_probe_new(uri, cfg);

    if (p->sink->ops->open(p->sink, &p->err) < 0)
        fail_msg("%s", p->err.text);
    return p;
}

__attribute__((unused)) static void sink_probe_free(struct sink_probe *p)
{
    io_free(p->io);
    sink_free(p->sink);
    free(p);
}

__attribute__((unused)) static int sink_probe_close(struct sink_probe *p)
{
    const int r = p->sink->ops->close(p->sink, &p->err);

    sink_probe_free(p);
    return r;
}

/* Makes a batch of the lines of text, split between two chunks. The text must outlive it. */
__attribute__((unused)) static void sink_probe_batch(struct sink_probe *p, uint64_t id, const char *text,
                                                     size_t len)
{
    size_t begin = 0;

    p->batch = (struct sink_batch){ .id = id, .chunks = p->chunks, .bytes = len };
    for (unsigned c = 0; c < PROBE_CHUNKS; c++) {
        const size_t half = c + 1 < PROBE_CHUNKS ? len / PROBE_CHUNKS : len;
        struct sink_chunk *const chunk = &p->chunks[c];

        *chunk = (struct sink_chunk){ .data = text + begin, .buf_index = -1, .ends = p->ends[c] };
        while (begin + chunk->len < half) {
            const char *const at = text + begin + chunk->len;
            const char *const feed = memchr(at, '\n', len - begin - chunk->len);

            assert_non_null(feed);
            assert_true(chunk->records < PROBE_RECORDS_MAX);
            chunk->len += (uint32_t)(feed + 1 - at);
            p->ends[c][chunk->records++] = chunk->len;
        }
        begin += chunk->len;
        p->batch.records += chunk->records;
        p->batch.chunks_count++;
    }
    assert_int_equal(begin, len);
}

__attribute__((unused)) static void sink_probe_start(struct sink_probe *p)
{
    p->in_write = true;
    p->sink->ops->write(p->sink, &p->batch);
    p->in_write = false;
}

__attribute__((unused)) static int sink_probe_wait(struct sink_probe *p, unsigned done)
{
    const uint64_t deadline = clock_mono_ns() + 8 * NS_PER_S;

    while (p->done < done) {
        assert_true(clock_mono_ns() < deadline);
        assert_true(io_turn(p->io, deadline) >= 0);
    }
    assert_int_equal(p->done, done);
    return p->result;
}

/* Writes text as batch `id` and returns the result. */
__attribute__((unused)) static int sink_probe_write(struct sink_probe *p, uint64_t id, const char *text)
{
    const unsigned before = p->done;

    sink_probe_batch(p, id, text, strlen(text));
    sink_probe_start(p);
    return sink_probe_wait(p, before + 1);
}

#endif
