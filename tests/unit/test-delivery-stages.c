#include "collector/delivery/pipeline_internal.h"
#include "tests/common/delivery_world.h"
#include "tests/common/sink_new.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LOCAL = WORLD_SINKS - WORLD_REMOTES, SUMMARY = WORLD_RECORDS - 1, MADE = SUMMARY - 1 };

/* ---- a stage that drops each fifth record, and says at the end that it did ---- */

static enum stage_verdict fifth_run(struct stage *s, struct stage_record *sr)
{
    (void)s;
    return sr->r->fields[0].v.u64 % 5 == 0 ? STAGE_DROP : STAGE_PASS;
}

static void fifth_tick(struct stage *s, uint64_t now_ns)
{
    bool *told = s->state;
    struct fapilog_field field = { .name = { "n", 1 }, .type = FAPILOG_TYPE_U64, .v.u64 = SUMMARY };
    if (now_ns != UINT64_MAX || *told)
        return;
    *told = true;
    stage_emit(s, &(struct fapilog_record){ .level = FAPILOG_LEVEL_ERROR, .message = { "dropped some", 12 },
                                            .fields = &field, .fields_count = 1 });
}

static const struct opt no_opts[] = { OPT_END };
static const struct stage_ops fifth = {
    .abi = STAGE_ABI, .kind = "fifth", .summary = "for tests", .group = STAGE_FILTER, .opts = no_opts, .cfg_size = 8,
    .state_size = sizeof(bool), .run = fifth_run, .tick = fifth_tick,
};

/* ---- a stage that drops what it has seen before, as dedupe does ---- */

struct once_state {
    uint8_t seen[WORLD_RECORDS];
};

static enum stage_verdict once_run(struct stage *s, struct stage_record *sr)
{
    struct once_state *t = s->state;
    return t->seen[sr->r->fields[0].v.u64]++ ? STAGE_DROP : STAGE_PASS;
}

static const struct stage_ops once = {
    .abi = STAGE_ABI, .kind = "once", .summary = "for tests", .group = STAGE_FILTER, .opts = no_opts, .cfg_size = 8,
    .state_size = sizeof(struct once_state), .run = once_run,
};

/* ---- a stage that writes to each record ---- */

static enum stage_verdict writer_run(struct stage *s, struct stage_record *sr)
{
    (void)s;
    stage_own(sr)->message = (struct fapilog_text){ "written", 7 };
    return STAGE_PASS;
}

static const struct stage_ops writer = {
    .abi = STAGE_ABI, .kind = "writer", .summary = "for tests", .group = STAGE_ENRICH, .opts = no_opts, .cfg_size = 8,
    .state_size = 8, .changes = true, .run = writer_run,
};

/* The stage of a test, and one behind it. */
struct chain {
    struct stages stages;
    struct stage *stage, *writer;
};

static void chain_open(struct chain *c, const struct stage_ops *ops)
{
    struct err e = { 0 };
    memset(c, 0, sizeof *c);
    assert_int_equal(stage_new(ops, &c->stage, &e), 0);
    assert_int_equal(stage_new(&writer, &c->writer, &e), 0);
    assert_int_equal(stages_open(&c->stages, (struct stage *[]){ c->stage, c->writer }, 2, &e), 0);
}

static void chain_close(struct chain *c)
{
    stages_close(&c->stages);
    stage_free(c->stage);
    stage_free(c->writer);
}

#define NAME(text) (char[]){ text }
#define NAMES(...) { (char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) }

static void fill(struct world *w, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_true(world_put(w, i % WORLD_LANES));
}

static uint32_t expect(const struct world *w, uint32_t sink, bool (*wanted)(const struct world *w, uint32_t n))
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < w->put; n++) {
        const uint32_t there = sink == LOCAL ? w->server.times[n] : world_count(&w->disk[sink], n);
        if (there != wanted(w, n))
            fail_msg("sink %u: record %u is there %u times", sink, n, there);
        count += there;
    }
    return count;
}

static bool is_error(const struct world *w, uint32_t n) { return w->level[n] == FAPILOG_LEVEL_ERROR; }
static bool is_info(const struct world *w, uint32_t n) { return !is_error(w, n); }
static bool is_kept(const struct world *w, uint32_t n) { (void)w; return n % 5 != 0; }
static bool is_kept_error(const struct world *w, uint32_t n) { return is_kept(w, n) && is_error(w, n); }
static bool is_kept_info(const struct world *w, uint32_t n) { return is_kept(w, n) && is_info(w, n); }

