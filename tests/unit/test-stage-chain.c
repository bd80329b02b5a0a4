/* The chain of stages, run with stages of the test's own. */
#include "collector/stage/stage.h"
#include "lib/base/check.h"
#include "tests/common/record_sample.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char order[64]; /* marks of the stages that ran */
static unsigned closed;

struct probe_config {
    const char *mark;
    uint64_t level; /* what is below goes no further */
    const char *fails;
};

static const struct opt probe_opts[] = {
    OPT_TEXT_(struct probe_config, mark, "mark", "a", 0, "One letter."),
    OPT_NUM_(OPT_UINT, struct probe_config, level, "level", "0", 0, 31, 0, "Lowest level."),
    OPT_TEXT_(struct probe_config, fails, "fails", "", 0, "run, open or check."),
    OPT_END,
};

static bool fails_in(const struct probe_config *cfg, const char *what)
{
    return cfg->fails && strcmp(cfg->fails, what) == 0;
}

static int probe_check(void *cfg, struct err *e)
{
    return fails_in(cfg, "check") ? err_set(e, -EINVAL, "fails: as asked for") : 0;
}

static int probe_open(struct stage *s, struct err *e)
{
    return fails_in(s->cfg, "open") ? err_set(e, -EIO, "fails: as asked for") : 0;
}

static enum stage_verdict probe_run(struct stage *s, struct stage_record *sr)
{
    const struct probe_config *const cfg = s->cfg;
    const size_t n = strlen(order);
    if (n + 1 < sizeof order)
        order[n] = cfg->mark[0];
    if (fails_in(cfg, "run"))
        return STAGE_FAILED;
    return sr->r->level < cfg->level ? STAGE_DROP : STAGE_PASS;
}

static void probe_close(struct stage *s)
{
    (void)s;
    closed++;
}

/* Writes wherever it can. */
static enum stage_verdict writer_run(struct stage *s, struct stage_record *sr)
{
    (void)probe_run(s, sr);
    struct fapilog_record *const own = stage_own(sr);
    struct fapilog_field *const fields = stage_own_fields(sr);
    if (!own || !fields)
        return STAGE_FAILED;
    own->level = FAPILOG_LEVEL_CRITICAL;
    for (uint32_t i = 0; i < own->fields_count; i++)
        fields[i] = (struct fapilog_field){.name = fields[i].name, .type = FAPILOG_TYPE_NULL};
    if (own->context) {
        struct fapilog_field *const context = stage_own_context(sr);
        if (!context)
            return STAGE_FAILED;
        for (uint32_t i = 0; i < own->context->fields_count; i++)
            context[i].type = FAPILOG_TYPE_NULL;
    }
    const struct fapilog_field added = sample_int("added", 7);
    return stage_add_field(sr, &added) < 0 ? STAGE_FAILED : STAGE_PASS;
}

#define PROBE(kind_, group_, run_) \
    { \
        .abi = STAGE_ABI, .kind = kind_, .group = group_, .opts = probe_opts, \
        .cfg_size = sizeof(struct probe_config), .check = probe_check, .open = probe_open, .run = run_, \
        .close = probe_close, \
    }
static const struct stage_ops filter_ops = PROBE("sieve", STAGE_FILTER, probe_run);
static const struct stage_ops enrich_ops = PROBE("adder", STAGE_ENRICH, probe_run);
static const struct stage_ops redact_ops = PROBE("masker", STAGE_REDACT, probe_run);
static const struct stage_ops process_ops = PROBE("cutter", STAGE_PROCESS, probe_run);
static const struct stage_ops writer_ops = PROBE("writer", STAGE_REDACT, writer_run);

static struct stage *make(const struct stage_ops *ops, const char *mark, const char *level, const char *fails)
{
    struct stage *s = NULL;
    CHECK(stage_new(ops, &s, NULL) == 0);
    CHECK(opt_set(opt_find(ops->opts, "mark"), s->cfg, mark, NULL) == 0);
    CHECK(opt_set(opt_find(ops->opts, "level"), s->cfg, level, NULL) == 0);
    CHECK(opt_set(opt_find(ops->opts, "fails"), s->cfg, fails, NULL) == 0);
    return s;
}

