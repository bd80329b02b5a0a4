/* One flipped bit, anywhere in a segment: what it may cost, to the record. All else is read as it was written.
 *
 *     in a block's kind or position      the events of the block, and chains that pass through it
 *     in the length of a record          it and what follows it in its block, and chains that pass through there
 *     elsewhere in a record              it alone; in a context, the contexts of the events that name it
 *     in the entry of a call site        the events of that call site; of a logger, its name
 *     in a lane's header                 nothing in other lanes; what it says of the thread, no event
 *     in the superblock                  nothing for who saves what can be saved; all for who trusts its hash
 *
 * FAPILOG_TEST_BITS=all flips each bit; else each eighth where a byte is one of many of its kind. */
#include "lib/base/check.h"
#include "lib/reader/lane.h"
#include "tests/common/segment_builder.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { LANES = 2, EVENTS_MAX = 64, UNITS_MAX = 128, BLOCK = 4096, TEXT = 5000, ALL = 1 };

/* An event as it is read. */
struct event {
    uint32_t lane, site, logger, epoch;
    uint64_t from, to; /* a chain: over all its fragments, and what lies between */
    uint32_t body_bytes, context_bytes, name_bytes;
    uint8_t body[TEXT + 256], context[64], name[64];
};

struct events {
    unsigned count;
    struct event e[EVENTS_MAX];
};

/* A piece of a lane, as it was written. */
struct unit {
    uint32_t kind; /* FAPILOG_KIND_*, 0: nothing that is read */
    uint64_t from, to;
};

static struct segment_builder b;
static struct segment *seg;
static struct lane_cursor cursor;
static struct events whole, now;
static struct unit units[LANES][UNITS_MAX];
static unsigned units_count[LANES];
static uint32_t sites[2], logger, module;
static bool is_all;

/* ---- what is written ---- */

static void put_context(uint32_t epoch)
{
    static struct payload p;
    char text[16];
    payload_init(&p);
    payload_dynamic(&p, 1, "");
    payload_name(&p, FAPILOG_TYPE_STRING, FAPILOG_ROLE_REQUEST_ID, "request_id");
    payload_text(&p, text, (uint32_t)snprintf(text, sizeof text, "r-%u", epoch));
    builder_context(&b, 0, epoch, &p);
}

static void put_event(uint32_t lane, uint32_t site, uint32_t epoch, uint32_t n, uint32_t text_bytes)
{
    static struct payload p;
    char text[TEXT];
    const uint32_t piece = text_bytes > BLOCK / 2 ? BLOCK / 2 : 0;
    memset(text, 'a' + (int)n % 26, sizeof text);
    payload_init(&p);
    if (epoch)
        payload_ext(&p, logger, epoch);
    payload_u32(&p, n);
    payload_f64(&p, 9.5);
    payload_text(&p, text, text_bytes);
    if (piece)
        builder_put_large(&b, lane, FAPILOG_KIND_EVENT, FAPILOG_LEVEL_WARNING, 0, site, &p, piece);
    else
        builder_put(&b, lane, FAPILOG_KIND_EVENT, FAPILOG_LEVEL_INFO, epoch ? FAPILOG_FLAG_EXT : 0, site, &p);
}

static void put_dynamic(uint32_t n)
{
    static struct payload p;
    payload_init(&p);
    payload_dynamic(&p, 1, "dynamic");
    payload_name(&p, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&p, n);
    builder_put(&b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_ERROR, 0, 0, &p);
}

