/* Raw spans: stretches of lanes as they are, for sinks that write the ring's own bytes. */
#include "collector/delivery/batch.h"
#include "collector/delivery/raw.h"
#include "collector/ingest/walk.h"
#include "tests/unit/ingest-fixture.h"

#include <pthread.h>
#include <sys/mman.h>

/* Walking by headers passes exactly what decoding passes. */
static void spans_cover_what_decoding_delivers(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 17 });
    static struct payload large;
    payload_init(&large);
    payload_dynamic(&large, 0, "large");
    static char fill[9000];
    payload_put(&large, fill, sizeof fill, 1);
    for (uint64_t n = 0; n < 300; n++) {
        put(b, 0, FAPILOG_LEVEL_INFO, n);
        if (n % 60 == 59)
            builder_put_large(b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &large, 1000);
    }
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    p->settings.lane_budget_bytes = 5000;
    uint64_t all = 0, records, bytes = 0;
    do {
        begin(p, DRAIN_ALL);
        uint64_t taken;
        while ((taken = drain_take_span(&p->drain, 3000, &records))) {
            all += records;
            bytes += taken;
        }
        commit(p);
    } while (p->drain.has_more);
    assert_int_equal(all, 305);
    assert_int_equal(bytes, builder_lane(b, 0)->tail);
    assert_int_equal(builder_slot(b, 0)->delivered, 305);
}

static void spans_keep_to_what_is_asked_for(void **state)
{
    enum { EVENTS = 1000, ASKED = 1000 };
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 17 });
    uint64_t all = 0, spans = 0, records, taken;
    for (uint64_t n = 0; n < EVENTS; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    do {
        begin(p, DRAIN_ALL);
        while ((taken = drain_take_span(&p->drain, ASKED, &records))) {
            assert_true(taken <= ASKED);
            all += records;
            spans++;
        }
        commit(p);
    } while (p->drain.has_more);
    assert_int_equal(all, EVENTS);
    assert_true(spans <= builder_lane(b, 0)->tail / (ASKED / 2) + 1); /* and do not waste it */
}

/* A lane that ends with a block: where the next one will be there may be no memory, and on a full tmpfs there will
 * be none. */
