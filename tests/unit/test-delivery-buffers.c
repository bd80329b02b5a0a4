/* Output buffers: which one is handed out, and when memory goes back. */
#include "collector/delivery/buffers.h"
#include "collector/delivery/parcel.h"

#include "tests/unit/io-probe.h"

#include <malloc.h>

enum { COUNT = 70, REGISTERED = 2, WAVE = 10 };

static struct buffers p;
static struct io *io;

static int setup(void **state)
{
    const struct io_config cfg = { .kind = IO_PLAIN };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(io_new(&cfg, &io, &e), 0);
    assert_int_equal(buffers_init(&p, io, COUNT, REGISTERED, &e), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffers_done(&p);
    io_free(io);
    return 0;
}

/* Sinks lag: so many buffers are in use at the same time, then none. */
static void wave(uint32_t buffers, char mark)
{
    for (uint32_t i = 0; i < buffers; i++) {
        assert_int_equal(buffers_take(&p), i); /* the lowest one first */
        buffers_data(&p, i)[BUFFER_BYTES - 1] = mark;
        buffers_ends(&p, i)[BUFFER_RECORDS - 1] = (uint32_t)mark;
    }
    for (uint32_t i = 0; i < buffers; i++)
        buffers_give(&p, i);
}

static char mark_of(uint32_t i)
{
    const char mark = buffers_data(&p, i)[BUFFER_BYTES - 1];

    assert_int_equal(buffers_ends(&p, i)[BUFFER_RECORDS - 1], mark);
    return mark;
}

static void memory_stays_from_wave_to_wave(void **state)
{
    (void)state;
    wave(WAVE, 'x');
    for (uint32_t i = 0; i < WAVE; i++)
        assert_int_equal(mark_of(i), 'x');
    for (unsigned n = 0; n < 3 * BUFFERS_LOOK_EVERY / WAVE; n++)
        wave(WAVE, 'y');
    for (uint32_t i = 0; i < WAVE; i++)
        assert_int_equal(mark_of(i), 'y');
}

static void a_while_after_the_last_wave_it_goes_back(void **state)
{
    (void)state;
    wave(COUNT, 'x');
    for (unsigned n = 0; n < 2 * BUFFERS_LOOK_EVERY / 3; n++)
        wave(3, 'z');
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(mark_of(i), i < 3 ? 'z' : 0);
    for (unsigned n = 0; n < 2 * BUFFERS_LOOK_EVERY; n++)
        wave(1, 'w');
    assert_int_equal(mark_of(1), 'z'); /* registered: resident in any case */
    assert_int_equal(mark_of(2), 0);
}

static void what_is_in_use_keeps_its_memory(void **state)
{
    (void)state;
    wave(WAVE, 'x');
    for (uint32_t i = 0; i < WAVE; i++)
        assert_int_equal(buffers_take(&p), i);
    for (uint32_t i = 0; i < WAVE - 1; i++)
        buffers_give(&p, i);
    for (unsigned n = 0; n < 3 * BUFFERS_LOOK_EVERY; n++) /* a slow sink holds the last one */
        wave(1, 'v');
    assert_int_equal(mark_of(WAVE - 1), 'x');
    buffers_give(&p, WAVE - 1);
    for (unsigned n = 0; n < 2 * BUFFERS_LOOK_EVERY; n++)
        wave(1, 'v');
    assert_int_equal(mark_of(WAVE - 1), 0);
}

/* Of two formats, filled in turns and kept by sinks that lag. */
static void sealed_parcels_take_little_more_than_they_hold(void **state)
{
    enum { PAIRS = 40, USED = 100 << 10 };
    struct parcel *kept[2 * PAIRS];
    (void)state;
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20); /* as the collector does */
    const size_t before = mallinfo2().arena;
    for (unsigned i = 0; i < 2 * PAIRS; i += 2) {
        for (unsigned k = i; k < i + 2; k++) {
            kept[k] = parcel_new(PARCEL_BYTES);
            assert_non_null(kept[k]);
            memset(kept[k]->data, (int)k, USED);
            kept[k]->bytes = USED;
        }
        parcel_seal(kept[i], 1);
        parcel_seal(kept[i + 1], 1);
    }
    assert_true(mallinfo2().arena - before < 2 * 2 * PAIRS * (size_t)USED);
    for (unsigned k = 0; k < 2 * PAIRS; k++) {
        assert_true(kept[k]->cap == USED && (uintptr_t)kept[k]->data % ENTRY_ALIGN == 0);
        assert_true(kept[k]->data[0] == (char)k && kept[k]->data[USED - 1] == (char)k);
        parcel_unref(kept[k]);
    }
}

/* What a sink holds that keeps up is not copied. */
static void sealed_parcels_stay_as_they_are_while_the_slack_is_small(void **state)
{
    enum { USED = 100 << 10, FREE = PARCEL_BYTES - USED, LOOSE = PARCEL_SLACK_BYTES / FREE, COUNT = LOOSE + 3 };
    struct parcel *kept[COUNT];
    uint64_t slack = 0;
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        kept[i] = parcel_new(PARCEL_BYTES);
        assert_non_null(kept[i]);
        kept[i]->bytes = USED;
        parcel_seal_within(kept[i], 1, &slack);
        assert_int_equal(kept[i]->cap, i < LOOSE ? PARCEL_BYTES : USED);
        assert_int_equal(slack, (i < LOOSE ? i + 1 : LOOSE) * (uint64_t)FREE);
    }
    parcel_unref(kept[COUNT - 1]);
    assert_int_equal(slack, LOOSE * (uint64_t)FREE);
    parcel_unref(kept[0]); /* makes room for another one */
    kept[0] = parcel_new(PARCEL_BYTES);
    assert_non_null(kept[0]);
    kept[0]->bytes = PARCEL_BYTES - 8; /* next to nothing is behind it */
    parcel_seal_within(kept[0], 2, &slack);
    assert_int_equal(kept[0]->sealed_ns, 2);
    assert_int_equal(slack, (LOOSE - 1) * (uint64_t)FREE);
    for (unsigned i = 0; i < COUNT - 1; i++)
        parcel_unref(kept[i]);
    assert_int_equal(slack, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(memory_stays_from_wave_to_wave),
        TEST(a_while_after_the_last_wave_it_goes_back),
        TEST(what_is_in_use_keeps_its_memory),
        cmocka_unit_test(sealed_parcels_take_little_more_than_they_hold),
        cmocka_unit_test(sealed_parcels_stay_as_they_are_while_the_slack_is_small),
    };

    return cmocka_run_group_tests_name("output buffers", tests, NULL, NULL);
}
