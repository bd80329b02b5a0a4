/* The spans of an image need no walk over the ring where the drain has counted what lies in them: they are those that
 * a walk finds. */
#include "collector/delivery/batch.h"
#include "collector/delivery/losses.h"
#include "collector/delivery/raw.h"
#include "tests/unit/ingest-fixture.h"

enum { LANES = 3, TAKEN_MAX = 16384 };

/* The first output is text, of the second images are made. */
static const struct outputs outputs = { .count = 2, .text_count = 1, .serialized_count = 2,
                                        .output = { { .kind = OUTPUT_TEXT, .level_mask = UINT32_MAX },
                                                    { .kind = OUTPUT_ENTRY, .level_mask = UINT32_MAX } } };

struct spans {
    struct batch batch;
    struct buffers buffers;
    struct fapilog_record_id taken[TAKEN_MAX];
};

static struct spans *spans_new(void)
{
    struct spans *s = calloc(1, sizeof *s);
    batch_begin(&s->batch, &outputs, 1);
    s->batch.images = 2;
    return s;
}

static void spans_free(struct spans *s)
{
    s->batch.checkpoint.count = 0;
    batch_done(&s->batch, &s->buffers);
    free(s);
}

/* So many records of the turn, as they would go into a batch. Returns how many there were. */
static uint64_t take_some(struct place *p, struct spans *s, uint64_t most)
{
    const struct fapilog_record *r;
    while (s->batch.records < most && (r = drain_peek(&p->drain))) {
        assert_true(s->batch.records < TAKEN_MAX);
        if (!r->internal)
            s->taken[s->batch.records] = r->id;
        s->batch.records += !r->internal;
        s->batch.chunk[1].image_records += !r->internal;
        s->batch.ring_bytes += drain_accept(&p->drain);
    }
    return s->batch.records;
}

static void collect(struct spans *s, const struct drain *d)
{
    struct err e = { 0 };
    s->batch.spans_count = 0;
    memset(s->batch.span_records, 0, sizeof s->batch.span_records);
    memset(s->batch.span_bytes, 0, sizeof s->batch.span_bytes);
    assert_int_equal(raw_collect(&s->batch, &outputs, d, &e), 0);
}

/* A span has one owner, who is that of all records in it. */
static void have_their_owners(const struct spans *s)
{
    for (uint64_t n = 0; n < s->batch.records; n++) {
        const struct fapilog_record_id *id = &s->taken[n];
        const struct sink_span *span = s->batch.span;
        while (span->lane != id->lane || id->position - span->position >= span->len)
            assert_true(++span < s->batch.span + s->batch.spans_count);
        assert_int_equal(span->generation, id->generation);
    }
}

static bool has_context(const struct sink_span *s)
{
    for (const char *at = s->data - s->before; at < s->data;) {
        uint64_t word0;
        memcpy(&word0, at, sizeof word0);
        assert_true(FAPILOG_WORD0_SIZE(word0) > 0);
        if (FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_CONTEXT)
            return true;
        at += FAPILOG_WORD0_SIZE(word0);
    }
    return false;
}

/* A walk may end a span where counting does not, at 4096 records: ends that both have come after as many. */
static void are_the_same(const struct batch *counted, const struct sink_span *walked, uint32_t walked_count)
{
    uint64_t records = 0, walked_records = 0, bytes = 0, walked_bytes = 0;
    uint32_t k = 0;
    for (uint32_t i = 0; i < counted->spans_count; i++) {
        const struct sink_span *s = &counted->span[i];
        const uint64_t from = bytes;
        assert_true(s->records <= IMAGE_RECORDS_MAX);
        bytes += s->len;
        records += s->records;
        for (; k < walked_count && walked_bytes < bytes; k++) {
            const struct sink_span *other = &walked[k];
            assert_int_equal(other->lane, s->lane);
            assert_int_equal(other->generation, s->generation);
            assert_int_equal(other->position - s->position, walked_bytes - from);
            assert_int_equal(other->data - s->data, walked_bytes - from);
            if (walked_bytes == from && other->before != s->before)
                assert_true(!s->before && !has_context(other));
            walked_bytes += other->len;
            walked_records += other->records;
        }
        if (walked_bytes == bytes)
            assert_int_equal(walked_records, records);
    }
    assert_int_equal(k, walked_count);
    assert_int_equal(walked_bytes, bytes);
    assert_int_equal(walked_records, records);
}

static struct sink_span *copy_of(const struct batch *b)
{
    struct sink_span *copy = calloc(b->spans_count + 1, sizeof *copy);
    memcpy(copy, b->span, b->spans_count * sizeof *copy);
    return copy;
}