static void spans_leave_alone_what_lies_behind_the_tail(void **state)
{
    (void)state;
    const uint64_t block = UINT64_C(1) << 16;
    void *data = mmap(NULL, 2 * block, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(data != MAP_FAILED);
    struct segment_lane lane = { .cap_log2 = 17, .block_log2 = 16 };
    struct segment segment = { .base = data, .lanes = &lane, .lanes_count = 1 };
    struct source source = { .seg = &segment };
    const struct lane l = { .source = &source, .taken = block, .tail = block };
    struct walk w;
    walk_lane(&l, 1000, &w);
    assert_int_equal(w.to, block);
    assert_int_equal(w.records, 0);
    assert_int_equal(munmap(data, 2 * block), 0);
}

/* What a sink of raw spans gets of a batch: bytes of the lane, one entry each, and the records in them. */
struct raw_share {
    uint64_t records, from, bytes;
    uint32_t spans;
    uint8_t has[1 << 16]; /* by position in the ring: who wrote what is there, 0: it is in no span */
};

static void take_raw(struct batch *batch, const struct outputs *outputs, struct raw_share *ret)
{
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    batch_begin(batch, outputs, 1);
    assert_int_equal(raw_collect(batch, outputs, NULL, &e), 0);
    for (uint32_t i = 0; i < outputs->count; i++) {
        struct raw_share *all = &ret[i];
        memset(all, 0, sizeof *all);
        all->spans = batch->span_first[i + 1] - batch->span_first[i];
        for (uint32_t k = batch->span_first[i]; k < batch->span_first[i + 1]; k++) {
            const struct sink_span *span = &batch->span[k];
            const uint64_t at = span->position % sizeof all->has;
            assert_true(span->position >= all->from); /* in order */
            assert_true(at + span->len <= sizeof all->has);
            all->from = span->position + span->len;
            all->bytes += span->len;
            all->records += span->records;
            memset(all->has + at, (int)span->generation, span->len);
        }
        assert_int_equal(all->records, batch->span_records[i]);
        assert_int_equal(all->bytes, batch->span_bytes[i]);
    }
    batch_end(batch, &buffers);
}

/* Raw outputs take runs that were walked as they are; to walk them again gives the same. */
static void noted_runs_are_what_walking_them_gives(void **state)
{
    struct place *p = *state;
    static struct raw_share noted[2], walked[2];
    static struct payload large;
    static char fill[3000];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    uint64_t all = 0, wanted = 0, records;
    const struct outputs outputs = {
        .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX },
                                { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_ERROR } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 16 });
    payload_init(&large);
    payload_dynamic(&large, 0, "large");
    payload_put(&large, fill, sizeof fill, 1);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    p->settings.lane_budget_bytes = 3000;
    for (unsigned round = 0; round < 40; round++) { /* some ten times around the lane */
        const uint8_t level = round % 4 == 1 ? FAPILOG_LEVEL_ERROR : FAPILOG_LEVEL_INFO;
        for (uint64_t n = 0; n < 300; n++) {
            put(b, 0, n == 150 && round % 4 == 2 ? FAPILOG_LEVEL_ERROR : level, n);
            if (n == 150 && round % 8 == 5) /* the next thread of the lane; a span is of one */
                builder_reclaim(b, 0, 77, "another");
        }
        if (round % 2) /* in the midst of what is wanted, and of what is not */
            builder_put_large(b, 0, FAPILOG_KIND_DYNAMIC, round % 4 == 3 ? FAPILOG_LEVEL_ERROR : FAPILOG_LEVEL_INFO, 0,
                              0, &large, 1000);
        uint64_t taken = 0;
        do {
            begin(p, DRAIN_ALL);
            while (drain_take_span(&p->drain, 2000, &records))
                taken += records;
        } while (p->drain.has_more);
        assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
        struct lane_reader *reader = p->segments.source[0]->lane[0].reader;
        assert_true(reader->runs_count > 0 && reader->run[0].from >= batch.checkpoint.item[0].from);
        take_raw(&batch, &outputs, noted);
        const uint32_t runs = reader->runs_count;
        reader->runs_count = 0;
        take_raw(&batch, &outputs, walked);
        reader->runs_count = runs;
        release_checkpoint(&batch.checkpoint);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(noted[i].records, walked[i].records);
            assert_memory_equal(noted[i].has, walked[i].has, sizeof noted[i].has);
        }
        assert_int_equal(noted[0].records, taken);
        all += noted[0].records;
        wanted += noted[1].records;
    }
    assert_int_equal(all, 40 * 300 + 20);
    assert_int_equal(wanted, 10 * 300 + 10 + 10);
    batch_done(&batch, &buffers);
}

/* The level of a chain stands at the start of its payload: one without payload has none, and says nothing of what lies
 * behind it. At the end of the last lane nothing does. */
static void a_fragment_without_payload_takes_no_level_from_what_lies_behind_it(void **state)
{
    struct place *p = *state;
    static struct raw_share got[2];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    uint64_t records;
    const uint64_t error = FAPILOG_WORD0(0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_ERROR, 0, 0);
    const struct outputs outputs = {
        .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_INFO },
                                { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_ERROR } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 16 });
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    builder_put(b, 0, FAPILOG_KIND_FRAGMENT, FAPILOG_LEVEL_INFO, 0, 3, NULL); /* the first and the last */
    memcpy(builder_at(b, 0, b->lanes[0].pos), &error, sizeof error);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    begin(p, DRAIN_ALL);
    while (drain_take_span(&p->drain, 4096, &records))
        ;
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    take_raw(&batch, &outputs, got);
    release_checkpoint(&batch.checkpoint);
    assert_int_equal(got[0].records, 1);
    assert_int_equal(got[1].records, 0);
    batch_done(&batch, &buffers);
}

struct vandal {
    struct segment_builder *b;
    uint32_t stop;
};

