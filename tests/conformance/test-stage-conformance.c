/* What every stage promises, checked over the list that the build makes. With --print KIND it prints the options
 * table of a stage's page instead. */
#include "collector/route/route.h"
#include "collector/stage/pressure.h"
#include "collector/stage/stage.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "tests/common/record_sample.h"
#include "tests/conformance/sink_options.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *docs;

/* What an option without a default needs. */
static const struct { const char *kind, *option, *value; } examples[] = {
    {"match", "where", "level >= DEBUG || order_id == 42"},
};

static const struct stage_ops *ops_of(void **state) { return *state; }

static struct stage *make(const struct stage_ops *ops)
{
    struct stage *s = NULL;
    struct err e = {0};
    if (stage_new(ops, &s, &e) < 0)
        fail_msg("%s", e.text);
    for (size_t i = 0; i < ARRAY_COUNT(examples); i++)
        if (strcmp(examples[i].kind, ops->kind) == 0)
            CHECK(opt_set(opt_find(ops->opts, examples[i].option), s->cfg, examples[i].value, NULL) == 0);
    if (stage_finish(s, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static void chain_open(struct stages *c, struct stage *s)
{
    struct err e = {0};
    *c = (struct stages){0};
    if (stages_open(c, &s, 1, &e) < 0)
        fail_msg("%s", e.text);
    stages_tick(c, 1);
}

/* ---- its table ---- */

static void its_global_says_what_it_is(void **state)
{
    const struct stage_ops *ops = ops_of(state);
    assert_int_equal(ops->abi, STAGE_ABI);
    assert_ptr_equal(stage_find(ops->kind), ops);
    for (const char *const *alias = ops->aliases; alias && *alias; alias++)
        assert_ptr_equal(stage_find(*alias), ops);
    assert_true(strlen(ops->summary) > 10 && strlen(ops->summary) < 80);
    assert_true(ops->group < STAGE_GROUP_COUNT);
    assert_non_null(ops->run);
}

static void every_row_holds_its_rules(void **state)
{
    const struct stage_ops *ops = ops_of(state);
    assert_int_equal(options_defaults_parse_and_print_back(ops->opts, ops->cfg_size), 0);
    assert_int_equal(options_refuse_what_is_outside(ops->opts, ops->cfg_size), 0);
    assert_int_equal(options_are_named_and_explained(ops->opts), 0);
}

static void what_is_required_is_asked_for(void **state)
{
    const struct stage_ops *ops = ops_of(state);
    for (const struct opt *row = ops->opts; row->type != OPT_END_ROW; row++) {
        struct stage *s = NULL;
        struct err e = {0};
        if (!(row->flags & OPT_REQUIRED))
            continue;
        assert_int_equal(stage_new(ops, &s, &e), 0);
        assert_int_equal(stage_finish(s, &e), -EINVAL);
        assert_non_null(strstr(e.text, ops->kind));
        stage_free(s);
    }
}

static void page_lists(const struct opt *rows, const char *path)
{
    auto_stream in = fopen(path, "re");
    if (!in)
        fail_msg("%s is missing", path);
    static char page[1 << 17];
    page[fread(page, 1, sizeof page - 1, in)] = '\0';
    assert_int_equal(options_are_documented(rows, page), 0);
}

static void its_page_lists_every_option(void **state)
{
    const struct stage_ops *ops = ops_of(state);
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s.md", docs, ops->kind);
    page_lists(ops->opts, path);
}

/* ---- records ---- */

static void forget_caches(struct sample *s)
{
    memset(s->site.cache, 0, sizeof s->site.cache);
    memset(s->logger.cache, 0, sizeof s->logger.cache);
    memset(s->process.cache, 0, sizeof s->process.cache);
}

static void run_sample(struct stages *c, struct sample *s)
{
    struct sample *const before = malloc(sizeof *before);
    char *const text = malloc(SAMPLE_TEXT_MAX);
    CHECK(before && text);
    memcpy(before, s, sizeof *s);
    memcpy(text, s->text, s->text_used);
    for (int i = 0; i < 3; i++) {
        const struct fapilog_record *const r = stages_run(c, &s->r);
        if (r) {
            assert_memory_equal(&r->id, &s->r.id, sizeof r->id);
            assert_true(r->time_ns == s->r.time_ns && r->cycles == s->r.cycles && r->tid == s->r.tid);
            assert_true(r->internal == s->r.internal);
        }
        if (r && !c->changes)
            assert_ptr_equal(r, &s->r);
    }
    struct sample *const after = malloc(sizeof *after);
    CHECK(after);
    memcpy(after, s, sizeof *s); /* the caches stay with the sample, which frees them */
    forget_caches(after);
    assert_memory_equal(before, after, sizeof *s);
    assert_memory_equal(text, s->text, s->text_used);
    free(after);
    free(before);
    free(text);
}

static void every_record_keeps_its_identity_and_its_view(void **state)
{
    struct stage *const st = make(ops_of(state));
    static struct stages c;
    chain_open(&c, st);
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *const s = sample_new(kind);
        run_sample(&c, s);
        sample_free(s);
    }
    const struct stage_counters *const n = &st->counters;
    assert_true(n->seen > 0 && n->dropped + n->failed <= n->seen && n->changed <= n->seen);
    assert_int_equal(n->failed, 0);
    stages_close(&c);
    stage_free(st);
}

/* Nobody known: no call site, context, logger, process. */
static void a_record_with_nothing_to_it_is_treated(void **state)
{
    struct stage *const st = make(ops_of(state));
    static struct stages c;
    const struct fapilog_record nothing = {.level = FAPILOG_LEVEL_ERROR};
    chain_open(&c, st);
    const struct fapilog_record *const r = stages_run(&c, &nothing);
    assert_true(!r || r->level == FAPILOG_LEVEL_ERROR);
    assert_int_equal(st->counters.seen, 1);
    stages_close(&c);
    stage_free(st);
}

static void filters_leave_records_of_the_collector_alone(void **state)
{
    struct stage *const st = make(ops_of(state));
    static struct stages c;
    struct sample *const s = sample_new(SAMPLE_INTERNAL);
    if (st->ops->group != STAGE_FILTER) {
        stage_free(st);
        sample_free(s);
        skip();
    }
    chain_open(&c, st);
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(stages_run(&c, &s->r), &s->r);
    assert_int_equal(st->counters.seen, 0);
    stages_close(&c);
    stage_free(st);
    sample_free(s);
}

/* ---- life ---- */

static void visit_gauge(void *arg, const char *name, double value)
{
    assert_true(*name && value == value);
    ++*(unsigned *)arg;
}

static void time_passes_without_records(void **state)
{
    struct stage *const st = make(ops_of(state));
    static struct stages c;
    unsigned gauges = 0;
    chain_open(&c, st);
    for (uint64_t t = 2; t < UINT64_MAX / 2; t *= 2)
        stages_tick(&c, t);
    stages_tick(&c, UINT64_MAX);
    assert_null(stages_emitted(&c));
    if (st->ops->gauges)
        st->ops->gauges(st, visit_gauge, &gauges);
    stages_close(&c);
    stage_free(st);
}

static void it_can_be_opened_again(void **state)
{
    struct stage *const st = make(ops_of(state));
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    static struct stages c;
    for (int i = 0; i < 3; i++) {
        chain_open(&c, st);
        assert_int_equal(st->counters.seen, 0);
        (void)stages_run(&c, &s->r);
        stages_close(&c);
    }
    stage_free(st);
    sample_free(s);
}

/* Every 100 us another message, so that tables fill and keys are forgotten. */
static void memory_does_not_grow_with_records(void **state)
{
    struct stage *const st = make(ops_of(state));
    struct sample *const s = sample_new(SAMPLE_LAYERS);
    static struct stages c;
    char text[32];
    size_t before = 0;
    chain_open(&c, st);
    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(text, sizeof text, "message %u", i / 3);
        s->r.message = s->site.message = sample_text(text);
        stages_tick(&c, 1 + i * UINT64_C(100000));
        (void)stages_run(&c, &s->r);
        if (i == 1000)
            before = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks <= before);
    stages_close(&c);
    stage_free(st);
    sample_free(s);
}

/* ---- tables of the pipeline that belong to no stage ---- */

static const struct other {
    const char *name;
    const struct opt *rows;
    size_t cfg_size;
    const char *page; /* from docs/stages */
} others[] = {
    {"adaptive", pressure_opts, sizeof(struct pressure_config), "pressure.md"},
    {"route", route_opts, sizeof(struct route_rule), "../routing.md"},
};

static void its_rows_hold_their_rules_and_its_page_lists_them(void **state)
{
    const struct other *const o = *state;
    char path[600];
    assert_int_equal(options_defaults_parse_and_print_back(o->rows, o->cfg_size), 0);
    assert_int_equal(options_refuse_what_is_outside(o->rows, o->cfg_size), 0);
    assert_int_equal(options_are_named_and_explained(o->rows), 0);
    (void)snprintf(path, sizeof path, "%s/%s", docs, o->page);
    page_lists(o->rows, path);
}

#define BODY(f) {#f, f}

static const struct {
    const char *name;
    void (*run)(void **state);
} bodies[] = {
    BODY(its_global_says_what_it_is),
    BODY(every_row_holds_its_rules),
    BODY(what_is_required_is_asked_for),
    BODY(its_page_lists_every_option),
    BODY(every_record_keeps_its_identity_and_its_view),
    BODY(a_record_with_nothing_to_it_is_treated),
    BODY(filters_leave_records_of_the_collector_alone),
    BODY(time_passes_without_records),
    BODY(it_can_be_opened_again),
    BODY(memory_does_not_grow_with_records),
};

static int print_options(const char *kind)
{
    char line[1024];
    const struct stage_ops *ops = stage_find(kind);
    const struct opt *rows = ops ? ops->opts : NULL;
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        if (strcmp(others[i].name, kind) == 0)
            rows = others[i].rows;
    if (!rows)
        return 2;
    printf("| option | values | default | meaning |\n|---|---|---|---|\n");
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        options_doc_line(row, line, sizeof line);
        printf("%s\n", line);
    }
    return 0;
}