/* Whatever lies in front of the positions that are committed may be written over. */
static void committed(struct place *p, struct spans *s)
{
    assert_int_equal(p->checkpoint.count, 0);
    p->checkpoint = s->batch.checkpoint;
    s->batch.checkpoint = (struct checkpoint){ .count = 0 };
    release_checkpoint(&p->checkpoint);
    p->checkpoint.count = 0;
    checkpoint_done(&p->checkpoint);
}

static void counted_as_walked(struct place *p, uint64_t most)
{
    struct spans *s = spans_new();
    if (take_some(p, s, most)) {
        assert_int_equal(drain_checkpoint(&p->drain, &s->batch.checkpoint, NULL), 0);
        collect(s, NULL);
        have_their_owners(s);
        const uint32_t walked_count = s->batch.spans_count;
        struct sink_span *walked = copy_of(&s->batch);
        collect(s, &p->drain);
        have_their_owners(s);
        are_the_same(&s->batch, walked, walked_count);
        free(walked);
        committed(p, s);
    }
    spans_free(s);
}

static void put_one(struct segment_builder *b, uint32_t lane, unsigned kind, uint64_t n)
{
    static struct payload payload;
    static const char text[9000] = { 0 };
    payload_init(&payload);
    payload_dynamic(&payload, kind < 9 ? 0 : 1, "m");
    switch (kind) {
    case 0:
        builder_context(b, lane, (uint32_t)n, &payload);
        break;
    case 1:
        payload_init(&payload);
        payload_dynamic(&payload, 1, "m");
        payload_name(&payload, FAPILOG_TYPE_BYTES, FAPILOG_ROLE_DATA, "long");
        payload_text(&payload, text, sizeof text);
        builder_put_large(b, lane, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &payload, 3000);
        break;
    case 9:
        payload_name(&payload, FAPILOG_TYPE_BYTES, FAPILOG_ROLE_DATA, "some");
        payload_text(&payload, text, (uint32_t)(n % 700));
        builder_put(b, lane, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &payload);
        break;
    default:
        builder_put(b, lane, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &payload);
    }
}

/* Contexts, records in several blocks, laps of the ring, batches that end anywhere. */
static void what_is_counted_is_what_a_walk_finds(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = LANES, .cap_log2 = 16 });
    assert_int_equal(attach(p, 0), 0);
    uint64_t random = 88172645463325252;
    for (unsigned turn = 0; turn < 400; turn++) {
        for (unsigned i = 0; i < 120; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            const unsigned kind = (unsigned)(random >> 8) % 64;
            put_one(b, (uint32_t)(random % LANES), kind < 10 ? kind : 9 - kind % 2, random >> 20);
            if (turn % 3 == 0 && kind == 0 && i % 7 == 0)
                builder_reclaim(b, (uint32_t)(random % LANES), 77, "another");
        }
        begin(p, DRAIN_ALL);
        while (drain_peek(&p->drain)) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            counted_as_walked(p, 1 + random % 90);
        }
    }
}

/* A batch of more records than a span may hold. */
static void spans_of_many_records_are_divided(void **state)
{
    struct place *p = *state;
    p->settings.lane_budget_bytes = 4 << 20;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 20, .block_log2 = 14 });
    assert_int_equal(attach(p, 0), 0);
    for (unsigned turn = 0; turn < 5; turn++) {
        for (unsigned i = 0; i < 12000; i++)
            put_one(b, 0, 8, 0);
        do {
            begin(p, DRAIN_ALL);
            while (drain_peek(&p->drain))
                counted_as_walked(p, 11000);
        } while (p->drain.has_more);
    }
}

