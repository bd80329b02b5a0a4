#include "lib/base/check.h"
#include "lib/reader/lane.h"
#include "tests/common/segment_builder.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct payload p;
static struct segment_builder b;
static struct segment *seg;
static struct lane_cursor cursor;
static struct fapilog_record rec;
static uint32_t site_u64; /* one field n: u64 */

static int memfd(void)
{
    const int fd = memfd_create("segment", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void seg_open(void)
{
    struct err e = {0};
    if (segment_open_fd(dup(b.fd), 0, NULL, &seg, &e) < 0)
        fail_msg("%s", e.text);
}

static void build(const struct builder_options *opt)
{
    builder_init(&b, memfd(), opt);
    site_u64 =
        builder_site(&b, FAPILOG_LEVEL_INFO, "tick", 1, &(struct builder_field){FAPILOG_TYPE_U64, "n"});
    seg_open();
}

static int unbuild(void **state)
{
    (void)state;
    lane_cursor_done(&cursor);
    segment_close(seg);
    seg = NULL;
    if (b.base) {
        (void)close(b.fd);
        builder_done(&b);
    }
    return 0;
}

static void put_n(uint64_t n)
{
    payload_init(&p);
    payload_u64(&p, n);
    builder_event(&b, 0, FAPILOG_LEVEL_INFO, site_u64, &p);
}

static void put_sized(uint64_t n, uint32_t text_bytes)
{
    static char text[65536];
    payload_init(&p);
    payload_dynamic(&p, 2, "sized");
    payload_name(&p, FAPILOG_TYPE_U64, 0, "n");
    payload_u64(&p, n);
    payload_name(&p, FAPILOG_TYPE_STRING, 0, "t");
    payload_text(&p, text, text_bytes);
    builder_put(&b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &p);
}

static void start(uint64_t pos, unsigned flags)
{
    assert_int_equal(lane_cursor_init(&cursor, seg, 0, pos, flags), 0);
}

static int next(void)
{
    return lane_next(&cursor, lane_tail(&cursor), &rec);
}

static void expect_n(uint64_t n)
{
    assert_int_equal(next(), 1);
    assert_true(rec.fields_count >= 1);
    assert_int_equal(rec.fields[0].v.u64, n);
}

static void expect_end(void)
{
    assert_int_equal(next(), 0);
    assert_int_equal(cursor.pos, b.lanes[0].pos);
}

static void records_come_back_in_order_across_blocks(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    for (uint64_t n = 0; n < 400; n++) /* 24 bytes each: three blocks */
        put_n(n);
    for (uint64_t n = 0; n < 400; n++) {
        expect_n(n);
        assert_string_equal(rec.message.data, "tick");
        assert_int_equal(rec.level, FAPILOG_LEVEL_INFO);
        assert_int_equal(rec.tid, 100);
        assert_int_equal(rec.thread.len, 6);
        assert_int_equal(rec.id.lane, 0);
        assert_int_equal(rec.id.generation, 1);
    }
    expect_end();
    assert_int_equal(cursor.seq, 400);
    assert_int_equal(cursor.damaged, 0);
}

static void the_ring_is_read_round_and_round_while_it_is_written(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= LANE_COPY; flags++) {
        build(&(struct builder_options){0});
        start(0, flags);
        for (uint64_t n = 0; n < 5000; n++) {
            put_n(n);
            expect_n(n);
            if (n % 7 == 0)
                expect_end();
        }
        assert_int_equal(cursor.damaged, 0);
        assert_int_equal(cursor.lost_bytes, 0);
        assert_true(cursor.pos > 7 * cursor.cap);
        unbuild(NULL);
    }
}

static void times_follow_the_counter(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    put_n(1);
    put_n(2);
    expect_n(1);
    assert_int_equal(rec.cycles, 1000000000);
    assert_int_equal(rec.time_ns, INT64_C(1700000000000000000));
    expect_n(2);
    assert_int_equal(rec.time_ns, INT64_C(1700000000000001000));
}

static void blocks_ended_early_leave_no_trace(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    static const uint32_t sizes[] = {3000, 3000, 900, 16, 1, 3900, 2, 3990 - 100};
    for (uint64_t n = 0; n < ARRAY_COUNT(sizes); n++) {
        put_sized(n, sizes[n]);
        expect_n(n);
        assert_int_equal(rec.fields[1].len, sizes[n]);
    }
    expect_end();
    assert_int_equal(cursor.damaged, 0);
}

static void a_full_block_to_the_last_byte_is_followed_by_the_next(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= LANE_COPY; flags++) {
        build(&(struct builder_options){0});
        start(0, flags);
        for (uint32_t left = 0; left <= 24; left += 8) {
            const uint64_t used = b.lanes[0].pos % 4096 ? b.lanes[0].pos % 4096 : 48;
            const uint32_t overhead = 16 + 8 + 8 + 8 + 8 + 8 + 8; /* up to the text */
            put_sized(left, (uint32_t)(4096 - used - left - overhead));
            assert_int_equal(b.lanes[0].pos % 4096, (4096 - left) % 4096);
            expect_n(left);
            expect_end();
            put_sized(77, 40);
            if (left == 8) /* too little for a record: what stands there is of an earlier round */
                memset(builder_at(&b, 0, (b.lanes[0].pos & ~4095ull) - 8), 0x33, 8);
            expect_n(77);
        }
        assert_int_equal(cursor.damaged, 0);
        unbuild(NULL);
    }
}