/* Four blocks, of which a chain passes through two; a context and events of all kinds in each. */
static void put_all(void)
{
    static struct payload p;
    payload_list_init(&p);
    payload_name(&p, FAPILOG_TYPE_STRING, FAPILOG_ROLE_DATA, "region");
    payload_text(&p, "eu", 2);
    logger = builder_logger(&b, 0, "orders", 1, &p);
    module = builder_module(&b, "/usr/lib/libx.so", 0x1000, 0x1000);
    const struct builder_field fields[] = {
        {FAPILOG_TYPE_I32, "order_id"}, {FAPILOG_TYPE_F64, "price"}, {FAPILOG_TYPE_STRING, "symbol"}};
    sites[0] = builder_site(&b, FAPILOG_LEVEL_INFO, "order accepted", 3, fields);
    sites[1] = builder_site(&b, FAPILOG_LEVEL_INFO, "order cancelled", 3, fields);
    for (uint32_t i = 0; i < 3; i++)
        put_event(1, sites[i % 2], 0, 100 + i, 4);
    for (uint32_t block = 0; block < 4; block++) {
        put_context(block + 1);
        for (uint32_t i = 0; i < 4; i++)
            put_event(0, sites[i % 2], block + 1, 10 * block + i, 4);
        put_dynamic(block);
        if (block == 0)
            put_event(0, sites[0], 0, 25, TEXT);
        else if (block < 3)
            put_event(0, sites[1], 0, block, BLOCK - (uint32_t)(b.lanes[0].pos % BLOCK) - 64);
        if (block > 0)
            put_event(0, sites[0], 0, 9, 4); /* the next block's first */
    }
}

static void units_find(uint32_t lane)
{
    const uint64_t tail = b.lanes[lane].pos;
    units_count[lane] = 0;
    for (uint64_t at = 0; at < tail;) {
        struct unit *const u = &units[lane][units_count[lane]++];
        uint64_t word0;
        CHECK(units_count[lane] < UNITS_MAX);
        memcpy(&word0, builder_at(&b, lane, at), sizeof word0);
        const uint64_t end = (at / BLOCK + 1) * BLOCK;
        *u = (struct unit){FAPILOG_WORD0_KIND(word0), at, word0 ? at + FAPILOG_WORD0_SIZE(word0) : end};
        at = u->to;
    }
}

/* ---- what is read ---- */

static void add(uint8_t *to, uint32_t max, uint32_t *at, const void *from, uint32_t bytes)
{
    if (bytes > max - *at)
        bytes = max - *at; /* of a damaged record: it differs before */
    if (bytes)
        memcpy(to + *at, from, bytes);
    *at += bytes;
}

static void add_fields(uint8_t *to, uint32_t max, uint32_t *at, const struct fapilog_field *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const bool is_text = f[i].type == FAPILOG_TYPE_STRING;
        add(to, max, at, &f[i].type, 1);
        add(to, max, at, &f[i].role, 1);
        add(to, max, at, f[i].name.data, f[i].name.len);
        add(to, max, at, is_text ? (const void *)f[i].v.data : &f[i].v, is_text ? f[i].len : sizeof f[i].v);
    }
}

static void keep(struct event *e, const struct fapilog_record *r, uint32_t lane)
{
    e->lane = lane;
    e->from = r->id.position;
    e->to = cursor.pos;
    e->site = r->site ? r->site->id : 0;
    e->logger = r->logger->id;
    e->epoch = r->context ? r->context->epoch : 0;
    e->body_bytes = e->context_bytes = e->name_bytes = 0;
    add(e->body, sizeof e->body, &e->body_bytes, &r->level, 1);
    add(e->body, sizeof e->body, &e->body_bytes, &r->flags, 1);
    add(e->body, sizeof e->body, &e->body_bytes, &r->cycles, sizeof r->cycles);
    add(e->body, sizeof e->body, &e->body_bytes, r->message.data, r->message.len);
    add_fields(e->body, sizeof e->body, &e->body_bytes, r->fields, r->fields_count);
    if (r->context)
        add_fields(e->context, sizeof e->context, &e->context_bytes, r->context->fields, r->context->fields_count);
    add(e->name, sizeof e->name, &e->name_bytes, r->logger->name.data, r->logger->name.len);
    add_fields(e->name, sizeof e->name, &e->name_bytes, r->logger->fields, r->logger->fields_count);
}

static int seg_open(unsigned flags)
{
    struct err e = {0};
    segment_close(seg);
    seg = NULL;
    return segment_open_fd(dup(b.fd), flags, NULL, &seg, &e);
}