/* Nothing of the records themselves is needed: by now they are zeros. */
static void the_ring_is_not_walked(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    assert_int_equal(attach(p, 0), 0);
    struct spans *s = spans_new();
    for (uint64_t n = 0; n < 200; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    begin(p, DRAIN_ALL);
    while (drain_peek(&p->drain))
        assert_true(take_some(p, s, 200) > 0);
    assert_int_equal(drain_checkpoint(&p->drain, &s->batch.checkpoint, NULL), 0);
    for (uint64_t block = 0; block < builder_lane(b, 0)->tail; block += 4096)
        memset(builder_at(b, 0, block + sizeof(struct fapilog_block)), 0, 4096 - sizeof(struct fapilog_block));
    collect(s, &p->drain);
    assert_int_equal(s->batch.spans_count, 1);
    assert_int_equal(s->batch.span[0].records, s->batch.records);
    /* A record that the output does not want, damage, and a lane that is written over are looked for. */
    s->batch.chunk[1].image_records--;
    collect(s, &p->drain);
    assert_int_equal(s->batch.span_records[1], 0);
    s->batch.chunk[1].image_records++;
    s->batch.checkpoint.item[0].is_rough = true;
    collect(s, &p->drain);
    assert_int_equal(s->batch.span_records[1], 0);
    committed(p, s);
    spans_free(s);
}

static void damage_is_walked_over(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    assert_int_equal(attach(p, 0), 0);
    for (uint64_t n = 0; n < 20; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    const uint64_t damaged = builder_lane(b, 0)->tail;
    for (uint64_t n = 0; n < 20; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    memset(builder_at(b, 0, damaged), 0xff, 8);
    put(b, 0, FAPILOG_LEVEL_INFO, 40);
    begin(p, DRAIN_ALL);
    struct spans *s = spans_new();
    assert_int_equal(take_some(p, s, 100), 20);
    assert_int_equal(drain_checkpoint(&p->drain, &s->batch.checkpoint, NULL), 0);
    assert_true(s->batch.checkpoint.item[0].is_rough);
    committed(p, s);
    spans_free(s);
}

static const struct outputs raw = { .count = 1, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX } } };

/* A turn with so many drops before it and its losses; the batch is its owner. */
static struct spans *turn_with_drops(struct place *p, const struct outputs *o, uint64_t dropped)
{
    struct err e = { 0 };
    struct spans *s = spans_new();
    s->batch.images = 0;
    builder_lane(&p->builder[0], 1)->dropped = dropped;
    put(&p->builder[0], 0, FAPILOG_LEVEL_INFO, dropped);
    begin(p, DRAIN_ALL);
    (void)take_some(p, s, 100);
    assert_int_equal(drain_checkpoint(&p->drain, &s->batch.checkpoint, NULL), 0);
    assert_int_equal(losses_collect(&s->batch, o, &e), 0);
    return s;
}

static void losses_are_told_when_they_move(void **state)
{
    struct place *p = *state;
    (void)make(p, &(struct builder_options){ .lanes = 2 });
    put(&p->builder[0], 1, FAPILOG_LEVEL_INFO, 0);
    assert_int_equal(attach(p, 0), 0);
    static const uint64_t dropped[] = { 0, 5, 5, 9 }, told[] = { 0, 1, 0, 1 };
    for (unsigned i = 0; i < 4; i++) {
        struct spans *s = turn_with_drops(p, &raw, dropped[i]);
        assert_int_equal(s->batch.losses_count, told[i]);
        if (told[i]) {
            assert_int_equal(s->batch.loss[0].lane, 1);
            assert_int_equal(s->batch.loss[0].dropped, dropped[i]);
            assert_ptr_equal(s->batch.loss[0].super, &p->segments.source[0]->seg->sb);
        }
        committed(p, s);
        spans_free(s);
    }
    p->builder[0].sb->orphan_dropped = 3;
    struct spans *s = turn_with_drops(p, &raw, 9);
    assert_int_equal(s->batch.losses_count, 1);
    assert_int_equal(s->batch.loss[0].lane, UINT32_MAX);
    assert_int_equal(s->batch.loss[0].no_lane, 3);
    committed(p, s);
    spans_free(s);
    s = turn_with_drops(p, &outputs, 12); /* no output takes spans: they are told by records */
    assert_int_equal(s->batch.losses_count, 0);
    committed(p, s);
    spans_free(s);
}

static void batches_that_become_one_tell_the_losses_of_both(void **state)
{
    struct place *p = *state;
    (void)make(p, &(struct builder_options){ .lanes = 2 });
    put(&p->builder[0], 1, FAPILOG_LEVEL_INFO, 0);
    assert_int_equal(attach(p, 0), 0);
    static const uint64_t dropped[][2] = { { 5, 9 }, { 9, 11 }, { 12, 12 }, { 12, 13 } };
    for (unsigned i = 0; i < 4; i++) {
        struct spans *a = turn_with_drops(p, &raw, dropped[i][0]), *b = turn_with_drops(p, &raw, dropped[i][1]);
        assert_true(batch_merge(&a->batch, &b->batch, &a->buffers, &raw, 1));
        assert_int_equal(a->batch.losses_count, 1);
        assert_int_equal(a->batch.loss[0].dropped, dropped[i][1]);
        committed(p, a);
        spans_free(b);
        spans_free(a);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_counted_is_what_a_walk_finds),
        T(spans_of_many_records_are_divided),
        T(the_ring_is_not_walked),
        T(damage_is_walked_over),
        T(losses_are_told_when_they_move),
        T(batches_that_become_one_tell_the_losses_of_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