static struct route_rule by_level[] = {
    { .levels = NAMES(NAME("ERROR")), .to = NAMES(NAME("a"), NAME("d")) },
    { .levels = NAMES(NAME("INFO")), .to = NAMES(NAME("b"), NAME("c")) },
};
static const struct route_config two_ways = { .rule = by_level, .count = 2, .overlap = true };
static const struct route_config one_way = { .rule = by_level, .count = 1, .overlap = true };

static void a_record_goes_where_its_route_leads_and_is_written_once_for_all_of_one_route(void **state)
{
    (void)state;
    struct world *w = world_new(1, 18);
    w->routes = &two_ways;
    world_open(w, WORLD_SINKS);
    assert_int_equal(w->pipeline.outputs.text_count, 2); /* a; b and c */
    assert_int_equal(w->pipeline.outputs.count, 3);
    fill(w, 3000);
    world_finish(w);
    assert_true(expect(w, 0, is_error) > 100);
    assert_true(expect(w, 1, is_info) > 100);
    (void)expect(w, 2, is_info);
    (void)expect(w, LOCAL, is_error);
    assert_int_equal(w->pipeline.committed_records, 3000);
    world_kill(w);
    world_free(w);
}

static void what_no_rule_wants_is_counted_and_its_space_released(void **state)
{
    (void)state;
    struct world *w = world_new(1, 18);
    w->routes = &one_way;
    world_open(w, WORLD_SINKS);
    fill(w, 3000);
    world_finish(w);
    const uint32_t errors = expect(w, 0, is_error);
    assert_int_equal(w->pipeline.committed_records, errors);
    assert_int_equal(w->pipeline.committed_unrouted, 3000 - errors);
    assert_int_equal(w->disk[1].used, 0);
    world_kill(w);
    world_free(w);
}

static void what_a_stage_drops_is_counted_and_what_it_says_is_delivered(void **state)
{
    (void)state;
    struct world *w = world_new(1, 18);
    struct chain chain;
    chain_open(&chain, &fifth);
    w->stages = &chain.stages;
    world_open(w, WORLD_SINKS);
    fill(w, 3000);
    world_finish(w);
    assert_int_equal(expect(w, 0, is_kept), 2400);
    assert_int_equal(expect(w, LOCAL, is_kept), 2400);
    assert_int_equal(w->pipeline.committed_records, 2400);
    assert_int_equal(w->pipeline.committed_filtered, 600);
    assert_int_equal(world_count(&w->disk[0], SUMMARY), 1);
    assert_int_equal(w->server.times[SUMMARY], 1);
    assert_true(w->pipeline.has_ended);
    world_kill(w);
    chain_close(&chain);
    world_free(w);
}

static void what_is_said_of_a_sink_goes_to_others_and_past_routes(void **state)
{
    (void)state;
    const struct fapilog_field field = { .name = { "n", 1 }, .type = FAPILOG_TYPE_U64, .v.u64 = SUMMARY };
    struct world *w = world_new(1, 18);
    struct notes *notes;
    w->routes = &one_way; /* nothing but errors, to a and d */
    assert_int_equal(notes_new(&notes), 0);
    w->notes = notes;
    world_open(w, WORLD_SINKS);
    notes->sinks = w->pipeline.target[0].bit | w->pipeline.target[1].bit;
    notes_add(notes, FAPILOG_LEVEL_INFO, "sink a: does not work", "a");
    notes->note[0].r.fields = &field; /* by which the fake sinks know a record */
    notes->note[0].r.fields_count = 1;
    world_turn(w);
    world_finish(w);
    assert_int_equal(world_count(&w->disk[0], SUMMARY), 0);
    assert_int_equal(world_count(&w->disk[1], SUMMARY), 1);
    assert_int_equal(world_count(&w->disk[2], SUMMARY), 0);
    assert_int_equal(w->server.times[SUMMARY], 0);
    assert_int_equal(w->pipeline.committed_records, 0);
    assert_null(notes_peek(notes));
    world_kill(w);
    notes_free(notes);
    world_free(w);
}

static void what_is_said_too_fast_is_counted_in_the_next_record(void **state)
{
    (void)state;
    struct notes *notes;
    assert_int_equal(notes_new(&notes), 0);
    for (unsigned i = 0; i < NOTES_MAX + 3; i++)
        notes_add(notes, FAPILOG_LEVEL_WARNING, "text", NULL);
    const struct note *n = notes_peek(notes);
    assert_non_null(n);
    assert_int_equal(n->r.fields_count, 1);
    assert_int_equal(n->r.fields[0].v.u64, 3);
    notes_done(notes);
    for (unsigned i = 1; i < NOTES_MAX; i++) {
        n = notes_peek(notes);
        assert_int_equal(n->r.id.position, i);
        assert_int_equal(n->r.fields_count, 0);
        notes_done(notes);
    }
    assert_null(notes_peek(notes));
    notes_free(notes);
}