/* All lanes that can be read; how many records and blocks were told to be damaged, or lost. */
static uint64_t read_all(struct events *to, unsigned flags)
{
    struct fapilog_record rec;
    uint64_t told = 0;
    to->count = 0;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        lane_cursor_done(&cursor);
        if (lane >= seg->lanes_count || lane_cursor_init(&cursor, seg, lane, 0, flags) < 0) {
            told++;
            continue;
        }
        const uint64_t tail = lane_tail(&cursor);
        int r;
        while ((r = lane_next(&cursor, tail, &rec)) == 1) {
            assert_true(to->count < EVENTS_MAX);
            keep(&to->e[to->count++], &rec, lane);
        }
        told += (r < 0) + cursor.damaged + cursor.lost;
    }
    return told;
}

static const struct event *find(const struct events *in, const struct event *e)
{
    for (unsigned i = 0; i < in->count; i++)
        if (in->e[i].lane == e->lane && in->e[i].from == e->from)
            return &in->e[i];
    return NULL;
}

enum what { BODY = 1, CONTEXT = 2, NAME = 4, EVERYTHING = BODY | CONTEXT | NAME };

static bool is_same(const struct event *a, const struct event *e, enum what w)
{
    if (w & BODY && (a->body_bytes != e->body_bytes || memcmp(a->body, e->body, e->body_bytes) != 0))
        return false;
    if (w & NAME && (a->name_bytes != e->name_bytes || memcmp(a->name, e->name, e->name_bytes) != 0))
        return false;
    return !(w & CONTEXT) ||
           (a->context_bytes == e->context_bytes && memcmp(a->context, e->context, e->context_bytes) == 0);
}

/* What must still be there of an event after a flip; 0: it may be gone. */
typedef enum what left_func(const struct event *e, const void *flip);

static void check_left(left_func *left, const void *flip, const char *where, uint64_t at, unsigned bit)
{
    for (unsigned i = 0; i < whole.count; i++) {
        const struct event *const e = &whole.e[i];
        const enum what w = left(e, flip);
        if (!w)
            continue;
        const struct event *const found = find(&now, e);
        if (!found || !is_same(found, e, w))
            fail_msg("%s, byte %" PRIu64 ", bit %u: the event at %" PRIu64 " of lane %u is %s", where, at, bit, e->from,
                     e->lane, found ? "another" : "gone");
    }
}

/* Nobody may be shown what was not written, and what is not shown must be told. */
static void check_rest(uint64_t told, bool may_invent, const char *where, uint64_t at, unsigned bit)
{
    unsigned known = 0;
    for (unsigned i = 0; i < now.count; i++)
        known += find(&whole, &now.e[i]) != NULL;
    if (!may_invent && known != now.count)
        fail_msg("%s, byte %" PRIu64 ", bit %u: %u records that nobody wrote", where, at, bit, now.count - known);
    if (known < whole.count && !told)
        fail_msg("%s, byte %" PRIu64 ", bit %u: %u of %u records, and nothing is said", where, at, bit, known,
                 whole.count);
}

static int build(void **state)
{
    (void)state;
    const char *const bits = getenv("FAPILOG_TEST_BITS");
    is_all = bits && strcmp(bits, "all") == 0;
    builder_init(&b, memfd_create("segment", MFD_CLOEXEC),
                 &(struct builder_options){.registry_bytes = 4096, .lanes = LANES});
    put_all();
    for (uint32_t lane = 0; lane < LANES; lane++)
        units_find(lane);
    assert_int_equal(seg_open(0), 0);
    assert_int_equal(read_all(&whole, 0), 0);
    assert_int_equal(whole.count, 3 + 4 * 5 + 3 + 3);
    return 0;
}

static int unbuild(void **state)
{
    (void)state;
    lane_cursor_done(&cursor);
    segment_close(seg);
    seg = NULL;
    (void)close(b.fd);
    builder_done(&b);
    return 0;
}

/* ---- in a lane ---- */

struct lane_flip {
    uint32_t lane;
    uint64_t at;
    unsigned bit;
    const struct unit *unit;
};

static bool is_in(const struct event *e, uint64_t from, uint64_t to)
{
    return e->from < to && e->to > from;
}

