#include "lib/base/check.h"
#include "lib/reader/segment.h"
#include "tests/common/segment_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

static struct segment_builder b;
static struct segment *seg;
static struct payload p;

XXH64_hash_t __real_XXH3_64bits(const void *data, size_t len);
XXH64_hash_t __wrap_XXH3_64bits(const void *data, size_t len);

static uint64_t hashed;

XXH64_hash_t __wrap_XXH3_64bits(const void *data, size_t len)
{
    hashed += len;
    return __real_XXH3_64bits(data, len);
}

static int build(void **state)
{
    (void)state;
    struct err e = {0};
    builder_init(&b, memfd_create("segment", MFD_CLOEXEC), &(struct builder_options){0});
    if (segment_open_fd(dup(b.fd), 0, NULL, &seg, &e) < 0)
        fail_msg("%s", e.text);
    return 0;
}

static int unbuild(void **state)
{
    (void)state;
    segment_close(seg);
    (void)close(b.fd);
    builder_done(&b);
    return 0;
}

static uint8_t *entry(uint32_t id)
{
    return b.base + b.sb->registry_off + (size_t)id * 8;
}

static bool text_is(struct fapilog_text t, const char *want)
{
    return t.len == strlen(want) && memcmp(t.data, want, t.len) == 0;
}

static uint32_t bound_logger(uint32_t parent, const char *name, const char *key, uint64_t value)
{
    payload_list_init(&p);
    payload_name(&p, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, key);
    payload_u64(&p, value);
    return builder_logger(&b, parent, name, 1, &p);
}

static void a_site_is_parsed_once_and_stays(void **state)
{
    (void)state;
    const struct builder_field fields[] = {{FAPILOG_TYPE_I32, "a"}, {FAPILOG_TYPE_UUID, "long_name"}};
    const uint32_t id = builder_site(&b, FAPILOG_LEVEL_ERROR, "it failed", 2, fields);
    const uint32_t other = builder_site_printf(&b, FAPILOG_LEVEL_INFO, "%d", 0, NULL);
    struct fapilog_site *s = registry_site(&seg->registry, id);
    assert_non_null(s);
    assert_true(text_is(s->message, "it failed"));
    assert_true(text_is(s->file, "file.c"));
    assert_true(text_is(s->function, "func"));
    assert_int_equal(s->id, id);
    assert_int_equal(s->line, 77);
    assert_int_equal(s->level, FAPILOG_LEVEL_ERROR);
    assert_false(s->is_printf);
    assert_int_equal(s->fields_count, 2);
    assert_true(text_is(s->fields[1].name, "long_name"));
    assert_int_equal(s->fields[1].len, 16);
    assert_true(registry_site(&seg->registry, other)->is_printf);
    s->cache[3] = malloc(10); /* freed by the registry: a leak checker would tell */
    memset(entry(id), 0xff, 64);
    assert_ptr_equal(registry_site(&seg->registry, id), s);
    assert_true(text_is(s->message, "it failed"));
}

static void bound_fields_come_from_the_outermost_parent_inwards(void **state)
{
    (void)state;
    const uint32_t outer = bound_logger(0, "a", "x", 1);
    const uint32_t middle = builder_logger(&b, outer, "a.b", 0, NULL);
    const uint32_t inner = bound_logger(middle, "a.b.c", "y", 2);
    const struct fapilog_logger_info *l = registry_logger(&seg->registry, inner);
    assert_non_null(l);
    assert_true(text_is(l->name, "a.b.c"));
    assert_true(text_is(l->service, "svc"));
    assert_int_equal(l->fields_count, 2);
    assert_true(text_is(l->fields[0].name, "x"));
    assert_true(text_is(l->fields[1].name, "y"));
    assert_int_equal(l->fields[1].v.u64, 2);
}

static void the_root_logger_has_the_segments_service(void **state)
{
    (void)state;
    const struct fapilog_logger_info *l = registry_logger(&seg->registry, 0);
    assert_int_equal(l->id, 0);
    assert_int_equal(l->name.len, 0);
    assert_true(text_is(l->service, "svc"));
}