static void killed_anywhere_stages_and_routes_keep_each_record_once(void **state)
{
    (void)state;
    const uint64_t seed = clock_real_ns() / 1000 % 1000000000;
    print_message("seed %" PRIu64 "\n", seed);
    struct world *w = world_new(seed, 15);
    struct chain chain;
    w->routes = &two_ways;
    w->disk[1].file_room = 50;
    chain_open(&chain, &fifth);
    w->stages = &chain.stages;
    world_open(w, WORLD_SINKS);
    for (uint32_t i = 0; i < 20000; i++) {
        (void)world_put(w, world_random(w, WORLD_LANES));
        world_turn(w);
        world_run(w);
        if (world_random(w, 4) == 0)
            world_write_ends(w, world_random(w, LOCAL), world_random(w, 5) ? 0 : -EIO);
        if (w->queued && world_random(w, 4) == 0)
            world_settle(w, 0);
        if (world_random(w, 300) == 0) {
            world_kill(w);
            chain_close(&chain);
            chain_open(&chain, &fifth);
            w->window = WINDOW_MIN + world_random(w, 7);
            world_open(w, WORLD_SINKS);
        }
    }
    world_finish(w);
    (void)expect(w, 0, is_kept_error);
    (void)expect(w, 1, is_kept_info);
    (void)expect(w, 2, is_kept_info);
    world_kill(w);
    chain_close(&chain);
    world_free(w);
}

/* ---- the sinks change while a record waits for room in the window ---- */

static void come_to_rest(struct world *w)
{
    pipeline_pause(&w->pipeline, true);
    for (uint32_t i = 0; !pipeline_is_at_rest(&w->pipeline); i++) {
        assert_true(i < 1000);
        world_turn(w);
        world_run(w);
        for (uint32_t k = 0; k < LOCAL; k++)
            world_write_ends(w, k, 0);
        while (w->queued)
            world_settle(w, 0);
    }
}

/* Without the last sink, and with the stages that there are. */
static void leave_out_one(struct world *w)
{
    struct err e = { 0 };
    const struct pipeline_settings same = w->pipeline.settings;
    assert_int_equal(pipeline_reconfigure(&w->pipeline, w->sink, WORLD_SINKS - 1, &same, &e), 0);
    pipeline_pause(&w->pipeline, false);
}

/* Batches of few records, of which none ends. */
static struct world *narrow_world(struct chain *chain, const struct stage_ops *ops)
{
    struct world *w = world_new(1, 18);
    for (uint32_t i = 0; i < LOCAL; i++)
        w->disk[i].file_room = 10;
    chain_open(chain, ops);
    w->stages = &chain->stages;
    world_open(w, WORLD_SINKS);
    return w;
}

static bool is_any(const struct world *w, uint32_t n) { (void)w, (void)n; return true; }

static void a_record_that_waits_for_a_batch_runs_through_the_stages_once_although_the_sinks_change(void **state)
{
    (void)state;
    struct chain chain;
    struct world *w = narrow_world(&chain, &once);
    for (uint32_t i = 0; !w->pipeline.staged.of; i++) {
        assert_true(i < 100);
        fill(w, 10);
        world_turn(w);
    }
    come_to_rest(w);
    assert_non_null(w->pipeline.staged.of);
    leave_out_one(w);
    fill(w, 100);
    world_finish(w);
    for (uint32_t i = 0; i < LOCAL; i++)
        assert_int_equal(expect(w, i, is_any), w->put);
    assert_int_equal(w->pipeline.committed_filtered, 0);
    world_kill(w);
    chain_close(&chain);
    world_free(w);
}

/* The stage says something until one record has no room in the window. Returns how many there are. */
static uint32_t emit_until_full(struct world *w, const struct chain *chain)
{
    uint32_t made = 0;
    while (!w->pipeline.emitted.r || !w->pipeline.is_full) {
        const struct fapilog_field field = { .name = { "n", 1 }, .type = FAPILOG_TYPE_U64, .v.u64 = MADE - made++ };
        const struct fapilog_record r = { .level = FAPILOG_LEVEL_ERROR, .message = { "made", 4 }, .fields = &field,
                                          .fields_count = 1 };
        assert_true(made < 1000);
        stage_emit(chain->stage, &r);
        world_turn(w);
    }
    return made;
}

static void check_made(const struct world *w, uint32_t made)
{
    for (uint32_t i = 0; i < LOCAL; i++)
        for (uint32_t n = 0; n < made; n++)
            assert_int_equal(world_count(&w->disk[i], MADE - n), 1);
}