static struct stages chain;
static struct stage *stage[STAGES_MAX + 1];
static uint32_t count;
static char said[4096];

static void hear(void *arg, const char *text)
{
    (void)arg;
    const size_t n = strlen(said);
    (void)snprintf(said + n, sizeof said - n, "%s\n", text);
}

static void add(struct stage *s)
{
    stage[count++] = s;
}

static void start(void)
{
    struct err e = {0};
    chain = (struct stages){.on_message = hear};
    if (stages_open(&chain, stage, count, &e) < 0)
        fail_msg("%s", e.text);
    stages_tick(&chain, 1);
}

static int tear_down(void **state)
{
    (void)state;
    stages_close(&chain);
    while (count)
        stage_free(stage[--count]);
    memset(order, 0, sizeof order);
    memset(said, 0, sizeof said);
    closed = 0;
    return 0;
}

static const struct fapilog_record plain = {.level = FAPILOG_LEVEL_INFO};

static void stages_run_in_the_order_of_their_groups(void **state)
{
    (void)state;
    add(make(&process_ops, "e", "0", ""));
    add(make(&redact_ops, "d", "0", ""));
    add(make(&filter_ops, "a", "0", ""));
    add(make(&enrich_ops, "c", "0", ""));
    add(make(&filter_ops, "b", "0", ""));
    start();
    assert_ptr_equal(stages_run(&chain, &plain), &plain);
    assert_string_equal(order, "abcde");
    assert_string_equal(chain.stage[0]->name, "sieve");
    assert_string_equal(chain.stage[1]->name, "sieve-2");
    assert_int_equal(chain.stage[1]->counters.seen, 1);
}

static void an_empty_chain_passes_everything(void **state)
{
    (void)state;
    start();
    assert_ptr_equal(stages_run(&chain, &plain), &plain);
    assert_null(stages_emitted(&chain));
    assert_int_equal(stages_deadline(&chain), UINT64_MAX);
    assert_false(chain.changes);
}

static void what_a_stage_drops_is_seen_by_none_behind_it_and_counted(void **state)
{
    (void)state;
    add(make(&filter_ops, "a", "13", ""));
    add(make(&filter_ops, "b", "0", ""));
    start();
    assert_null(stages_run(&chain, &plain));
    assert_string_equal(order, "a");
    assert_int_equal(stage[0]->counters.seen, 1);
    assert_int_equal(stage[0]->counters.dropped, 1);
    assert_int_equal(stage[1]->counters.seen, 0);
}

static void records_of_the_collector_pass_filters_untouched_but_not_redactors(void **state)
{
    (void)state;
    const struct fapilog_record internal = {.level = 1, .internal = true};
    add(make(&filter_ops, "a", "31", ""));
    add(make(&redact_ops, "b", "0", ""));
    start();
    assert_ptr_equal(stages_run(&chain, &internal), &internal);
    assert_string_equal(order, "b");
    assert_int_equal(stage[0]->counters.seen, 0);
}

static void fail_modes_do_what_they_say(void **state)
{
    (void)state;
    add(make(&redact_ops, "o", "0", "run"));
    add(make(&redact_ops, "w", "0", "run"));
    add(make(&redact_ops, "c", "0", "run"));
    stage[1]->on_failure = STAGE_FAIL_WARN;
    stage[2]->on_failure = STAGE_FAIL_CLOSED;
    start();
    assert_null(stages_run(&chain, &plain));
    assert_string_equal(order, "owc");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(stage[i]->counters.failed, 1);
        assert_int_equal(stage[i]->counters.closed, i == 2);
        assert_int_equal(stage[i]->counters.dropped, 0);
    }
    assert_string_equal(said, "stage masker-2: a record could not be treated and goes on as it is\n");
}

static void warnings_are_limited_and_the_rest_is_counted(void **state)
{
    (void)state;
    add(make(&filter_ops, "a", "0", ""));
    start();
    for (int i = 0; i < 1000; i++)
        stage_warn(stage[0], "number %d", i);
    assert_non_null(strstr(said, "number 4\n"));
    assert_null(strstr(said, "number 5\n"));
    stages_tick(&chain, 1 + STAGE_WARN_WINDOW_NS);
    stage_warn(stage[0], "again");
    assert_non_null(strstr(said, "stage sieve: 995 more messages were left out\nstage sieve: again\n"));
}