static void loggers_that_are_their_own_ancestors_end(void **state)
{
    (void)state;
    const uint32_t first = bound_logger(0, "a", "x", 1), second = bound_logger(first, "b", "y", 2);
    struct fapilog_logger_entry *e = (struct fapilog_logger_entry *)(void *)entry(first);
    e->parent = second;
    builder_entry_rehash(&b, first);
    const struct fapilog_logger_info *l = registry_logger(&seg->registry, second);
    assert_non_null(l);
    assert_true(l->fields_count <= 2);
    const uint32_t self = bound_logger(0, "s", "z", 3);
    ((struct fapilog_logger_entry *)(void *)entry(self))->parent = self;
    builder_entry_rehash(&b, self);
    assert_int_equal(registry_logger(&seg->registry, self)->fields_count, 1);
}

static void a_long_line_of_parents_is_cut(void **state)
{
    (void)state;
    uint32_t id = 0;
    for (int i = 0; i < 40; i++)
        id = bound_logger(id, "deep", "x", (uint64_t)i);
    const struct fapilog_logger_info *l = registry_logger(&seg->registry, id);
    assert_non_null(l);
    assert_true(l->fields_count <= REGISTRY_PARENTS_MAX);
}

static void ids_that_name_nothing_answer_null(void **state)
{
    (void)state;
    const uint32_t site = builder_site(&b, 9, "m", 0, NULL), logger = builder_logger(&b, 0, "l", 0, NULL);
    static const uint32_t ids[] = {1, 7, 1000, 2047, 2048, 2049, UINT32_MAX, UINT32_MAX / 8};
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        assert_null(registry_site(&seg->registry, ids[i]));
        assert_null(registry_logger(&seg->registry, ids[i]));
    }
    assert_null(registry_site(&seg->registry, 0));
    assert_null(registry_site(&seg->registry, site + 1));
    assert_null(registry_site(&seg->registry, logger));
    assert_null(registry_logger(&seg->registry, site));
    /* a look as the wrong kind does not spoil the right one */
    assert_non_null(registry_logger(&seg->registry, logger));
    assert_non_null(registry_site(&seg->registry, site));
}

static void an_entry_that_is_not_complete_yet_is_found_later(void **state)
{
    (void)state;
    const uint32_t id = builder_site(&b, 9, "late", 0, NULL);
    uint64_t word0;
    memcpy(&word0, entry(id), 8);
    memset(entry(id), 0, 8);
    assert_null(registry_site(&seg->registry, id));
    memcpy(entry(id), &word0, 8);
    assert_non_null(registry_site(&seg->registry, id));
}

static void every_flipped_bit_of_an_entry_is_noticed(void **state)
{
    (void)state;
    for (unsigned bit = 0;; bit++) {
        const struct builder_field field = {FAPILOG_TYPE_STRING, "name"};
        unbuild(NULL);
        build(NULL);
        const uint32_t id = builder_site(&b, 9, "message", 1, &field);
        const uint32_t bytes = FAPILOG_ENTRY_BYTES(*(uint64_t *)(void *)entry(id));
        if (bit == bytes * 8)
            break;
        entry(id)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (registry_site(&seg->registry, id))
            fail_msg("bit %u of %u bytes", bit, bytes);
    }
}

/* Lies that carry a right hash: a hostile producer, not a damaged one. */
static void counts_and_lengths_that_leave_the_entry_are_refused(void **state)
{
    (void)state;
    for (size_t off = 14; off < 22; off++) { /* fields_count and the lengths of texts */
        for (unsigned value = 1; value < 256; value += 254) {
            unbuild(NULL);
            build(NULL);
            const struct builder_field field = {FAPILOG_TYPE_STRING, "name"};
            const uint32_t id = builder_site(&b, 9, "message", 1, &field);
            entry(id)[off] = (uint8_t)(entry(id)[off] + value);
            builder_entry_rehash(&b, id);
            const struct fapilog_site *s = registry_site(&seg->registry, id);
            if (s) /* one byte more or less may still fit; all texts lie within then */
                assert_true(s->message.len + s->file.len + s->function.len < 64);
        }
    }
    const uint32_t id = builder_site(&b, 9, "message", 0, NULL);
    entry(id)[24] = FAPILOG_TYPE_COUNT;
    ((struct fapilog_site_entry *)(void *)entry(id))->fields_count = 1;
    builder_entry_rehash(&b, id);
    assert_null(registry_site(&seg->registry, id));
}