/* As a program leaves a block that cuts the file within a page, or punches a hole into it. */
static void records_that_became_zeros_are_damage(void **state)
{
    (void)state;
    enum { IN_BLOCK = (4096 - 48) / 24, GONE = 20 };
    for (unsigned flags = 0; flags <= LANE_COPY; flags++) {
        build(&(struct builder_options){0});
        for (uint64_t n = 0; n < 2 * IN_BLOCK + 1; n++)
            put_n(n);
        memset(builder_at(&b, 0, 4096 - (4096 - 48) % 24 - GONE * 24), 0, GONE * 24);
        start(0, flags);
        for (uint64_t n = 0; n < 2 * IN_BLOCK + 1; n++)
            if (n < IN_BLOCK - GONE || n >= IN_BLOCK)
                expect_n(n);
        expect_end();
        assert_int_equal(cursor.damaged, GONE);
        assert_in_range(cursor.skipped_bytes, GONE * 24, GONE * 24 + 24);
        assert_int_equal(cursor.lost, 0);
        unbuild(NULL);
    }
}

static void put_context(uint32_t epoch, const char *id)
{
    payload_init(&p);
    payload_dynamic(&p, 1, "");
    payload_name(&p, FAPILOG_TYPE_STRING, FAPILOG_ROLE_REQUEST_ID, "request_id");
    payload_text(&p, id, (uint32_t)strlen(id));
    builder_context(&b, 0, epoch, &p);
}

static void put_with_epoch(uint64_t n, uint32_t epoch)
{
    payload_init(&p);
    payload_ext(&p, 0, epoch);
    payload_u64(&p, n);
    builder_put(&b, 0, FAPILOG_KIND_EVENT, FAPILOG_LEVEL_INFO, FAPILOG_FLAG_EXT, site_u64, &p);
}

static void events_carry_the_context_of_their_epoch_and_no_other(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    put_context(1, "r-1");
    put_with_epoch(1, 1);
    put_context(2, "r-22");
    put_with_epoch(2, 2);
    put_with_epoch(3, 0);
    put_with_epoch(4, 9);
    expect_n(1);
    assert_int_equal(rec.context->epoch, 1);
    assert_int_equal(rec.context->fields_count, 1);
    assert_int_equal(rec.context->fields[0].role, FAPILOG_ROLE_REQUEST_ID);
    assert_memory_equal(rec.context->fields[0].v.data, "r-1", 3);
    expect_n(2);
    assert_int_equal(rec.context->fields[0].len, 4);
    assert_memory_equal(rec.context->fields[0].v.data, "r-22", 4);
    expect_n(3);
    assert_null(rec.context);
    expect_n(4);
    assert_true(rec.context->lost);
    assert_int_equal(rec.context->fields_count, 0);
}