static void a_record_of_a_stage_that_waits_for_a_batch_is_not_mixed_up_with_those_of_the_rings(void **state)
{
    (void)state;
    struct chain chain;
    struct world *w = narrow_world(&chain, &once);
    const uint32_t made = emit_until_full(w, &chain);
    fill(w, 100);
    world_finish(w);
    check_made(w, made);
    for (uint32_t i = 0; i < LOCAL; i++)
        assert_int_equal(expect(w, i, is_any), w->put);
    world_kill(w);
    chain_close(&chain);
    world_free(w);
}

static void a_record_of_a_stage_that_waits_for_a_batch_is_delivered_although_the_sinks_change(void **state)
{
    (void)state;
    uint32_t made;
    struct chain chain;
    struct world *w = narrow_world(&chain, &once);
    made = emit_until_full(w, &chain);
    come_to_rest(w);
    assert_non_null(w->pipeline.emitted.r);
    leave_out_one(w);
    world_finish(w);
    check_made(w, made);
    world_kill(w);
    chain_close(&chain);
    world_free(w);
}

/* Both what waits for a batch, and what the stage has not said yet. */
static void what_the_stages_of_before_have_to_say_is_delivered_although_others_take_their_place(void **state)
{
    (void)state;
    for (int has_others = 0; has_others < 2; has_others++) {
        struct err e = { 0 };
        struct chain chain, others;
        struct world *w = narrow_world(&chain, &fifth);
        const uint32_t made = emit_until_full(w, &chain);
        come_to_rest(w);
        assert_non_null(w->pipeline.emitted.r);
        chain_open(&others, &once);
        struct pipeline_settings settings = w->pipeline.settings;
        w->stages = settings.stages = has_others ? &others.stages : NULL;
        assert_int_equal(pipeline_reconfigure(&w->pipeline, w->sink, WORLD_SINKS, &settings, &e), 0);
        assert_ptr_equal(w->pipeline.leaving, &chain.stages);
        assert_false(pipeline_is_at_rest(&w->pipeline));
        come_to_rest(w); /* another reload waits for it */
        pipeline_pause(&w->pipeline, false);
        assert_null(w->pipeline.leaving);
        chain_close(&chain);
        fill(w, 100);
        world_finish(w);
        check_made(w, made);
        for (uint32_t i = 0; i < LOCAL; i++) {
            assert_int_equal(world_count(&w->disk[i], SUMMARY), 1);
            assert_int_equal(expect(w, i, is_any), w->put);
        }
        world_kill(w);
        chain_close(&others);
        world_free(w);
    }
}

static void raw_sinks_get_the_ring_as_it_is_only_without_stages_and_routes(void **state)
{
    (void)state;
    struct pipeline_settings settings = { .window = WINDOW_MIN };
    struct outputs outputs;
    uint32_t output;
    struct err e = { 0 };
    struct chain chain;
    struct sink *s;
    chain_open(&chain, &fifth);
    assert_int_equal(sink_new("native:///tmp/never/", "test", &s, &e), 0);
    assert_int_equal(pipeline_name_sinks(&s, 1, &e), 0);
    assert_int_equal(outputs_init(&outputs, NULL, &s, 1, &(struct outputs_rules){ NULL, false }, &output, &e), 0);
    pipeline_decide_raw(&outputs, &settings);
    assert_true(outputs_are_spans(&outputs));
    settings.stages = &chain.stages;
    pipeline_decide_raw(&outputs, &settings);
    assert_true(outputs.encodes_raw);
    assert_false(outputs_are_spans(&outputs));
    assert_int_equal(pipeline_check(&s, 1, &settings, &e), 0);
    outputs_done(&outputs);
    sink_free(s);
    chain_close(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_goes_where_its_route_leads_and_is_written_once_for_all_of_one_route),
        cmocka_unit_test(what_no_rule_wants_is_counted_and_its_space_released),
        cmocka_unit_test(what_a_stage_drops_is_counted_and_what_it_says_is_delivered),
        cmocka_unit_test(what_is_said_of_a_sink_goes_to_others_and_past_routes),
        cmocka_unit_test(what_is_said_too_fast_is_counted_in_the_next_record),
        cmocka_unit_test(killed_anywhere_stages_and_routes_keep_each_record_once),
        cmocka_unit_test(a_record_that_waits_for_a_batch_runs_through_the_stages_once_although_the_sinks_change),
        cmocka_unit_test(a_record_of_a_stage_that_waits_for_a_batch_is_delivered_although_the_sinks_change),
        cmocka_unit_test(a_record_of_a_stage_that_waits_for_a_batch_is_not_mixed_up_with_those_of_the_rings),
        cmocka_unit_test(what_the_stages_of_before_have_to_say_is_delivered_although_others_take_their_place),
        cmocka_unit_test(raw_sinks_get_the_ring_as_it_is_only_without_stages_and_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