static void nothing_is_written_into_the_view(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_LAYERS);
    struct sample *before = malloc(sizeof *before);
    CHECK(before);
    memcpy(before, s, sizeof *s);
    add(make(&writer_ops, "a", "0", ""));
    start();
    const struct fapilog_record *const r = stages_run(&chain, &s->r);
    assert_non_null(r);
    assert_ptr_not_equal(r, &s->r);
    assert_int_equal(r->level, FAPILOG_LEVEL_CRITICAL);
    assert_int_equal(r->fields_count, s->r.fields_count + 1);
    assert_int_equal(r->fields[0].type, FAPILOG_TYPE_NULL);
    assert_ptr_equal(r->fields[0].name.data, s->r.fields[0].name.data);
    assert_int_equal(r->fields[s->r.fields_count].v.i64, 7);
    assert_int_equal(r->context->fields[0].type, FAPILOG_TYPE_NULL);
    assert_ptr_equal(r->site, s->r.site);
    assert_memory_equal(&r->id, &s->r.id, sizeof r->id);
    assert_memory_equal(before, s, sizeof *s);
    assert_int_equal(stage[0]->counters.changed, 1);
    free(before);
    sample_free(s);
}

static void fields_come_and_go_in_order(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_SIMPLE);
    const uint32_t n = s->r.fields_count;
    start();
    assert_ptr_equal(stages_run(&chain, &s->r), &s->r);
    struct stage_record *const sr = &chain.record;
    const struct fapilog_field added = sample_int("added", 1);
    assert_int_equal(stage_drop_field(sr, 0), 0);
    assert_ptr_equal(sr->r->fields[0].name.data, s->r.fields[1].name.data);
    for (uint32_t i = n - 1; i < STAGE_FIELDS_MAX; i++)
        assert_int_equal(stage_add_field(sr, &added), 0);
    assert_int_equal(stage_add_field(sr, &added), -E2BIG);
    assert_int_equal(sr->r->fields_count, STAGE_FIELDS_MAX);
    assert_ptr_equal(sr->r->fields[n - 2].name.data, s->r.fields[n - 1].name.data);
    assert_int_equal(stage_drop_field(sr, STAGE_FIELDS_MAX - 1), 0);
    assert_int_equal(sr->r->fields[STAGE_FIELDS_MAX - 2].v.i64, 1);
    sample_free(s);
}

static void memory_is_bounded_and_used_again(void **state)
{
    (void)state;
    start();
    struct stage_record *const sr = &chain.record;
    size_t before = 0;
    for (int round = 0; round < 20; round++) {
        (void)stages_run(&chain, &plain);
        for (int i = 0; i < 100; i++) {
            char *const p = stage_alloc(sr, 1000);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p & 15, 0);
            memset(p, i, 1000);
        }
        if (round == 2)
            before = mallinfo2().uordblks;
        else if (round > 2) /* no allocation any more */
            assert_int_equal(mallinfo2().uordblks, before);
    }
    (void)stages_run(&chain, &plain);
    assert_null(stage_alloc(sr, (size_t)STAGE_MEMORY_MAX + 1));
    assert_non_null(stage_alloc(sr, STAGE_MEMORY_MAX - 64));
    assert_null(stage_alloc(sr, 65));
    assert_non_null(stage_alloc(sr, 64));
    (void)stages_run(&chain, &plain);
    assert_non_null(stage_alloc(sr, STAGE_MEMORY_MAX));
}

static void the_first_failing_open_closes_those_before_it(void **state)
{
    (void)state;
    struct err e = {0};
    add(make(&filter_ops, "a", "0", ""));
    add(make(&filter_ops, "b", "0", "open"));
    add(make(&filter_ops, "c", "0", ""));
    chain = (struct stages){0};
    assert_int_equal(stages_open(&chain, stage, count, &e), -EIO);
    assert_string_equal(e.text, "fails: as asked for; stage sieve-2");
    assert_int_equal(closed, 2); /* the failed one too, never the one behind it */
}