static void a_cursor_that_resumes_within_a_block_knows_its_context(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    put_n(0);
    put_context(5, "ctx");
    put_with_epoch(1, 5);
    put_with_epoch(2, 5);
    expect_n(0);
    expect_n(1);
    const uint64_t pos = cursor.pos;
    lane_cursor_done(&cursor);
    for (unsigned flags = 0; flags <= LANE_COPY; flags++) {
        start(pos, flags);
        expect_n(2);
        assert_false(rec.context->lost);
        assert_memory_equal(rec.context->fields[0].v.data, "ctx", 3);
        assert_int_equal(cursor.seq, 3);
        lane_cursor_done(&cursor);
    }
}

static void the_context_of_a_former_thread_is_not_taken_for_the_next(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    put_context(1, "old");
    put_with_epoch(1, 1);
    builder_reclaim(&b, 0, 555, "second");
    put_with_epoch(2, 1);
    expect_n(1);
    assert_int_equal(rec.id.generation, 1);
    assert_int_equal(rec.tid, 0); /* its name was overwritten by the next thread's */
    expect_n(2);
    assert_int_equal(rec.id.generation, 2);
    assert_int_equal(rec.tid, 555);
    assert_memory_equal(rec.thread.data, "second", 6);
    assert_true(rec.context->lost);
}

/* What a record of a shared lane begins with: its epoch, its thread, and a context of one field. */
static void put_shared_extensions(const char *name)
{
    static struct payload list;
    payload_list_init(&list);
    payload_name(&list, FAPILOG_TYPE_U32, FAPILOG_ROLE_DATA, name);
    payload_u32(&list, 31);
    payload_init(&p);
    payload_ext(&p, 0, 3);
    payload_u64(&p, 9001);
    payload_u32(&p, list.len);
    payload_u32(&p, 1);
    payload_put(&p, list.bytes, list.len, 8);
}

static void shared_lanes_carry_thread_and_context_in_the_record(void **state)
{
    (void)state;
    build(&(struct builder_options){.lane_flags = FAPILOG_LANE_SHARED});
    start(0, 0);
    put_shared_extensions("k");
    payload_u64(&p, 17);
    builder_put(&b, 0, FAPILOG_KIND_EVENT, 9, FAPILOG_FLAG_EXT | FAPILOG_FLAG_TID | FAPILOG_FLAG_CONTEXT,
                site_u64, &p);
    expect_n(17);
    assert_int_equal(rec.tid, 9001);
    assert_int_equal(rec.thread.len, 0);
    assert_int_equal(rec.context->epoch, 3);
    assert_int_equal(rec.context->fields_count, 1);
    assert_int_equal(rec.context->fields[0].v.u64, 31);
}

/* In the ring, as a producer could do it at any time. */
static void rename_field(const char *name, char to)
{
    uint8_t *const at = memmem(builder_at(&b, 0, 0), 4096, name, strlen(name));
    assert_non_null(at);
    *at = (uint8_t)to;
}