static void entries_may_lie_over_each_other_but_cost_no_more_than_the_quota(void **state)
{
    (void)state;
    /* Each 8 bytes an entry that claims all that follows, with a right hash. */
    const uint32_t ids = b.opt.registry_bytes / 8;
    for (uint32_t id = ids - 8; id >= 8; id--) {
        const uint32_t bytes = (ids - id) * 8;
        uint64_t *word0 = (uint64_t *)(void *)entry(id);
        *word0 = FAPILOG_ENTRY_WORD0(bytes, FAPILOG_ENTRY_SITE, 0);
        builder_entry_rehash(&b, id);
    }
    for (uint32_t id = 8; id < ids; id++)
        (void)registry_site(&seg->registry, id);
    assert_true(seg->registry.heap_bytes <= seg->registry.heap_bytes_max);
    assert_true(seg->registry.refused > 0);
}

static bool module_of(uint64_t cycles, uint64_t address, struct fapilog_text *ret_path, uint64_t *ret_offset)
{
    struct registry_moment moment = {.registry = &seg->registry, .cycles = cycles};
    return registry_module_of(&moment, address, ret_path, ret_offset);
}

static void addresses_are_named_by_their_module(void **state)
{
    (void)state;
    builder_site(&b, 9, "m", 0, NULL);
    builder_module(&b, "/lib/liba.so", 0x10000, 0x1000);
    memset(entry((uint32_t)(b.sb->registry_tail / 8)), 0, 64); /* a thread died while it registered */
    b.sb->registry_tail += 64;
    builder_module(&b, "/lib/libb.so", 0x20000, 0x800);
    struct fapilog_text path;
    uint64_t offset;
    assert_true(module_of(UINT64_MAX, 0x10010, &path, &offset));
    assert_true(text_is(path, "/lib/liba.so"));
    assert_int_equal(offset, 0x10);
    assert_true(module_of(UINT64_MAX, 0x207ff, &path, &offset));
    assert_true(text_is(path, "/lib/libb.so"));
    assert_false(module_of(UINT64_MAX, 0x20800, &path, &offset));
    assert_false(module_of(UINT64_MAX, 0xffff, &path, &offset));
    builder_module(&b, "/lib/libc.so", 0x30000, 0x1000); /* loaded later */
    assert_true(module_of(UINT64_MAX, 0x30fff, &path, &offset));
}

/* Takes an entry back as if its thread were still writing it; returns what makes it complete. */
static uint64_t unpublish(uint32_t id)
{
    uint64_t word0;
    memcpy(&word0, entry(id), 8);
    memset(entry(id), 0, 8);
    return word0;
}

static void modules_cost_no_more_than_the_quota(void **state)
{
    (void)state;
    const uint32_t id = builder_site(&b, 9, "m", 0, NULL);
    const uint32_t module = builder_module(&b, "/lib/liba.so", 0x10000, 0x1000);
    struct registry *r = &seg->registry;
    struct fapilog_text path;
    uint64_t offset, word0;
    memcpy(&word0, entry(module), sizeof word0);
    r->heap_bytes_max = r->heap_bytes + FAPILOG_ENTRY_BYTES(word0); /* room for the entry, not for what is kept of it */
    assert_false(module_of(UINT64_MAX, 0x10010, &path, &offset));
    assert_true(r->heap_bytes <= r->heap_bytes_max);
    assert_null(registry_site(r, id));
}

