/* What a reload needs to know: what has changed between two configurations, and what can stay open. */
#include "tests/unit/config-fixture.h"

static const char *const base =
    "flush_interval: 1s\nlevels: {a: DEBUG}\n"
    "stages: [rate_limit: {capacity: 5}, sampling: {rate: 0.5}]\n"
    "sinks:\n  a: {type: loki, password: one, batch_size: 5}\n  b: 'file:///b'\n  c: 'console:'\n"
    "routes: [{to: [a, b]}, {to: [c]}]\n";

static void differs(const char *text, struct config *before, struct config *after, struct config_diff *d)
{
    loads(before, base, NULL);
    loads(after, text, NULL);
    config_diff(before, after, d);
}

static void done(struct config *before, struct config *after)
{
    config_free(before);
    config_free(after);
}

static void the_same_text_is_no_change(void **state)
{
    (void)state;
    struct config before, after;
    struct config_diff d;
    differs(base, &before, &after, &d);
    for (uint32_t i = 0; i < after.sinks_count; i++) {
        assert_int_equal(d.sink[i], CONFIG_SAME);
        assert_int_equal(d.sink_from[i], i);
    }
    for (uint32_t i = 0; i < after.stages_count; i++)
        assert_int_equal(d.stage[i], CONFIG_SAME);
    assert_false(d.settings || d.levels || d.routes || d.are_stages_reordered);
    done(&before, &after);
}

static void each_change_is_told_by_its_kind(void **state)
{
    (void)state;
    struct config before, after;
    struct config_diff d;
    differs("flush_interval: 2s\nio: plain\nlevels: {a: INFO}\n"
            "stages: [sampling: {rate: 0.25}, rate_limit: {capacity: 6}, level]\n"
            "sinks:\n  d: 'file:///d'\n  a: {type: loki, password: two, batch_size: 5}\n"
            "  b: 'file:///b?min_severity=ERROR'\n"
            "routes: [{to: [a, b]}, {to: [d]}]\n", &before, &after, &d);
    assert_int_equal(d.sink[0], CONFIG_ADDED);
    assert_int_equal(d.sink_from[0], -1);
    assert_int_equal(d.sink[1], CONFIG_CHANGED); /* the secret is another one */
    assert_int_equal(d.sink_from[1], 0);
    assert_int_equal(d.sink[2], CONFIG_LIVE);
    assert_int_equal(d.sink_from[2], 1);
    assert_int_equal(d.stage[0], CONFIG_CHANGED);
    assert_int_equal(d.stage[1], CONFIG_LIVE);
    assert_int_equal(d.stage[2], CONFIG_ADDED);
    assert_true(d.are_stages_reordered);
    assert_true(d.settings && d.levels && d.routes);
    done(&before, &after);
}

static void text_is(const char *text, const char *want)
{
    struct config before, after;
    struct config_diff d;
    char said[600];
    differs(text, &before, &after, &d);
    config_diff_text(&before, &after, &d, said, sizeof said);
    assert_string_equal(said, want);
    done(&before, &after);
}

static void what_has_changed_is_told_by_names_without_values(void **state)
{
    (void)state;
    text_is(base, "nothing has changed; sinks kept: a, b, c; stages kept: rate_limit, sampling");
    text_is("flush_interval: 2s\nadaptive: {enabled: true}\nlevels: {a: INFO}\n"
            "stages: [sampling: {rate: 0.25}, rate_limit: {capacity: 6}, level]\n"
            "sinks:\n  d: 'file:///d'\n  a: {type: loki, password: hunter2, batch_size: 6}\n"
            "  b: 'file:///b?min_severity=ERROR'\n"
            "routes: [{to: [a, b]}, {to: [d]}]\n",
            "sinks added: d; opened anew: a (password, batch_size); changed: b (min_severity); sinks removed: c; "
            "stages added: level; stages changed: sampling (rate), rate_limit (capacity); stages in another order; "
            "routes changed; levels changed; settings changed: flush_interval; adaptive changed: enabled");
    text_is("flush_interval: 1s\nlevels: {a: DEBUG}\nstages: [sampling: {rate: 0.5}]\n"
            "sinks: {a: 'file:///a', b: 'file:///b', c: 'console:'}\nroutes: [{to: [a, b]}, {to: [c]}]\n",
            "opened anew: a (file, was loki); stages removed: rate_limit; sinks kept: b, c; stages kept: sampling");
}

static void what_finds_no_room_is_left_out(void **state)
{
    (void)state;
    struct config before, after;
    struct config_diff d;
    char whole[600], said[600];
    differs("sinks: {a: 'file:///a', e: 'file:///e'}\n", &before, &after, &d);
    config_diff_text(&before, &after, &d, whole, sizeof whole);
    for (size_t size = 8; size <= strlen(whole) + 1; size++) {
        memset(said, 'x', sizeof said);
        config_diff_text(&before, &after, &d, said, size);
        const bool is_whole = size > strlen(whole);
        assert_int_equal(strlen(said), size - 1);
        assert_int_equal(strncmp(said, whole, is_whole ? size : size - 4), 0);
        assert_string_equal(said + size - 4, is_whole ? whole + size - 4 : "...");
    }
    done(&before, &after);
}

static void another_type_under_the_same_name_is_opened_anew(void **state)
{
    (void)state;
    struct config before, after;
    struct config_diff d;
    differs("sinks: {a: 'file:///a'}\n", &before, &after, &d);
    assert_int_equal(d.sink[0], CONFIG_CHANGED);
    done(&before, &after);
}

static void what_did_not_change_is_taken_over_with_its_state(void **state)
{
    (void)state;
    struct config before, after;
    struct config_diff d;
    differs("stages: [rate_limit: {capacity: 7}]\n"
            "sinks:\n  b: 'file:///b?min_severity=ERROR&levels=ERROR'\n  a: {type: loki, password: two}\n"
            "  c: 'console:'\n", &before, &after, &d);
    struct sink *const a = before.sink[0], *const b = before.sink[1], *const c = before.sink[2];
    struct stage *const limit = before.stage[0];
    config_adopt(&before, &after, &d);
    assert_ptr_equal(after.sink[0], b);
    assert_ptr_equal(after.sink[2], c);
    assert_ptr_not_equal(after.sink[1], a);
    assert_ptr_equal(before.sink[0], a);
    assert_int_equal(b->common.min_severity, FAPILOG_LEVEL_ERROR);
    assert_int_equal(b->common.levels.count, 1);
    assert_false(b->common.level_mask & 1u << FAPILOG_LEVEL_INFO);
    assert_ptr_equal(after.stage[0], limit);
    assert_int_equal(((struct fake_cfg *)limit->cfg)->capacity, 7);
    done(&before, &after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_same_text_is_no_change),
        T(each_change_is_told_by_its_kind),
        T(what_has_changed_is_told_by_names_without_values),
        T(what_finds_no_room_is_left_out),
        T(another_type_under_the_same_name_is_opened_anew),
        T(what_did_not_change_is_taken_over_with_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