/* Formats ask a name twice: how much room its field takes, and what it is called. */
static void names_of_fields_do_not_change_under_those_who_look(void **state)
{
    (void)state;
    build(&(struct builder_options){.lane_flags = FAPILOG_LANE_SHARED});
    start(0, 0);
    put_shared_extensions("tenant");
    payload_dynamic(&p, 2, "m");
    payload_name(&p, FAPILOG_TYPE_U64, 0, "order_");
    payload_u64(&p, 17);
    payload_name(&p, FAPILOG_TYPE_NULL, 0, "");
    builder_put(&b, 0, FAPILOG_KIND_DYNAMIC, 9, FAPILOG_FLAG_EXT | FAPILOG_FLAG_TID | FAPILOG_FLAG_CONTEXT, 0, &p);
    expect_n(17);
    rename_field("order_", 'b');
    rename_field("tenant", 't' - 1);
    assert_int_equal(rec.fields_count, 2);
    assert_int_equal(rec.fields[0].name.len, 6);
    assert_memory_equal(rec.fields[0].name.data, "order_", 6);
    assert_int_equal(rec.fields[1].name.len, 0);
    assert_int_equal(rec.context->fields[0].name.len, 6);
    assert_memory_equal(rec.context->fields[0].name.data, "tenant", 6);
}