static enum what left_in_lane(const struct event *e, const void *arg)
{
    const struct lane_flip *const f = arg;
    const struct unit *const u = f->unit;
    const uint64_t off = f->at - u->from, block_end = (u->from / BLOCK + 1) * BLOCK;
    if (e->lane != f->lane)
        return EVERYTHING;
    if (u->kind == FAPILOG_KIND_BLOCK)
        return off < 16 && is_in(e, u->from, block_end) ? 0 : EVERYTHING;
    const bool is_length = off < 2 || !u->kind;
    if (is_in(e, u->from, is_length ? block_end : u->to))
        return 0;
    if (u->kind == FAPILOG_KIND_CONTEXT || u->kind == FAPILOG_KIND_FRAGMENT)
        return BODY | NAME; /* a fragment may have become a context */
    return EVERYTHING;
}

/* Those of a context that cannot be found have none, and never another's. */
static void check_contexts(const struct lane_flip *f)
{
    if (f->unit->kind != FAPILOG_KIND_CONTEXT || f->at - f->unit->from >= 16)
        return;
    for (unsigned i = 0; i < now.count; i++) {
        const struct event *const e = find(&whole, &now.e[i]);
        if (e && now.e[i].context_bytes && !is_same(&now.e[i], e, CONTEXT))
            fail_msg("byte %" PRIu64 ", bit %u: the event at %" PRIu64 " has a context that is not its own", f->at,
                     f->bit, e->from);
    }
}

static void flip_in_lane(const struct lane_flip *f)
{
    uint8_t *const byte = builder_at(&b, f->lane, f->at);
    const bool is_anchor = f->unit->kind == FAPILOG_KIND_BLOCK; /* which the segment keeps */
    const bool may_invent = f->at - f->unit->from < 2;          /* in bytes of a payload that look like records */
    *byte ^= (uint8_t)(1u << f->bit);
    for (unsigned flags = 0; flags <= LANE_COPY; flags++) {
        const uint64_t told = read_all(&now, flags);
        check_left(left_in_lane, f, "lane", f->at, f->bit);
        check_rest(told, may_invent, "lane", f->at, f->bit);
        check_contexts(f);
    }
    *byte ^= (uint8_t)(1u << f->bit);
    if (is_anchor)
        assert_int_equal(seg_open(0), 0);
}

static void one_flipped_bit_in_a_lane_costs_what_stands_with_it(void **state)
{
    (void)state;
    uint64_t flips = 0;
    for (struct lane_flip f = {.lane = 0}; f.lane < LANES; f.lane++) {
        for (unsigned i = 0; i < units_count[f.lane]; i++) {
            f.unit = &units[f.lane][i];
            for (f.at = f.unit->from; f.at < f.unit->to; f.at++) {
                const uint64_t off = f.at - f.unit->from;
                for (f.bit = 0; f.bit < 8; f.bit++) {
                    if (!is_all && off >= (f.unit->kind ? 72 : 16) && f.at % 8 != f.bit)
                        continue;
                    flip_in_lane(&f);
                    flips++;
                }
            }
        }
    }
    print_message("%" PRIu64 " bits\n", flips);
    assert_int_equal(read_all(&now, 0), 0);
    assert_int_equal(now.count, whole.count);
}

/* ---- in a lane's header ---- */

/* Of an event behind the flipped tail, or over the flipped intent, nothing is promised; none of its thread's name. */
static enum what left_by_header(const struct event *e, const void *arg)
{
    const struct lane_flip *const f = arg;
    const struct fapilog_lane *const l = builder_lane(&b, f->lane);
    if (e->lane != f->lane)
        return EVERYTHING;
    if (f->at < 8)
        return l->tail % 8 == 0 && e->to <= l->tail && l->tail <= 4 * BLOCK ? EVERYTHING : 0;
    if (f->at < 16)
        return e->from / BLOCK * BLOCK + 4 * BLOCK >= l->intent ? EVERYTHING : 0;
    const size_t place = offsetof(struct fapilog_lane, data_off), mode = offsetof(struct fapilog_lane, mode);
    return f->at >= place && f->at < mode ? 0 : EVERYTHING;
}