static void checks_name_the_stage(void **state)
{
    (void)state;
    struct err e = {0};
    struct stage *s = make(&filter_ops, "a", "0", "check");
    assert_int_equal(stage_finish(s, &e), -EINVAL);
    assert_string_equal(e.text, "fails: as asked for; stage sieve");
    stage_free(s);
}

static void there_are_limits_on_stages_and_slots(void **state)
{
    (void)state;
    struct err e = {0};
    for (int i = 0; i < STAGES_MAX; i++)
        add(make(&filter_ops, "a", "0", ""));
    start();
    for (unsigned i = STAGE_SLOT_FIRST; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        assert_int_equal(stage_take_slot(stage[i], &e), 0);
        assert_int_equal(stage[i]->slot, i);
    }
    assert_int_equal(stage_take_slot(stage[0], &e), -ENOSPC);
    stages_close(&chain);
    add(make(&filter_ops, "a", "0", ""));
    assert_int_equal(stages_open(&chain, stage, count, &e), -E2BIG);
}

/* ---- records of the stages' own ---- */

static void emitted_records_go_through_the_stages_behind(void **state)
{
    (void)state;
    add(make(&filter_ops, "a", "0", ""));
    add(make(&filter_ops, "b", "31", ""));
    add(make(&redact_ops, "c", "0", ""));
    add(make(&process_ops, "d", "13", ""));
    start();
    struct sample *s = sample_new(SAMPLE_LAYERS);
    s->r.level = FAPILOG_LEVEL_ERROR;
    stage_emit(stage[0], &s->r);
    s->r.level = FAPILOG_LEVEL_INFO; /* the last stage drops it */
    stage_emit(stage[2], &s->r);
    const struct fapilog_record *const r = stages_emitted(&chain);
    assert_non_null(r);
    assert_string_equal(order, "cd"); /* filters do not decide again */
    assert_true(r->internal);
    assert_int_equal(r->level, FAPILOG_LEVEL_ERROR);
    assert_int_equal(r->id.lane, UINT32_MAX);
    assert_null(stages_emitted(&chain));
    assert_string_equal(order, "cdd");
    assert_int_equal(stage[3]->counters.dropped, 1);
    assert_int_equal(stage[0]->counters.emitted, 1);
    sample_free(s);
}

static void emitted_records_need_nothing_of_what_they_were_made_of(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_TYPES);
    char name[] = "orders", host[] = "h1", message[] = "kept", bound[] = "to the logger", pod[] = "p-1";
    char key[] = "thread";
    sample_bind(s, sample_string("bound", bound));
    sample_bind_thread(s, sample_string(key, "bound"));
    s->logger.name = sample_text(name);
    s->process.host = sample_text(host);
    s->r.message = sample_text(message);
    struct fapilog_field enriched = sample_string("pod", pod);
    s->process.enriched = &enriched;
    s->process.enriched_count = 1;
    add(make(&filter_ops, "a", "0", ""));
    start();
    stage_emit(stage[0], &s->r);
    struct sample *const gone = sample_new(SAMPLE_TYPES); /* the same values */
    const uint32_t n = s->r.fields_count;
    memset(s, 0x5a, offsetof(struct sample, text));
    memset(s->site.cache, 0, sizeof s->site.cache); /* what sample_free() looks at */
    memset(s->logger.cache, 0, sizeof s->logger.cache);
    memset(s->process.cache, 0, sizeof s->process.cache);
    memset(&enriched, 0x5a, sizeof enriched);
    char *const texts[] = {name, host, message, bound, pod, key};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        memset(texts[i], 'x', strlen(texts[i]));
    const struct fapilog_record *const r = stages_emitted(&chain);
    assert_non_null(r);
    assert_null(r->site);
    assert_int_equal(r->fields_count, n);
    assert_memory_equal(r->message.data, "kept", 4);
    assert_memory_equal(r->logger->name.data, "orders", 6);
    assert_memory_equal(r->logger->fields[0].v.data, "to the logger", 13);
    assert_memory_equal(r->context->fields[0].name.data, "thread", 6);
    assert_memory_equal(r->process->host.data, "h1", 2);
    assert_memory_equal(r->process->enriched[0].v.data, "p-1", 3);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(r->fields[i].name.len, gone->call[i].name.len);
        assert_memory_equal(r->fields[i].name.data, gone->call[i].name.data, gone->call[i].name.len);
        if (r->fields[i].len)
            assert_memory_equal(r->fields[i].v.data, gone->call[i].v.data, gone->call[i].len);
    }
    sample_free(gone);
    sample_free(s);
}