static void fragments_become_one_record_again(void **state)
{
    (void)state;
    static char text[100000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    for (unsigned flags = 0; flags <= LANE_COPY; flags++) {
        build(&(struct builder_options){.cap_log2 = 18});
        const struct builder_field fields[] = {{FAPILOG_TYPE_U64, "n"}, {FAPILOG_TYPE_STRING, "t"}};
        const uint32_t site = builder_site(&b, 9, "large", 2, fields);
        start(0, flags);
        put_n(1);
        payload_init(&p);
        payload_u64(&p, 2);
        payload_text(&p, text, sizeof text);
        const uint64_t from = b.lanes[0].pos;
        builder_put_large(&b, 0, FAPILOG_KIND_EVENT, 13, 0, site, &p, 4000);
        put_n(3);
        expect_n(1);
        expect_n(2);
        assert_int_equal(rec.fields[1].len, sizeof text);
        assert_memory_equal(rec.fields[1].v.data, text, sizeof text);
        assert_int_equal(rec.level, 13);
        assert_int_equal(rec.id.position, from);
        expect_n(3);
        expect_end();
        assert_int_equal(cursor.seq, 3);
        assert_int_equal(cursor.damaged, 0);
        unbuild(NULL);
    }
}

static void an_overwriting_lane_yields_what_is_whole_and_counts_the_rest(void **state)
{
    (void)state;
    build(&(struct builder_options){.mode = FAPILOG_MODE_OVERWRITE});
    start(0, 0);
    for (uint64_t n = 0; n < 3000; n++)
        put_n(n);
    assert_int_equal(next(), 1);
    const uint64_t first = rec.fields[0].v.u64;
    assert_true(first > 2000);
    assert_int_equal(cursor.lost, first);
    for (uint64_t n = first + 1; n < 3000; n++)
        expect_n(n);
    expect_end();
    for (uint64_t n = 3000; n < 9000; n++)
        put_n(n);
    assert_int_equal(next(), 1);
    assert_int_equal(cursor.lost, rec.fields[0].v.u64 - (3000 - first));
    assert_int_equal(cursor.damaged, 0);
}

/* A record larger than a block; as a producer writes it, its fragments fill the blocks. */
static void put_chain(uint64_t n, uint32_t text_bytes)
{
    static char text[65536];
    static uint32_t site;
    if (n == 0) {
        const struct builder_field fields[] = {{FAPILOG_TYPE_U64, "n"}, {FAPILOG_TYPE_STRING, "t"}};
        site = builder_site(&b, 9, "large", 2, fields);
    }
    payload_init(&p);
    payload_u64(&p, n);
    payload_text(&p, text, text_bytes);
    builder_put_large(&b, 0, FAPILOG_KIND_EVENT, 9, 0, site, &p, 4096 - 48 - 16);
}

static void what_is_left_of_an_overwritten_chain_is_lost_and_no_damage(void **state)
{
    (void)state;
    for (uint32_t text = 5000; text < 14000; text += 1000) {
        build(&(struct builder_options){.mode = FAPILOG_MODE_OVERWRITE, .cap_log2 = 16});
        start(0, 0);
        uint64_t seen = 0;
        for (uint64_t n = 0; n < 100; n++) {
            put_chain(n, text);
            if (n % 30 != 29)
                continue;
            while (next() == 1)
                seen++;
            assert_int_equal(cursor.seq, n + 1);
            assert_int_equal(seen + cursor.lost, n + 1);
        }
        assert_int_equal(cursor.damaged, 0);
        assert_int_equal(cursor.skipped_bytes, 0);
        unbuild(NULL);
    }
}

static void a_chain_that_begins_before_the_start_is_no_damage(void **state)
{
    (void)state;
    build(&(struct builder_options){.cap_log2 = 16});
    for (uint64_t n = 0; n < 3; n++)
        put_chain(n, 9000);
    for (uint64_t pos = 0; pos < b.lanes[0].pos; pos += 4096) {
        start(pos, LANE_COPY);
        while (next() == 1)
            ;
        assert_int_equal(cursor.seq, 3);
        assert_int_equal(cursor.lost, 0);
        assert_int_equal(cursor.damaged, 0);
        lane_cursor_done(&cursor);
    }
    unbuild(NULL);
}

static void a_block_that_is_written_over_while_it_is_read_is_not_mixed(void **state)
{
    (void)state;
    build(&(struct builder_options){.mode = FAPILOG_MODE_OVERWRITE});
    start(0, 0);
    for (uint64_t n = 0; n < 100; n++)
        put_n(n);
    expect_n(0);
    expect_n(1);
    for (uint64_t n = 100; n < 700; n++) /* the block of record 2 is gone now, in part rewritten */
        put_n(n);
    uint64_t last = 1;
    while (next() == 1) {
        assert_true(rec.fields[0].v.u64 > last);
        last = rec.fields[0].v.u64;
    }
    assert_int_equal(last, 699);
    assert_int_equal(cursor.damaged, 0);
}

static void bytes_under_an_intent_are_not_believed(void **state)
{
    (void)state;
    build(&(struct builder_options){.mode = FAPILOG_MODE_OVERWRITE});
    for (uint64_t n = 0; n < 4 * ((4096 - 48) / 24); n++) /* the lane is full to its last block */
        put_n(n);
    start(0, 0);
    expect_n(0);
    lane_cursor_done(&cursor);
    start(0, 0);
    /* The writer has begun with the fifth block, in the place of the first, and published nothing. */
    store_rel(&builder_lane(&b, 0)->intent, 5 * 4096);
    const uint64_t half_written = 4711;
    memcpy(builder_at(&b, 0, 48 + 16), &half_written, 8);
    expect_n((4096 - 48) / 24);
    assert_int_equal(cursor.lost, (4096 - 48) / 24);
}

static void drops_are_placed_by_the_block_headers(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    put_sized(1, 3900);
    b.lanes[0].dropped = 12;
    put_sized(2, 3900);
    expect_n(1);
    assert_int_equal(cursor.dropped, 0);
    expect_n(2);
    assert_int_equal(cursor.dropped, 12);
}

static void a_tail_that_cannot_be_one_is_refused(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    put_n(1);
    put_n(2);
    expect_n(1);
    const uint64_t tail = lane_tail(&cursor);
    assert_int_equal(lane_next(&cursor, tail + 4, &rec), -EBADMSG);
    assert_int_equal(lane_next(&cursor, cursor.pos - 8, &rec), -EBADMSG);
    assert_int_equal(lane_next(&cursor, 8, &rec), -EBADMSG);
    assert_int_equal(lane_next(&cursor, cursor.pos + cursor.cap + 8, &rec), -EBADMSG);
    assert_int_equal(lane_next(&cursor, UINT64_MAX & ~7ull, &rec), -EBADMSG);
    assert_int_equal(lane_next(&cursor, tail, &rec), 1);
}

static uint64_t *word_at(uint64_t pos)
{
    return (uint64_t *)(void *)builder_at(&b, 0, pos);
}

static void a_damaged_record_costs_itself_a_damaged_length_its_block(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    for (uint64_t n = 0; n < 400; n++)
        put_n(n);
    *word_at(48 + 24 * 3) ^= UINT64_C(0xffff) << 40; /* schema of record 3 */
    *word_at(4096 + 48 + 24 * 5) &= ~UINT64_C(0xffff); /* length in the second block */
    start(0, 0);
    expect_n(0);
    expect_n(1);
    expect_n(2);
    expect_n(4);
    assert_int_equal(cursor.damaged, 1);
    assert_int_equal(cursor.skipped_bytes, 24);
    assert_int_equal(cursor.skipped_events, 1);
    const uint64_t per_block = (4096 - 48) / 24;
    for (uint64_t n = 5; n < per_block + 5; n++)
        expect_n(n);
    expect_n(2 * per_block);
    assert_int_equal(cursor.damaged, 2);
    assert_int_equal(cursor.lost, 0);
    assert_int_equal(cursor.skipped_events, 1 + per_block - 5);
    for (uint64_t n = 2 * per_block + 1; n < 400; n++)
        expect_n(n);
    expect_end();
}

static void impossible_lengths_and_kinds_are_skipped(void **state)
{
    (void)state;
    static const uint64_t words[] = {
        FAPILOG_WORD0(1, FAPILOG_KIND_EVENT, 9, 0, 8), FAPILOG_WORD0(0xffff, FAPILOG_KIND_EVENT, 9, 0, 8),
        FAPILOG_WORD0(0, FAPILOG_KIND_EVENT, 9, 0, 8), FAPILOG_WORD0(3, 0, 9, 0, 8),
        FAPILOG_WORD0(3, 15, 9, 0, 8),                 FAPILOG_WORD0(6, FAPILOG_KIND_BLOCK, 9, 0, 1),
        FAPILOG_WORD0(3, FAPILOG_KIND_EVENT, 0, 0, 8), FAPILOG_WORD0(3, FAPILOG_KIND_CONTEXT, 0, 0, 1),
        FAPILOG_WORD0(3, FAPILOG_KIND_FRAGMENT, 0, 0, 0), FAPILOG_WORD0(3, FAPILOG_KIND_FRAGMENT, 0, 0, 1),
        FAPILOG_WORD0(3, FAPILOG_KIND_FRAGMENT, 0, 0, 3), FAPILOG_WORD0(2, FAPILOG_KIND_EVENT, 9, 127, 8), 0,
    };
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        build(&(struct builder_options){0});
        for (uint64_t n = 0; n < 200; n++)
            put_n(n);
        *word_at(48 + 24 * 3) = words[i];
        start(0, 0);
        expect_n(0);
        expect_n(1);
        expect_n(2);
        uint64_t last = 2;
        while (next() == 1) {
            assert_true(rec.fields[0].v.u64 > last);
            last = rec.fields[0].v.u64;
        }
        assert_int_equal(last, 199);
        assert_true(cursor.damaged >= 1 || words[i] == 0);
        unbuild(NULL);
    }
}