static void one_flipped_bit_in_a_lanes_header_costs_other_lanes_nothing(void **state)
{
    (void)state;
    struct lane_flip f = {.lane = 0};
    for (; f.at < sizeof(struct fapilog_lane); f.at++) {
        uint8_t *const byte = (uint8_t *)builder_lane(&b, 0) + f.at;
        for (f.bit = 0; f.bit < 8; f.bit++) {
            *byte ^= (uint8_t)(1u << f.bit);
            for (unsigned flags = 0; flags <= LANE_COPY; flags++) {
                assert_int_equal(seg_open(SEGMENT_SALVAGE), 0);
                (void)read_all(&now, flags);
                check_left(left_by_header, &f, "lane header", f.at, f.bit);
            }
            *byte ^= (uint8_t)(1u << f.bit);
        }
    }
}

/* ---- in the registry ---- */

struct entry_flip {
    uint32_t id; /* whose entry it is in */
};

static enum what left_by_entry(const struct event *e, const void *arg)
{
    const struct entry_flip *const f = arg;
    if (f->id == logger)
        return BODY | CONTEXT | (e->logger == logger ? 0 : NAME);
    return f->id == e->site ? 0 : EVERYTHING;
}

static uint32_t entry_of(uint64_t at)
{
    const uint32_t ids[] = {sites[1], sites[0], module, logger};
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
        if (at >= ids[i] * UINT64_C(8))
            return ids[i];
    return 0;
}

static void one_flipped_bit_in_the_registry_costs_what_names_the_entry(void **state)
{
    (void)state;
    assert_true(logger < module && module < sites[0] && sites[0] < sites[1]);
    for (uint64_t at = 0; at < b.sb->registry_tail + 64; at++) {
        const struct entry_flip f = {entry_of(at)};
        uint8_t *const byte = b.base + b.sb->registry_off + at;
        for (unsigned bit = 0; bit < 8; bit++) {
            *byte ^= (uint8_t)(1u << bit);
            assert_int_equal(seg_open(0), 0);
            const uint64_t told = read_all(&now, 0);
            check_left(left_by_entry, &f, "registry", at, bit);
            check_rest(told, false, "registry", at, bit);
            *byte ^= (uint8_t)(1u << bit);
        }
    }
}

/* ---- in the superblock ---- */

/* Entries behind a registry's end are not there yet. */
static enum what left_by_registry_tail(const struct event *e, const void *arg)
{
    (void)arg;
    const uint64_t tail = b.sb->registry_tail;
    const uint32_t next = e->site == sites[0] ? sites[1] : e->site == sites[1] ? sites[1] + 16 : 0;
    if (next * UINT64_C(8) > tail)
        return 0;
    return BODY | CONTEXT | (e->logger && module * UINT64_C(8) > tail ? 0 : NAME);
}

static enum what left_all(const struct event *e, const void *arg)
{
    (void)e;
    (void)arg;
    return EVERYTHING;
}

static void one_flipped_bit_in_the_superblock_is_refused_or_mended(void **state)
{
    (void)state;
    const uint64_t covered = offsetof(struct fapilog_superblock, registry_tail);
    for (uint64_t at = 0; at < sizeof *b.sb; at++) {
        uint8_t *const byte = b.base + at;
        const bool is_tail = at >= covered && at < covered + 8;
        for (unsigned bit = 0; bit < 8; bit++) {
            if (!is_all && at > 640 && at % 8 != bit)
                continue;
            *byte ^= (uint8_t)(1u << bit);
            const int r = seg_open(0);
            if (at < covered ? r != -EBADMSG && r != -ENOTSUP : r != 0)
                fail_msg("superblock, byte %" PRIu64 ", bit %u: opening gave %d", at, bit, r);
            assert_int_equal(seg_open(SEGMENT_SALVAGE), 0);
            (void)read_all(&now, 0);
            check_left(is_tail ? left_by_registry_tail : left_all, NULL, "superblock", at, bit);
            *byte ^= (uint8_t)(1u << bit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, build, unbuild)
        T(one_flipped_bit_in_a_lane_costs_what_stands_with_it),
        T(one_flipped_bit_in_a_lanes_header_costs_other_lanes_nothing),
        T(one_flipped_bit_in_the_registry_costs_what_names_the_entry),
        T(one_flipped_bit_in_the_superblock_is_refused_or_mended),
    };
    return cmocka_run_group_tests_name("reader-bits", tests, NULL, NULL);
}