static void what_is_cached_of_an_emitted_record_ends_with_it(void **state)
{
    (void)state;
    const struct fapilog_logger_info logger = {0};
    const struct fapilog_process_info process = {0};
    const struct fapilog_record made = {.logger = &logger, .process = &process};
    add(make(&filter_ops, "a", "0", ""));
    start();
    for (int i = 0; i < 3; i++) { /* a leak, or a second free, is seen by the sanitizer */
        stage_emit(stage[0], &made);
        const struct fapilog_record *const r = stages_emitted(&chain);
        assert_non_null(r);
        assert_null(r->logger->cache[STAGE_SLOT_FIRST]);
        ((struct fapilog_logger_info *)(uintptr_t)r->logger)->cache[STAGE_SLOT_FIRST] = malloc(10);
        ((struct fapilog_process_info *)(uintptr_t)r->process)->cache[STAGE_SLOT_FIRST + 1] = malloc(10);
    }
}

static void waiting_records_are_limited_and_told_apart(void **state)
{
    (void)state;
    uint64_t position = 0;
    add(make(&filter_ops, "a", "0", ""));
    start();
    for (int i = 0; i < STAGE_EMIT_MAX + 3; i++)
        stage_emit(stage[0], &plain);
    assert_int_equal(stage[0]->counters.failed, 3);
    assert_int_equal(stage[0]->counters.emitted, STAGE_EMIT_MAX);
    unsigned n = 0;
    for (const struct fapilog_record *r; (r = stages_emitted(&chain)); n++) {
        assert_true(n == 0 || r->id.position == position + 1);
        position = r->id.position;
    }
    assert_int_equal(n, STAGE_EMIT_MAX);
}

/* ---- time ---- */

static uint64_t ticks;

static void ticker_tick(struct stage *s, uint64_t now_ns)
{
    assert_int_equal(s->chain->record.now_ns, now_ns);
    ticks++;
}

static void ticks_come_when_they_are_due(void **state)
{
    (void)state;
    struct stage_ops ticker = filter_ops;
    ticker.tick = ticker_tick;
    ticks = 0;
    add(make(&ticker, "a", "0", ""));
    start(); /* ticks at 1 */
    assert_int_equal(ticks, 1);
    assert_int_equal(stages_deadline(&chain), 1 + STAGE_TICK_NS);
    stages_tick(&chain, STAGE_TICK_NS);
    assert_int_equal(ticks, 1);
    assert_int_equal(chain.record.now_ns, STAGE_TICK_NS);
    stages_tick(&chain, STAGE_TICK_NS + 1);
    assert_int_equal(ticks, 2);
    stages_close(&chain);
    stage_free(stage[--count]); /* its ops end here */
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, tear_down)
    const struct CMUnitTest tests[] = {
        T(stages_run_in_the_order_of_their_groups),
        T(an_empty_chain_passes_everything),
        T(what_a_stage_drops_is_seen_by_none_behind_it_and_counted),
        T(records_of_the_collector_pass_filters_untouched_but_not_redactors),
        T(fail_modes_do_what_they_say),
        T(warnings_are_limited_and_the_rest_is_counted),
        T(nothing_is_written_into_the_view),
        T(fields_come_and_go_in_order),
        T(memory_is_bounded_and_used_again),
        T(the_first_failing_open_closes_those_before_it),
        T(checks_name_the_stage),
        T(there_are_limits_on_stages_and_slots),
        T(emitted_records_go_through_the_stages_behind),
        T(emitted_records_need_nothing_of_what_they_were_made_of),
        T(what_is_cached_of_an_emitted_record_ends_with_it),
        T(waiting_records_are_limited_and_told_apart),
        T(ticks_come_when_they_are_due),
    };
    return cmocka_run_group_tests_name("stage-chain", tests, NULL, NULL);
}