static void an_unterminated_chain_is_counted_and_left(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    start(0, 0);
    put_n(1);
    payload_init(&p);
    payload_u64(&p, 5);
    builder_put(&b, 0, FAPILOG_KIND_FRAGMENT, 9, 0, 1, &p);
    expect_n(1);
    expect_end();
    assert_int_equal(cursor.damaged, 1);
    builder_put(&b, 0, FAPILOG_KIND_FRAGMENT, 9, 0, 1, &p);
    put_n(2);
    builder_put(&b, 0, FAPILOG_KIND_FRAGMENT, 9, 0, 2, &p);
    put_n(3);
    expect_n(2);
    expect_n(3);
    expect_end();
    assert_int_equal(cursor.damaged, 3);
}

static void a_bad_block_header_costs_one_block(void **state)
{
    (void)state;
    for (unsigned word = 0; word < 2; word++) {
        build(&(struct builder_options){0});
        for (uint64_t n = 0; n < 400; n++)
            put_n(n);
        word_at(4096)[word] ^= UINT64_C(1) << 33;
        word_at(4096)[word] ^= UINT64_C(1) << 17;
        start(0, 0);
        const uint64_t per_block = (4096 - 48) / 24;
        for (uint64_t n = 0; n < per_block; n++)
            expect_n(n);
        expect_n(2 * per_block);
        assert_int_equal(cursor.damaged, 1);
        assert_int_equal(cursor.skipped_bytes, 4096);
        assert_int_equal(cursor.skipped_events, per_block);
        unbuild(NULL);
    }
}

