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
static void put_in_fragments(uint8_t level)
{
    static const char text[3000] = {0};
    payload_init(&payload);
    payload_dynamic(&payload, 2, "m");
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&payload, w->put);
    payload_name(&payload, FAPILOG_TYPE_BYTES, FAPILOG_ROLE_DATA, "long");
    payload_text(&payload, text, sizeof text);
    builder_put_large(&w->builder, 0, FAPILOG_KIND_DYNAMIC, level, 0, 0, &payload, 1024);
    w->level[w->put++] = level;
}

static void records_of_levels_that_are_not_wanted_are_in_no_image(void **state)
{
    (void)state;
    const struct world_disk *const remote = &w->disk[WORLD_SINKS - 1];
    w->disk[WORLD_SINKS - 1].level_min = FAPILOG_LEVEL_WARNING;
    world_open(w, WORLD_SINKS);
    for (unsigned i = 0; i < 200; i++) {
        if (i % 10 == 0)
            put_in_fragments(i % 20 ? FAPILOG_LEVEL_INFO : FAPILOG_LEVEL_ERROR);
        else
            assert_true(world_put(w, 0));
        if (i % 40 == 39)
            world_finish(w);
    }
    assert_true(w->images >= 5);
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], world_wants(w, remote, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_logger_comes_with_all_its_parents, setup, teardown),
        cmocka_unit_test_setup_teardown(a_context_is_repeated_for_records_that_come_later, setup, teardown),
        cmocka_unit_test_setup_teardown(records_of_levels_that_are_not_wanted_are_in_no_image, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