static void *vandalise(void *arg)
{
    struct vandal *v = arg;
    unsigned seed = 5;
    while (!load_acq(&v->stop)) {
        const size_t at = 4096 + (size_t)rand_r(&seed) % (v->b->bytes - 4096);
        v->b->base[at] = (uint8_t)rand_r(&seed);
    }
    return NULL;
}

static volatile uint64_t sum; /* keeps the reads */

/* Spans of a batch of raw records, which lie in the ring or in copies of it whatever is there. */
static void take_what_changes(struct place *p)
{
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    const struct outputs outputs = {
        .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX },
                                { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_INFO } } };
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    batch_begin(&batch, &outputs, 1);
    assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
    for (uint32_t i = 0; i < batch.spans_count; i++) {
        const struct sink_span *span = &batch.span[i];
        const struct segment *seg = p->segments.source[0]->seg;
        const char *const base = (const char *)seg->base, *const from = span->data - span->before;
        assert_true(seg->sb.uuid_lo == span->super->uuid_lo && span->registry_tail <= seg->sb.registry_size);
        const struct segment_lane *lane = &seg->lanes[span->lane];
        if (from >= base && from < base + seg->bytes) {
            assert_true(from >= base + lane->data_off);
            assert_true(span->data + span->len <= base + lane->data_off + (UINT64_C(1) << lane->cap_log2));
        }
        for (const char *at = from; at < span->data + span->len; at++)
            sum += (uint8_t)*at;
    }
    drain_release_copies(&batch.checkpoint);
    release_checkpoint(&batch.checkpoint);
    batch_end(&batch, &buffers);
    batch_done(&batch, &buffers);
}

/* A producer that writes anything anywhere while it is read: no crash, no endless turn. */
static void bytes_that_change_while_they_are_read_do_no_harm(void **state)
{
    struct place *p = *state;
    p->settings.merge_window_ns = 0;
    const uint64_t end_ns = clock_mono_ns() + 1500 * NS_PER_MS;
    for (unsigned round = 0; clock_mono_ns() < end_ns; round++) {
        char path[128];
        struct segment_builder b;
        (void)snprintf(path, sizeof path, "%s/v%u.ring", p->dir, round);
        const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        (void)builder_sample(&b, fd);
        struct vandal v = { .b = &b };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, vandalise, &v), 0);
        p->drain.is_raw_only = round % 3 == 2;
        (void)segments_attach(&p->segments, strrchr(path, '/') + 1);
        for (int turn = 0; turn < 20; turn++) {
            begin(p, turn % 2 ? DRAIN_ALL : 0);
            uint64_t records;
            if (p->drain.is_raw_only) {
                while (drain_take_span(&p->drain, 1000, &records))
                    ;
                take_what_changes(p);
                continue;
            }
            while (drain_peek(&p->drain))
                (void)drain_accept(&p->drain);
            commit(p);
        }
        store_rel(&v.stop, 1u);
        (void)pthread_join(thread, NULL);
        for (uint32_t i = 0; i < p->segments.count; i++)
            segments_quarantine(&p->segments, p->segments.source[i], "end of the round");
        segments_probe(&p->segments, clock_mono_ns(), true);
        assert_int_equal(p->segments.count, 0);
        builder_done(&b);
        (void)close(fd);
        (void)unlink(path);
    }
}

/* The lane is written over between being read and being copied for sinks that want spans: they have what others
 * have. */