static void a_position_that_is_no_record_skips_its_block_once(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    for (uint64_t n = 0; n < 10; n++)
        put_n(n);
    start(48 + 24 * 2 + 8, 0);
    expect_end();
    assert_int_equal(cursor.damaged, 1);
    put_n(10);
    expect_n(10);
    for (uint64_t n = 11; n < 400; n++)
        put_n(n);
    expect_n(11);
    assert_int_equal(cursor.damaged, 1);
}

static void put_located(uint32_t schema)
{
    payload_init(&p);
    payload_dynamic(&p, 0, "located");
    builder_put(&b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, schema, &p);
}

static void a_dynamic_record_names_its_place_and_is_whole_without(void **state)
{
    (void)state;
    build(&(struct builder_options){0});
    const uint32_t place = builder_site(&b, 0, "", 0, NULL), schemas[] = {place, 0, 1, place - 1, UINT32_MAX, place};
    for (unsigned i = 0; i < 6; i++)
        put_located(schemas[i]);
    put_n(7);
    start(0, 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(next(), 1);
        assert_null(rec.site);
        assert_int_equal(rec.message.len, 7);
        assert_int_equal(rec.source ? rec.source->id : 0, schemas[i] == place ? place : 0);
        assert_ptr_equal(fapilog_record_source(&rec), rec.source);
    }
    expect_n(7);
    assert_null(rec.source);
    assert_ptr_equal(fapilog_record_source(&rec), rec.site);
    assert_int_equal(cursor.damaged, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, unbuild)
        T(records_come_back_in_order_across_blocks),
        T(the_ring_is_read_round_and_round_while_it_is_written),
        T(times_follow_the_counter),
        T(blocks_ended_early_leave_no_trace),
        T(a_full_block_to_the_last_byte_is_followed_by_the_next),
        T(records_that_became_zeros_are_damage),
        T(events_carry_the_context_of_their_epoch_and_no_other),
        T(a_cursor_that_resumes_within_a_block_knows_its_context),
        T(the_context_of_a_former_thread_is_not_taken_for_the_next),
        T(shared_lanes_carry_thread_and_context_in_the_record),
        T(names_of_fields_do_not_change_under_those_who_look),
        T(fragments_become_one_record_again),
        T(an_overwriting_lane_yields_what_is_whole_and_counts_the_rest),
        T(what_is_left_of_an_overwritten_chain_is_lost_and_no_damage),
        T(a_chain_that_begins_before_the_start_is_no_damage),
        T(a_block_that_is_written_over_while_it_is_read_is_not_mixed),
        T(bytes_under_an_intent_are_not_believed),
        T(drops_are_placed_by_the_block_headers),
        T(a_tail_that_cannot_be_one_is_refused),
        T(a_damaged_record_costs_itself_a_damaged_length_its_block),
        T(impossible_lengths_and_kinds_are_skipped),
        T(an_unterminated_chain_is_counted_and_left),
        T(a_bad_block_header_costs_one_block),
        T(a_position_that_is_no_record_skips_its_block_once),
        T(a_dynamic_record_names_its_place_and_is_whole_without),
    };
    return cmocka_run_group_tests_name("reader-lane", tests, NULL, NULL);
}