static void a_module_that_is_complete_only_after_the_search_is_found(void **state)
{
    (void)state;
    struct fapilog_text path;
    uint64_t offset;
    builder_module_since(&b, "/lib/old.so", 0x10000, 0x1000, 100);
    const uint32_t site = builder_site(&b, 9, "never complete", 0, NULL);
    (void)unpublish(site);
    const uint32_t first = builder_module_since(&b, "/lib/new.so", 0x10000, 0x1000, 200);
    const uint32_t second = builder_module_since(&b, "/lib/other.so", 0x20000, 0x1000, 200);
    const uint64_t first_word0 = unpublish(first), second_word0 = unpublish(second);
    builder_module(&b, "/lib/last.so", 0x30000, 0x1000);
    assert_true(module_of(300, 0x30010, &path, &offset));
    assert_false(module_of(300, 0x20010, &path, &offset));
    memcpy(entry(second), &second_word0, 8);
    assert_true(module_of(300, 0x20010, &path, &offset));
    assert_true(text_is(path, "/lib/other.so"));
    assert_true(module_of(300, 0x10010, &path, &offset)); /* known, but another one by now */
    assert_true(text_is(path, "/lib/old.so"));
    memcpy(entry(first), &first_word0, 8);
    assert_true(module_of(300, 0x10010, &path, &offset));
    assert_true(text_is(path, "/lib/new.so"));
    assert_true(module_of(300, 0x30010, &path, &offset));
    assert_int_equal(seg->registry.modules_count, 4); /* each of them once */
    assert_int_equal(seg->registry.gaps_count, 1);
}

/* All frames of a record know of the same modules; and many bytes without entries are not searched for each record. */
static void gaps_cost_a_record_no_more_than_their_bound(void **state)
{
    (void)state;
    struct fapilog_text path;
    uint64_t offset;
    const uint32_t hole = (uint32_t)(b.sb->registry_tail / 8);
    const uint64_t hole_bytes = 3 * REGISTRY_GAPS_BYTES;
    memset(entry(hole), 0, hole_bytes);
    b.sb->registry_tail += hole_bytes;
    assert_false(module_of(300, 0x10010, &path, &offset));
    const uint64_t tail = b.sb->registry_tail;
    b.sb->registry_tail = (uint64_t)hole * 8;
    (void)builder_module(&b, "/lib/a.so", 0x10000, 0x1000);
    b.sb->registry_tail = tail;
    assert_false(module_of(300, 0x10010, &path, &offset));
    assert_false(module_of(300, 0x10010, &path, &offset));
    assert_true(module_of(300, 0x10010, &path, &offset)); /* the third has paid for it */
    struct registry_moment moment = {.registry = &seg->registry, .cycles = 300};
    b.sb->registry_tail = (uint64_t)hole * 8 + 64;
    (void)builder_module(&b, "/lib/b.so", 0x20000, 0x1000);
    b.sb->registry_tail = tail;
    for (unsigned frames = 0; frames < 10; frames++)
        assert_false(registry_module_of(&moment, 0x20010, &path, &offset));
}

/* What a killed thread has left is half an entry; its words may look like the head of one. */
static void what_looks_like_an_entry_hides_none_behind_it(void **state)
{
    (void)state;
    uint64_t good, bad;
    struct fapilog_text path;
    uint64_t offset;
    uint64_t *const gap = (uint64_t *)(void *)entry((uint32_t)(b.sb->registry_tail / 8));
    memset(gap, 0, 64);
    gap[1] = FAPILOG_ENTRY_WORD0(4096, FAPILOG_ENTRY_SITE, 0x123456);
    gap[2] = FAPILOG_ENTRY_WORD0(512, FAPILOG_ENTRY_MODULE, 0x123456);
    b.sb->registry_tail += 64;
    builder_module(&b, "/lib/liba.so", 0x10000, 0x1000);
    assert_true(module_of(UINT64_MAX, 0x10010, &path, &offset));
    assert_true(text_is(path, "/lib/liba.so"));
    registry_verify(&seg->registry, &good, &bad);
    assert_int_equal(good, 1);
    assert_int_equal(bad, 1);
}

