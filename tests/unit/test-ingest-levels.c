#include "collector/ingest/levels.h"
#include "tests/common/segment_builder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include <cmocka.h>

struct place {
    char dir[64];
    int dir_fd;
    struct segment_builder b;
    struct source s;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    (void)snprintf(p->dir, sizeof p->dir, "/dev/shm/test-levels-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->dir_fd = open(p->dir, O_RDONLY | O_DIRECTORY);
    const int fd = openat(p->dir_fd, "1.ring", O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    builder_init(&p->b, fd, &(struct builder_options){ 0 });
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    segment_close(p->s.seg);
    (void)close(p->b.fd);
    builder_done(&p->b);
    (void)unlinkat(p->dir_fd, "1.ring", 0);
    (void)close(p->dir_fd);
    assert_int_equal(rmdir(p->dir), 0);
    free(p);
    return 0;
}

static struct fapilog_ctl *ctl_of(struct place *p)
{
    struct err e = { 0 };
    if (!p->s.seg && segment_open(p->dir_fd, "1.ring", SEGMENT_CTL_WRITE, NULL, &p->s.seg, &e) < 0)
        fail_msg("%s", e.text);
    return p->s.seg->ctl;
}

static uint32_t slot_of(struct place *p, uint32_t logger)
{
    const struct fapilog_logger_entry *entry =
        (const void *)(p->b.base + p->b.sb->registry_off + (size_t)logger * 8);
    return entry->level_slot;
}

static void the_longest_prefix_that_ends_at_a_dot_governs(void **state)
{
    struct place *p = *state;
    static const char *const names[] = { "orders", "orders.matching", "orders.matching.fast", "ordersx", "billing" };
    uint32_t id[5];
    for (int i = 0; i < 5; i++) {
        id[i] = builder_logger(&p->b, 0, names[i], 0, NULL);
        struct fapilog_logger_entry *entry = (void *)(p->b.base + p->b.sb->registry_off + (size_t)id[i] * 8);
        entry->level_slot = (uint32_t)i + 1;
        builder_entry_rehash(&p->b, id[i]);
    }
    struct fapilog_ctl *ctl = ctl_of(p);
    const struct level_setting settings[] = {
        { "", FAPILOG_LEVEL_WARNING }, { "orders", FAPILOG_LEVEL_DEBUG }, { "orders.matching", FAPILOG_LEVEL_TRACE },
    };
    assert_int_equal(levels_apply(&p->s, settings, 3), 0);
    assert_int_equal(ctl->level[0], FAPILOG_LEVEL_WARNING);
    assert_int_equal(ctl->level[slot_of(p, id[0])], FAPILOG_LEVEL_DEBUG);
    assert_int_equal(ctl->level[slot_of(p, id[1])], FAPILOG_LEVEL_TRACE);
    assert_int_equal(ctl->level[slot_of(p, id[2])], FAPILOG_LEVEL_TRACE);
    assert_int_equal(ctl->level[slot_of(p, id[3])], FAPILOG_LEVEL_WARNING);
    assert_int_equal(ctl->level[slot_of(p, id[4])], FAPILOG_LEVEL_WARNING);
}

/* A thread that is killed while it registers, or its process forked, leaves a gap for good: here with the rest of an
 * entry in it that never became one. */
static void loggers_behind_a_gap_in_the_registry_get_their_level(void **state)
{
    struct place *p = *state;
    struct fapilog_ctl *ctl = ctl_of(p);
    const struct level_setting setting = { "", FAPILOG_LEVEL_DEBUG };
    uint8_t *const gap = p->b.base + p->b.sb->registry_off + p->b.sb->registry_tail;
    const uint64_t looks = FAPILOG_ENTRY_WORD0(64, FAPILOG_ENTRY_LOGGER, 0);
    memset(gap, 0, 64);
    memcpy(gap + 16, &looks, sizeof looks);
    p->b.sb->registry_tail += 64;
    const uint32_t id = builder_logger(&p->b, 0, "behind", 0, NULL);
    struct fapilog_logger_entry *entry = (void *)(p->b.base + p->b.sb->registry_off + (size_t)id * 8);
    entry->level_slot = 3;
    builder_entry_rehash(&p->b, id);
    assert_int_equal(levels_apply(&p->s, &setting, 1), 0);
    assert_int_equal(ctl->level[3], FAPILOG_LEVEL_DEBUG);
}

static void no_setting_leaves_the_levels_of_the_service(void **state)
{
    struct place *p = *state;
    struct fapilog_ctl *ctl = ctl_of(p);
    ctl->level[0] = FAPILOG_LEVEL_ERROR;
    assert_int_equal(levels_apply(&p->s, NULL, 0), 0);
    assert_int_equal(ctl->level[0], FAPILOG_LEVEL_ERROR);
}

static void a_rule_for_the_same_prefix_is_replaced(void **state)
{
    struct place *p = *state;
    struct fapilog_ctl *ctl = ctl_of(p);
    for (uint8_t level = 1; level < 30; level++) {
        const struct level_setting setting = { "a", level };
        assert_int_equal(levels_apply(&p->s, &setting, 1), 0);
    }
    assert_int_equal(ctl->rule[0].level, 29);
    assert_int_equal(ctl->rule[1].used, 0);
}

static void more_rules_than_fit_are_refused(void **state)
{
    struct place *p = *state;
    (void)ctl_of(p);
    struct level_setting settings[FAPILOG_LEVEL_RULES_MAX + 1] = { 0 };
    for (unsigned i = 0; i <= FAPILOG_LEVEL_RULES_MAX; i++) {
        (void)snprintf(settings[i].prefix, sizeof settings[i].prefix, "l%u", i);
        settings[i].level = 9;
    }
    assert_int_equal(levels_apply(&p->s, settings, FAPILOG_LEVEL_RULES_MAX), 0);
    assert_int_equal(levels_apply(&p->s, settings + FAPILOG_LEVEL_RULES_MAX, 1), -ENOSPC);
}

static void a_registry_full_of_rubbish_does_no_harm(void **state)
{
    struct place *p = *state;
    uint8_t *registry = p->b.base + p->b.sb->registry_off;
    const struct level_setting setting = { "", FAPILOG_LEVEL_DEBUG };
    unsigned seed = 9;
    (void)ctl_of(p);
    for (int round = 0; round < 2000; round++) {
        for (uint64_t i = FAPILOG_REGISTRY_PREAMBLE; i < FAPILOG_REGISTRY_PREAMBLE + 512; i++)
            registry[i] = (uint8_t)(rand_r(&seed) % (round % 2 ? 256 : 4));
        p->b.sb->registry_tail = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 32);
        assert_int_equal(levels_apply(&p->s, &setting, 1), 0);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_longest_prefix_that_ends_at_a_dot_governs), T(no_setting_leaves_the_levels_of_the_service),
        T(a_rule_for_the_same_prefix_is_replaced),        T(more_rules_than_fit_are_refused),
        T(loggers_behind_a_gap_in_the_registry_get_their_level),
        T(a_registry_full_of_rubbish_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