int main(int argc, char **argv)
{
    enum { TESTS_MAX = STAGES_MAX * ARRAY_COUNT(bodies) + ARRAY_COUNT(others) };
    static struct CMUnitTest tests[TESTS_MAX];
    static char names[TESTS_MAX][120];
    size_t n = 0;
    if (argc == 3 && strcmp(argv[1], "--print") == 0)
        return print_options(argv[2]);
    docs = argc > 1 ? argv[1] : "docs/stages";
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++)
        for (size_t i = 0; i < ARRAY_COUNT(bodies); i++, n++) {
            CHECK(n < ARRAY_COUNT(tests));
            (void)snprintf(names[n], sizeof names[n], "%s: %s", (*ops)->kind, bodies[i].name);
            tests[n] = (struct CMUnitTest){names[n], bodies[i].run, NULL, NULL, (void *)(uintptr_t)*ops};
        }
    for (size_t i = 0; i < ARRAY_COUNT(others); i++, n++) {
        CHECK(n < ARRAY_COUNT(tests));
        (void)snprintf(names[n], sizeof names[n], "%s: its rows and its page", others[i].name);
        tests[n] = (struct CMUnitTest){names[n], its_rows_hold_their_rules_and_its_page_lists_them, NULL, NULL,
                                       (void *)(uintptr_t)&others[i]};
    }
    return _cmocka_run_group_tests("stage", tests, n, NULL, NULL);
}
