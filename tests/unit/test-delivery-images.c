/* What lies in the ring becomes an image (collector/delivery/image.h) of the records that the sink is to get, with all
 * that these need to be read, and nothing else. Records are dynamic: to be read they need no call site. */
#include "tests/common/delivery_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world *w;
static struct payload payload;

static int setup(void **state)
{
    (void)state;
    w = world_new(7, 15);
    w->has_images = w->always_images = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_kill(w);
    world_free(w);
    return 0;
}

static struct payload *number(const char *name, uint64_t value)
{
    payload_list_init(&payload);
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, name);
    payload_u64(&payload, value);
    return &payload;
}

/* The next record of lane 0; it arrives before this returns. */
static const char *log_one(uint32_t logger, uint32_t epoch)
{
    payload_init(&payload);
    payload_ext(&payload, logger, epoch);
    payload_dynamic(&payload, 1, "m");
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&payload, w->put);
    builder_put(&w->builder, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, FAPILOG_FLAG_EXT, 0, &payload);
    const uint32_t n = w->put++, images = w->images;
    world_finish(w);
    assert_int_equal(w->server.times[n], 1);
    assert_int_equal(w->images, images + 1);
    return w->arrived;
}

static void has(const char *record, const char *text)
{
    if (!strstr(record, text))
        fail_msg("%s is not in %s", text, record);
}

static void a_logger_comes_with_all_its_parents(void **state)
{
    (void)state;
    const uint32_t first = builder_logger(&w->builder, 0, "orders", 1, number("book", 17));
    const uint32_t second = builder_logger(&w->builder, first, "orders", 1, number("desk", 18));
    const uint32_t third = builder_logger(&w->builder, second, "matching", 1, number("venue", 19));
    world_open(w, WORLD_SINKS);
    const char *record = log_one(third, 0);
    has(record, "\"matching\"");
    has(record, "\"venue\":19");
    has(record, "\"desk\":18");
    has(record, "\"book\":17");
}

/* The block is begun in one image and goes on in others, which a later run of the collector may read without it. */
static void a_context_is_repeated_for_records_that_come_later(void **state)
{
    (void)state;
    world_open(w, WORLD_SINKS);
    payload_init(&payload);
    payload_dynamic(&payload, 1, "");
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "shard");
    payload_u64(&payload, 23);
    builder_context(&w->builder, 0, 5, &payload);
    for (unsigned i = 0; i < 3; i++) {
        has(log_one(0, 5), "\"shard\":23");
        image_reader_done(&w->reader);
    }
    assert_null(strstr(log_one(0, 0), "shard"));
}

/* A chain of fragments has its level in the first of them. */
static void put_in_fragments(uint8_t level, const char *text, uint32_t size, uint32_t fragment)
{
    payload_init(&payload);
    payload_dynamic(&payload, 2, "m");
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&payload, w->put);
    payload_name(&payload, FAPILOG_TYPE_BYTES, FAPILOG_ROLE_DATA, "long");
    payload_text(&payload, text, size);
    builder_put_large(&w->builder, 0, FAPILOG_KIND_DYNAMIC, level, 0, 0, &payload, fragment);
    w->level[w->put++] = level;
}

static void records_of_levels_that_are_not_wanted_are_in_no_image(void **state)
{
    static const char text[3000] = {0};
    (void)state;
    const struct world_disk *const remote = &w->disk[WORLD_SINKS - 1];
    w->disk[WORLD_SINKS - 1].level_min = FAPILOG_LEVEL_WARNING;
    world_open(w, WORLD_SINKS);
    for (unsigned i = 0; i < 200; i++) {
        if (i % 10 == 0)
            put_in_fragments(i % 20 ? FAPILOG_LEVEL_INFO : FAPILOG_LEVEL_ERROR, text, sizeof text, 1024);
        else
            assert_true(world_put(w, 0));
        if (i % 40 == 39)
            world_finish(w);
    }
    assert_true(w->images >= 5);
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], world_wants(w, remote, n));
}

/* Nobody looks for them in the ring, and yet it is known how many they are. */
static void what_there_is_no_room_for_is_counted_to_the_record(void **state)
{
    (void)state;
    const struct world_disk *const remote = &w->disk[WORLD_SINKS - 1];
    for (unsigned is_part = 0; is_part < 2; is_part++) {
        w->disk[WORLD_SINKS - 1].level_min = is_part ? FAPILOG_LEVEL_WARNING : 0;
        w->refuses = true;
        world_open(w, WORLD_SINKS);
        const uint32_t first = w->put;
        uint64_t wanted = 0;
        for (unsigned i = 0; i < 300; i++) {
            assert_true(world_put(w, i % WORLD_LANES));
            if (i % 50 == 49)
                world_finish(w);
        }
        for (uint32_t n = first; n < w->put; n++) {
            wanted += world_wants(w, remote, n);
            assert_int_equal(w->server.times[n], 0);
            assert_int_equal(world_count(&w->disk[0], n), world_wants(w, &w->disk[0], n));
        }
        assert_true(wanted > 30 && (is_part ? wanted < 300 : wanted == 300));
        assert_int_equal(w->refused, wanted);
        assert_true(is_part || w->refused_bytes > wanted * sizeof(struct fapilog_record_header));
        for (uint32_t i = 0; i < w->pipeline.settings.window; i++)
            assert_int_equal(w->pipeline.batch[i].spans_count, 0);
        w->refused = 0;
        if (!is_part)
            world_kill(w);
    }
    assert_int_equal(w->images, 0);
}