static void raw_outputs_have_what_was_read_of_an_overwriting_lane(void **state)
{
    enum { BEFORE = 100, LOG2 = 14, BYTES = 1 << LOG2 };
    struct place *p = *state;
    static uint64_t got[1000];
    static uint8_t were[BYTES];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    uint64_t from = 0;
    const struct outputs outputs = { .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX },
                                                             { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = LOG2,
                                                                   .mode = FAPILOG_MODE_OVERWRITE });
    assert_int_equal(attach(p, 0), 0);
    for (unsigned round = 0; round < 2; round++) { /* the second one begins inside a block */
        for (uint64_t n = 0; n < BEFORE; n++)
            put(b, 0, FAPILOG_LEVEL_INFO, n);
        begin(p, DRAIN_ALL);
        assert_int_equal(take(p, got, 1000), BEFORE);
        batch_begin(&batch, &outputs, 1);
        assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
        memcpy(were, builder_at(b, 0, 0), BYTES);
        const uint64_t intent = builder_lane(b, 0)->intent;
        builder_lane(b, 0)->intent += UINT64_C(1) << 20; /* more than the lane holds */
        memset(builder_at(b, 0, 0), 0xff, BYTES);
        assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
        drain_release_copies(&batch.checkpoint);
        const struct lane_cursor *c = &p->segments.source[0]->lane[0].reader->cursor;
        assert_null(lane_copies_next(c, lane_copies_first(c)));
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(batch.span_records[i], BEFORE);
            assert_int_equal(batch.span_bytes[i], batch.checkpoint.position[0].done - from);
        }
        for (uint32_t k = 0; k < batch.spans_count; k++) {
            assert_int_equal(batch.span[k].generation, 1);
            assert_memory_equal(batch.span[k].data, were + batch.span[k].position % BYTES, batch.span[k].len);
        }
        memcpy(builder_at(b, 0, 0), were, BYTES);
        builder_lane(b, 0)->intent = intent;
        from = batch.checkpoint.position[0].done;
        release_checkpoint(&batch.checkpoint);
        batch_end(&batch, &buffers);
    }
    batch_done(&batch, &buffers);
}

/* The cursor has copied all of a block, read one record of it, and then finds itself a lap behind. */
static void what_counts_as_lost_is_in_no_raw_output(void **state)
{
    enum { CAP = 1 << 14 };
    struct place *p = *state;
    static uint64_t got[1000];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    const struct outputs outputs = { .count = 1, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 14,
                                                                   .mode = FAPILOG_MODE_OVERWRITE });
    p->settings.lane_budget_bytes = 16;
    for (uint64_t n = 0; n < 50; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    unsigned taken = take(p, got, 1000);
    assert_true(taken < 10);
    for (uint64_t n = 50; n < 5000; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    p->settings.lane_budget_bytes = UINT32_MAX;
    do {
        begin(p, DRAIN_ALL);
        taken += take(p, got, 1000);
    } while (p->drain.has_more);
    batch_begin(&batch, &outputs, 1);
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
    const struct position *at = &batch.checkpoint.position[0];
    assert_true(at->lost > 4000);
    assert_int_equal(at->delivered + at->lost, 5000);
    assert_int_equal(batch.span_records[0], at->delivered);
    batch_end(&batch, &buffers);
    batch_done(&batch, &buffers);
}

/* What was lost before it was read is neither copied nor counted again, however many laps it was. */
static void only_what_was_read_is_copied(void **state)
{
    enum { CAP = 1 << 14 };
    struct place *p = *state;
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    uint64_t records, taken = 0;
    const struct outputs outputs = { .count = 1, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 14,
                                                                   .mode = FAPILOG_MODE_OVERWRITE });
    for (uint64_t n = 0; n < 100000; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    do {
        begin(p, DRAIN_ALL);
        while (drain_take_span(&p->drain, UINT32_MAX, &records))
            taken += records;
    } while (p->drain.has_more);
    batch_begin(&batch, &outputs, 1);
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
    assert_true(taken > 100 && batch.checkpoint.position[0].done - batch.checkpoint.item[0].from > 100 * CAP);
    assert_int_equal(batch.span_records[0], taken);
    assert_in_range(batch.span_bytes[0], CAP / 2, CAP);
    assert_in_range(batch.kept_bytes, CAP / 2, CAP);
    release_checkpoint(&batch.checkpoint);
    batch_end(&batch, &buffers);
    batch_done(&batch, &buffers);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(spans_cover_what_decoding_delivers),
        T(spans_keep_to_what_is_asked_for),
        T(spans_leave_alone_what_lies_behind_the_tail),
        T(noted_runs_are_what_walking_them_gives),
        T(a_fragment_without_payload_takes_no_level_from_what_lies_behind_it),
        T(bytes_that_change_while_they_are_read_do_no_harm),
        T(raw_outputs_have_what_was_read_of_an_overwriting_lane),
        T(what_counts_as_lost_is_in_no_raw_output),
        T(only_what_was_read_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