/* Every word claims all that follows. */
static void a_registry_of_lies_is_hashed_a_few_times_only(void **state)
{
    (void)state;
    struct fapilog_text path;
    uint64_t offset, good, bad;
    const uint32_t ids = b.opt.registry_bytes / 8;
    for (uint32_t id = FAPILOG_REGISTRY_PREAMBLE / 8; id < ids - 2; id++)
        *(uint64_t *)(void *)entry(id) = FAPILOG_ENTRY_WORD0((ids - id) * 8, FAPILOG_ENTRY_SITE, 1);
    b.sb->registry_tail = b.opt.registry_bytes;
    hashed = 0;
    assert_false(module_of(UINT64_MAX, 0x10010, &path, &offset));
    assert_in_range(hashed, b.opt.registry_bytes, REGISTRY_VAIN_FACTOR * (uint64_t)b.opt.registry_bytes);
    hashed = 0;
    registry_verify(&seg->registry, &good, &bad);
    assert_in_range(hashed, b.opt.registry_bytes, (REGISTRY_VAIN_FACTOR + 1) * (uint64_t)b.opt.registry_bytes);
    assert_int_equal(good, 0);
    assert_true(bad > 0);
}

static void of_modules_in_one_place_the_one_at_the_time_of_the_record_is_named(void **state)
{
    (void)state;
    static const struct {
        uint64_t cycles;
        const char *path;
    } cases[] = {{50, "/a.so"}, {100, "/a.so"}, {199, "/a.so"}, {200, "/b.so"}, {299, "/b.so"}, {300, "/a.so"}};
    builder_module_since(&b, "/a.so", 0x10000, 0x1000, 100);
    builder_module_since(&b, "/b.so", 0x10000, 0x2000, 200);
    builder_module_since(&b, "/a.so", 0x10000, 0x1000, 300);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fapilog_text path;
        uint64_t offset;
        assert_true(module_of(cases[i].cycles, 0x10008, &path, &offset));
        assert_true(text_is(path, cases[i].path));
        assert_true(module_of(cases[i].cycles, 0x11008, &path, &offset));
        assert_true(text_is(path, "/b.so"));
    }
}

static void verification_counts_good_and_bad_entries(void **state)
{
    (void)state;
    uint64_t good, bad;
    builder_site(&b, 9, "m", 0, NULL);
    const uint32_t id = builder_site(&b, 9, "n", 0, NULL);
    builder_logger(&b, 0, "l", 0, NULL);
    builder_module(&b, "/x", 1, 1);
    registry_verify(&seg->registry, &good, &bad);
    assert_int_equal(good, 4);
    assert_int_equal(bad, 0);
    unbuild(NULL);
    build(NULL);
    builder_site(&b, 9, "m", 0, NULL);
    assert_int_equal(builder_site(&b, 9, "n", 0, NULL), id);
    entry(id)[12]++;
    registry_verify(&seg->registry, &good, &bad);
    assert_int_equal(good, 1);
    assert_int_equal(bad, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, build, unbuild)
        T(a_site_is_parsed_once_and_stays), T(bound_fields_come_from_the_outermost_parent_inwards),
        T(the_root_logger_has_the_segments_service), T(loggers_that_are_their_own_ancestors_end),
        T(a_long_line_of_parents_is_cut), T(ids_that_name_nothing_answer_null),
        T(an_entry_that_is_not_complete_yet_is_found_later), T(every_flipped_bit_of_an_entry_is_noticed),
        T(counts_and_lengths_that_leave_the_entry_are_refused),
        T(entries_may_lie_over_each_other_but_cost_no_more_than_the_quota),
        T(addresses_are_named_by_their_module), T(modules_cost_no_more_than_the_quota),
        T(a_module_that_is_complete_only_after_the_search_is_found),
        T(gaps_cost_a_record_no_more_than_their_bound),
        T(what_looks_like_an_entry_hides_none_behind_it),
        T(a_registry_of_lies_is_hashed_a_few_times_only),
        T(of_modules_in_one_place_the_one_at_the_time_of_the_record_is_named),
        T(verification_counts_good_and_bad_entries),
    };
    return cmocka_run_group_tests_name("reader-registry", tests, NULL, NULL);
}