/* What is copied for a server that is away must not push out of the cache what a file is about to get. */
static void a_batch_is_written_locally_before_it_is_copied_for_a_server(void **state)
{
    (void)state;
    enum { LOCALS = WORLD_SINKS - WORLD_REMOTES };
    world_open(w, WORLD_SINKS);
    for (unsigned way = 0; way < 3; way++) { /* entries, images in memory, images that the spool has at once */
        w->always_images = w->has_images = way > 0;
        w->takes = way == 2;
        world_finish(w);
        w->were_writing = 0;
        assert_true(world_put(w, 0));
        world_turn(w);
        assert_int_equal(w->were_writing, LOCALS);
    }
    world_finish(w);
    assert_int_equal(w->images, 2);
}

/* ---- which spans an image takes ---- */

enum { BEFORE = 256 };

static struct sink_span span_of(uint64_t position, uint32_t len, uint32_t records)
{
    static struct fapilog_process_info process;
    static struct fapilog_superblock super;
    static char ring[2 << 20];
    const uint64_t context = FAPILOG_WORD0(64, FAPILOG_KIND_CONTEXT, 0, 0, 1);
    memcpy(ring + sizeof ring / 2 - BEFORE, &context, sizeof context);
    return (struct sink_span){ .process = &process, .super = &super, .registry = ring, .position = position,
                               .data = ring + sizeof ring / 2, .len = len, .records = records };
}

static uint32_t taken(struct sink_span *span, uint32_t count)
{
    struct image_draft d = { .count = 0 };
    const struct image_used used = { .count = 0 };
    assert_int_equal(image_draft(&d, &used, span, count), 0);
    const uint32_t n = d.taken;
    assert_true(d.records <= IMAGE_RECORDS_MAX);
    image_draft_done(&d);
    return n;
}

static void a_record_that_lies_in_several_spans_is_in_one_image(void **state)
{
    (void)state;
    struct sink_span span[] = { span_of(0, 600 << 10, 100), span_of(1 << 20, 500 << 10, 1),
                                span_of(2 << 20, 400 << 10, 0), span_of(3 << 20, 8 << 10, 1),
                                span_of(4 << 20, 800, 5) };
    span[2].is_continued = span[3].is_continued = true;
    assert_int_equal(taken(span, 5), 1);
    assert_int_equal(taken(span + 1, 4), 4);
    assert_int_equal(taken(span + 1, 3), 3);
    span[0].records = 100;
    span[1].records = IMAGE_RECORDS_MAX - 101;
    span[0].len = span[1].len = span[2].len = 8 << 10;
    assert_int_equal(taken(span, 4), 4);
    span[1].records++;
    assert_int_equal(taken(span, 4), 1);
}

static void a_span_that_waits_for_the_next_image_keeps_what_lies_in_front_of_it(void **state)
{
    (void)state;
    struct sink_span span[] = { span_of(1 << 20, 600 << 10, 1), span_of((1 << 20) + (600 << 10), 600 << 10, 1) };
    span[1].before = BEFORE;
    assert_int_equal(taken(span, 2), 1);
    assert_int_equal(taken(span + 1, 1), 1);
    assert_int_equal(span[1].before, BEFORE);
    span[1].len = 1000;
    assert_int_equal(taken(span, 2), 2);
    assert_int_equal(span[1].before, 0); /* the first one has it */
}

/* Its beginning lies at the end of the ring, the rest at the start, and both together are too long for one image. */
static void a_record_that_goes_round_the_ring_arrives(void **state)
{
    (void)state;
    static const char text[100000] = {0};
    world_kill(w);
    world_free(w);
    w = world_new(7, 23);
    w->settings.lane_budget_bytes = 4 << 20;
    w->has_images = w->always_images = w->has_new_readers = true;
    for (unsigned i = 0; i < WORLD_SINKS - WORLD_REMOTES; i++)
        w->disk[i].level_min = FAPILOG_LEVEL_ERROR; /* a batch is not full of their text before an image is */
    world_open(w, WORLD_SINKS);
    for (unsigned i = 0; i < 25; i++) {
        for (unsigned k = 0; k < 11 + i % 5; k++)
            put_in_fragments(FAPILOG_LEVEL_INFO, text, sizeof text, 4000);
        world_finish(w);
    }
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_logger_comes_with_all_its_parents, setup, teardown),
        cmocka_unit_test_setup_teardown(a_context_is_repeated_for_records_that_come_later, setup, teardown),
        cmocka_unit_test_setup_teardown(records_of_levels_that_are_not_wanted_are_in_no_image, setup, teardown),
        cmocka_unit_test_setup_teardown(what_there_is_no_room_for_is_counted_to_the_record, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_is_written_locally_before_it_is_copied_for_a_server, setup, teardown),
        cmocka_unit_test(a_record_that_lies_in_several_spans_is_in_one_image),
        cmocka_unit_test(a_span_that_waits_for_the_next_image_keeps_what_lies_in_front_of_it),
        cmocka_unit_test_setup_teardown(a_record_that_goes_round_the_ring_arrives, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
