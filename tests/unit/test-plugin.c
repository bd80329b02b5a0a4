/* What the collector does for sinks, stages and formats of plug-ins, and about their mistakes: the kinds of
 * this test are registered as if they had been loaded. Loading itself: tests/e2e/test-plugins.py. */
#include "collector/plugin/internal.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/remote_run.h"
#include "tests/common/sink_new.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENTRIES = 4 };

struct fake_config {
    uint64_t number;
    uint32_t word;
    bool flag;
    struct fapilog_list list;
    struct fapilog_map map;
    const char *text;
    double real;
    uint8_t level;
};

static const struct fapilog_word words[] = { { "one", 1 }, { "two", 2 }, { NULL, 0 } };

static const struct fapilog_option rows[] = {
    { .type = FAPILOG_OPTION_UINT, .name = "number", .default_text = "7", .min = 1, .max = 9, .help = "A number.",
      .offset = offsetof(struct fake_config, number) },
    { .type = FAPILOG_OPTION_WORD, .name = "word", .default_text = "one", .words = words, .help = "A word.",
      .offset = offsetof(struct fake_config, word) },
    { .type = FAPILOG_OPTION_BOOL, .name = "flag", .default_text = "true", .help = "A flag.",
      .offset = offsetof(struct fake_config, flag) },
    { .type = FAPILOG_OPTION_LIST, .name = "list", .help = "A list.", .offset = offsetof(struct fake_config, list) },
    { .type = FAPILOG_OPTION_MAP, .name = "map", .help = "A map.", .offset = offsetof(struct fake_config, map) },
    { .type = FAPILOG_OPTION_TEXT, .name = "text", .default_text = "t", .help = "A text.",
      .offset = offsetof(struct fake_config, text) },
    { .type = FAPILOG_OPTION_REAL, .name = "real", .default_text = "0.5", .real_min = -1, .real_max = 1,
      .help = "A part.", .offset = offsetof(struct fake_config, real) },
    { .type = FAPILOG_OPTION_LEVEL, .name = "level", .default_text = "INFO", .help = "A level.",
      .offset = offsetof(struct fake_config, level) },
    { .type = FAPILOG_OPTION_END },
};

/* What the fake sink is to do with a request, and what it has seen. */
static struct {
    struct fapilog_result result;
    struct fapilog_sink *sink;
    struct fapilog_request *request;
    struct fapilog_watch *watch;
    unsigned calls;
    uint32_t revents;
    bool keeps, ends_twice;
} fake;

static char warnings[1 << 12];

static void answer(void)
{
    struct fapilog_request *q = fake.request;
    fake.request = NULL;
    fake.sink->host->done(fake.sink, q, &fake.result);
    if (fake.ends_twice)
        fake.sink->host->done(fake.sink, q, &fake.result);
}

static int fake_check(void *opaque, struct fapilog_error *e)
{
    const struct fake_config *cfg = opaque;
    if (cfg->number != 8)
        return 0;
    (void)snprintf(e->text, sizeof e->text, "number: 8 is not liked");
    return -EDOM;
}

static int fake_open(struct fapilog_sink *s, struct fapilog_error *e)
{
    const struct fake_config *cfg = s->config;
    fake.sink = s;
    if (cfg->number != 9)
        return 0;
    (void)snprintf(e->text, sizeof e->text, "nine");
    return -EIO;
}

static void fake_send(struct fapilog_sink *s, struct fapilog_request *q)
{
    assert_ptr_equal(s, fake.sink);
    fake.request = q;
    if (!fake.keeps)
        answer();
}

static void fake_cancel(struct fapilog_sink *s, struct fapilog_request *q)
{
    assert_ptr_equal(s, fake.sink);
    assert_ptr_equal(q, fake.request);
    answer();
}

static const struct fapilog_sink_kind fake_kind = {
    .size = sizeof fake_kind, .max_in_flight = 1, .max_records = 10, .name = "fake", .summary = "A fake of a test.",
    .format = "json", .options = rows, .config_size = sizeof(struct fake_config), .check = fake_check,
    .open = fake_open, .send = fake_send, .cancel = fake_cancel,
};

static struct plugin *plugin;
static struct remote_run run;
static struct entry_head *entry[ENTRIES];

static struct plugin *plugin_new(const struct fapilog_plugin *api)
{
    struct plugin *p = calloc(1, sizeof *p);
    CHECK(p);
    *p = (struct plugin){ .api = api, .path = "/of/the/test.so", .fd = -1 };
    return p;
}

static void on_warn(struct sink *s, const struct err *e)
{
    const size_t used = strlen(warnings);
    (void)s;
    (void)snprintf(warnings + used, sizeof warnings - used, "%s\n", e->text);
}

static void start(const char *uri)
{
    struct err e = {0};
    memset(&fake, 0, sizeof fake);
    fake.result = (struct fapilog_result){ .size = sizeof fake.result };
    warnings[0] = '\0';
    if (remote_run_open(&run, uri, &e) < 0)
        fail_msg("%s", e.text);
    run.sink->warn = on_warn;
    for (unsigned i = 0; i < ENTRIES; i++)
        entry[i] = remote_run_entry(&run, i, 1000, 10);
}

static int stop(void **state)
{
    (void)state;
    if (run.sink)
        remote_run_close(&run);
    for (unsigned i = 0; i < ENTRIES; i++)
        free(entry[i]);
    memset(entry, 0, sizeof entry);
    memset(&run, 0, sizeof run);
    return 0;
}

static const struct sink_result *send_all(void)
{
    const struct remote_run_request *q = remote_run_send(&run, entry, ENTRIES, 1);
    remote_run_wait(&run);
    return &q->result;
}

static void on_ready(void *owner, uint32_t revents)
{
    assert_ptr_equal(owner, &fake);
    fake.calls++;
    fake.revents = revents;
}

static void turn(unsigned ms)
{
    assert_true(io_turn(run.io, clock_mono_ns() + ms * NS_PER_MS) >= 0);
}

static void options_reach_the_configuration_of_the_plugin(void **state)
{
    (void)state;
    start("fake:?number=3&word=two&flag=no&list=a,b&map=k=v&text=hello&real=-0.25&level=ERROR");
    const struct fake_config *cfg = fake.sink->config;
    assert_true(cfg->number == 3 && cfg->word == 2 && !cfg->flag);
    assert_int_equal(cfg->list.count, 2);
    assert_string_equal(cfg->list.item[1], "b");
    assert_string_equal(cfg->map.item[0].key, "k");
    assert_string_equal(cfg->map.item[0].value, "v");
    assert_string_equal(cfg->text, "hello");
    assert_true(cfg->real == -0.25 && cfg->level == FAPILOG_LEVEL_ERROR);
}

static void defaults_do_too(void **state)
{
    (void)state;
    start("fake:");
    const struct fake_config *cfg = fake.sink->config;
    assert_true(cfg->number == 7 && cfg->word == 1 && cfg->flag && cfg->list.count == 0 && cfg->map.count == 0);
    assert_string_equal(cfg->text, "t");
    assert_true(cfg->real == 0.5 && cfg->level == FAPILOG_LEVEL_INFO);
}

static void check_and_open_refuse_in_their_own_words(void **state)
{
    struct sink *s = NULL;
    struct err e = {0};
    (void)state;
    assert_int_equal(sink_new("fake:?number=8", "test", &s, &e), -EDOM);
    assert_non_null(strstr(e.text, "number: 8 is not liked"));
    assert_int_equal(sink_new("fake:?number=10", "test", &s, &e), -ERANGE);
    assert_non_null(strstr(e.text, "1..9"));
    assert_int_equal(sink_new("fake:?number=9", "test", &s, &e), 0);
    assert_int_equal(s->ops->open(s, &e), -EIO);
    assert_string_equal(e.text, "nine");
    assert_int_equal(s->ops->close(s, &e), 0);
    sink_free(s);
}

static void a_request_shows_each_record_and_its_result_arrives(void **state)
{
    static const uint32_t rejected[] = { 0 }, retry[] = { 2, 3 };
    (void)state;
    start("fake:");
    fake.keeps = true;
    struct remote_run_request *q = remote_run_send(&run, entry, ENTRIES, 5);
    assert_non_null(fake.request);
    assert_int_equal(fake.request->count, ENTRIES);
    assert_int_equal(fake.request->attempt, 5);
    for (unsigned i = 0; i < ENTRIES; i++) {
        assert_int_equal(fake.request->entries[i].len, entry[i]->payload_len);
        assert_memory_equal(fake.request->entries[i].data, entry_payload(entry[i]), entry[i]->payload_len);
        assert_int_equal(fake.request->entries[i].id.position, entry[i]->position);
        assert_int_equal(fake.request->entries[i].level, entry[i]->level);
    }
    fake.result = (struct fapilog_result){
        .size = sizeof fake.result, .outcome = FAPILOG_DELIVERED, .status = 207, .rejected = rejected,
        .rejected_count = 1, .retry = retry, .retry_count = 2, .retry_after_ns = 5, .reason = "half of it",
    };
    answer();
    assert_true(q->is_done);
    assert_int_equal(q->result.outcome, SINK_DELIVERED);
    assert_int_equal(q->result.status, 207);
    assert_int_equal(q->result.rejected_count, 1);
    assert_int_equal(q->result.retry[1], 3);
    assert_int_equal(q->result.retry_after_ns, 5);
    assert_string_equal(q->result.reason, "half of it");
}

static void an_answer_from_inside_send_or_cancel_counts(void **state)
{
    (void)state;
    start("fake:");
    fake.result.outcome = FAPILOG_REFUSED;
    assert_int_equal(send_all()->outcome, SINK_REFUSED);
    fake.keeps = true;
    fake.result.outcome = FAPILOG_RETRY;
    struct remote_run_request *q = remote_run_send(&run, entry, 1, 1);
    run.sink->ops->remote->cancel(run.sink, &q->q);
    assert_true(q->is_done && q->result.outcome == SINK_RETRY);
}

static void an_impossible_result_delivers_nothing(void **state)
{
    static const uint32_t twice[] = { 1, 1 }, falling[] = { 2, 1 }, beyond[] = { ENTRIES }, one[] = { 1 };
    static const struct fapilog_result bad[] = {
        { .size = 8 },
        { .size = sizeof *bad, .outcome = FAPILOG_BROKEN + 1 },
        { .size = sizeof *bad, .rejected = twice, .rejected_count = 2 },
        { .size = sizeof *bad, .retry = falling, .retry_count = 2 },
        { .size = sizeof *bad, .retry = beyond, .retry_count = 1 },
        { .size = sizeof *bad, .retry_count = 1 },
        { .size = sizeof *bad, .retry = one, .retry_count = 1, .rejected = one, .rejected_count = 1 },
        { .size = sizeof *bad, .outcome = FAPILOG_RETRY, .retry = one, .retry_count = 1 },
    };
    (void)state;
    start("fake:");
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        fake.result = bad[i];
        const struct sink_result *r = send_all();
        assert_int_equal(r->outcome, SINK_RETRY);
        assert_non_null(strstr(r->reason, "impossible result"));
        assert_int_equal(r->retry_count + r->rejected_count, 0);
    }
}

static void a_request_that_is_ended_twice_is_ended_once_and_said(void **state)
{
    (void)state;
    start("fake:");
    fake.ends_twice = true;
    (void)send_all(); /* asserts that it came once */
    assert_non_null(strstr(warnings, "not under way"));
}

static void messages_are_told_up_to_a_limit(void **state)
{
    char text[20];
    (void)state;
    start("fake:");
    for (int i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof text, "message %d", i);
        fake.sink->host->warn(fake.sink, text);
    }
    assert_non_null(strstr(warnings, "message 9\n"));
    assert_null(strstr(warnings, "message 10\n"));
}

static void a_descriptor_is_watched_once(void **state)
{
    int fd[2];
    (void)state;
    start("fake:");
    assert_int_equal(pipe(fd), 0);
    assert_non_null(fake.sink->host->watch(fake.sink, fd[0], POLLIN, on_ready, &fake));
    turn(1);
    assert_int_equal(fake.calls, 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    while (!fake.calls)
        turn(1000);
    turn(1);
    assert_int_equal(fake.calls, 1);
    assert_true(fake.revents & POLLIN);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void a_timer_comes_at_its_time(void **state)
{
    (void)state;
    start("fake:");
    const uint64_t at = clock_mono_ns() + 20 * NS_PER_MS;
    assert_non_null(fake.sink->host->timer(fake.sink, at, on_ready, &fake));
    while (!fake.calls)
        turn(1000);
    assert_true(clock_mono_ns() >= at);
    assert_int_equal(fake.revents, 0);
}

static void what_is_unwatched_or_left_over_is_not_called(void **state)
{
    int fd[2];
    (void)state;
    start("fake:");
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(write(fd[1], "x", 1), 1); /* ready already */
    fake.sink->host->unwatch(fake.sink->host->watch(fake.sink, fd[0], POLLIN, on_ready, &fake));
    fake.sink->host->unwatch(NULL);
    turn(5);
    assert_int_equal(fake.calls, 0);
    (void)fake.sink->host->watch(fake.sink, fd[0], POLLIN, on_ready, &fake);
    (void)fake.sink->host->timer(fake.sink, clock_mono_ns(), on_ready, &fake);
    (void)stop(NULL); /* closes the sink, then the io */
    assert_int_equal(fake.calls, 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* ---- registering ---- */

static size_t count(void)
{
    size_t n = 0;
    for (unsigned i = 0; sink_list[i]; i++)
        n++;
    for (unsigned i = 0; stage_list[i]; i++)
        n++;
    for (unsigned i = 0; format_list[i]; i++)
        n++;
    return n;
}

static size_t bound(struct fapilog_format *f, const struct fapilog_record *r) { (void)f, (void)r; return 1; }
static char *put(struct fapilog_format *f, const struct fapilog_record *r, char *out) { (void)f, (void)r; return out; }
static int pass(struct fapilog_stage *s, const struct fapilog_record *r, struct fapilog_edit *edit)
{
    (void)s, (void)r, (void)edit;
    return FAPILOG_STAGE_PASS;
}

static const struct fapilog_format_kind morse = {
    .size = sizeof morse, .name = "morse", .summary = "Dots.", .media_type = "text/plain", .bound = bound, .write = put,
};
static const struct fapilog_stage_kind passer = {
    .size = sizeof passer, .name = "passer", .summary = "Passes.", .run = pass,
};

static int emits(struct fapilog_stage *s, const struct fapilog_record *r, struct fapilog_edit *edit)
{
    char text[] = "made";
    const struct fapilog_record own = { .level = r->level, .message = { text, 4 } };
    const struct fapilog_record wrong = { .level = 0, .message = { text, 4 } };
    (void)edit;
    assert_int_equal(s->host->emit(s, &wrong), -EINVAL);
    *(int *)s->state = s->host->emit(s, &own);
    memset(text, 'x', sizeof text - 1); /* it was copied */
    return FAPILOG_STAGE_DROP;
}

static void ticks(struct fapilog_stage *s, uint64_t now_ns)
{
    const struct fapilog_record own = { .level = FAPILOG_LEVEL_INFO, .time_ns = 7, .message = { "tick", 4 } };
    if (now_ns == UINT64_MAX)
        assert_int_equal(s->host->emit(s, &own), 0);
}

static struct stage *stage_of(const struct fapilog_stage_kind *k, const struct stage_ops **ops, struct stages *c)
{
    struct err e = {0};
    struct stage *s = NULL;
    if (plugin_stage(plugin, k, ops, &e) < 0 || stage_new(*ops, &s, &e) < 0 || stages_open(c, &s, 1, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static void a_stage_makes_records_of_its_own(void **state)
{
    static struct stages c;
    const struct fapilog_stage_kind k = { .size = sizeof k, .name = "maker", .summary = "Makes.", .run = emits,
                                          .state_size = sizeof(int), .tick = ticks };
    const struct stage_ops *ops;
    const struct fapilog_record r = { .level = FAPILOG_LEVEL_ERROR };
    unsigned n = 0;
    (void)state;
    struct stage *const s = stage_of(&k, &ops, &c);
    assert_null(stages_run(&c, &r));
    const struct fapilog_record *made = stages_emitted(&c);
    assert_non_null(made);
    assert_memory_equal(made->message.data, "made", 4);
    assert_true(made->internal && made->level == FAPILOG_LEVEL_ERROR && made->time_ns > 1000000000);
    assert_null(stages_emitted(&c));
    while (s->counters.failed == 0 && n++ < 1000)
        (void)stages_run(&c, &r);
    assert_in_range(n, 2, 999); /* full at some time, and said */
    while (stages_emitted(&c)) {
    }
    stages_tick(&c, 1);
    assert_null(stages_emitted(&c));
    stages_tick(&c, UINT64_MAX);
    made = stages_emitted(&c);
    assert_non_null(made);
    assert_true(made->time_ns == 7);
    stages_close(&c);
    stage_free(s);
}

/* What was built with the header of 1.0 has no tick, and something else may lie behind its structure. */
static void a_stage_of_version_1_0_is_taken_as_it_is(void **state)
{
    static struct stages c;
    const struct fapilog_stage_kind k = { .size = offsetof(struct fapilog_stage_kind, tick), .name = "older",
                                          .summary = "Passes.", .run = pass,
                                          .tick = (void (*)(struct fapilog_stage *, uint64_t))(uintptr_t)1 };
    const struct stage_ops *ops;
    const struct fapilog_record r = { .level = FAPILOG_LEVEL_INFO };
    (void)state;
    struct stage *const s = stage_of(&k, &ops, &c);
    stages_tick(&c, UINT64_MAX);
    assert_ptr_equal(stages_run(&c, &r), &r);
    stages_close(&c);
    stage_free(s);
}

static void a_real_needs_bounds(void **state)
{
    const struct fapilog_option bad[] = {
        { .type = FAPILOG_OPTION_REAL, .name = "x", .default_text = "0", .help = "A part." },
        { .type = FAPILOG_OPTION_END },
    };
    const struct opt *made;
    struct err e = {0};
    (void)state;
    assert_int_equal(plugin_options(plugin, "sink x", bad, 8, &made, &e), -EINVAL);
    assert_non_null(strstr(e.text, "has no bounds"));
}

static void of_a_plugin_everything_is_registered_or_nothing(void **state)
{
    const struct fapilog_format_kind *const formats[] = { &morse, NULL };
    const struct fapilog_stage_kind *const stages[] = { &passer, NULL };
    const struct fapilog_sink_kind *const taken[] = { &fake_kind, NULL };
    struct fapilog_plugin api = {
        .name = "bad", .version = "1", .formats = formats, .stages = stages, .sinks = taken,
    };
    struct err e = {0};
    const size_t before = count();
    (void)state;
    struct plugin *p = plugin_new(&api);
    assert_int_equal(plugin_register(p, &e), -EEXIST);
    assert_non_null(strstr(e.text, "there is a sink 'fake' already"));
    assert_non_null(strstr(e.text, "plug-in bad 1, /of/the/test.so"));
    assert_int_equal(count(), before);
    assert_null(format_find("morse"));
    assert_null(stage_find("passer"));
    api.sinks = NULL;
    assert_int_equal(plugin_register(p, &e), 0);
    assert_non_null(format_find("morse"));
    assert_non_null(strstr(stage_find("passer")->summary, "(plug-in bad 1, /of/the/test.so)"));
    stage_unregister(stage_find("passer"));
    format_unregister(format_find("morse"));
    assert_int_equal(count(), before);
    plugin_free(p);
}

static void a_list_that_is_full_takes_no_more(void **state)
{
    struct format_ops ops[200];
    char name[ARRAY_COUNT(ops)][8];
    unsigned n = 0;
    struct err e = {0};
    (void)state;
    for (; n < ARRAY_COUNT(ops); n++) {
        (void)snprintf(name[n], sizeof name[n], "f%u", n);
        ops[n] = (struct format_ops){ .name = name[n], .summary = "Full." };
        if (format_register(&ops[n], &e) < 0)
            break;
    }
    assert_int_equal(n, 64);
    assert_int_equal(e.code, -ENOSPC);
    while (n)
        format_unregister(&ops[--n]);
}

static int begin(void **state)
{
    static const struct fapilog_sink_kind *const sinks[] = { &fake_kind, NULL };
    static const struct fapilog_plugin api = { .name = "test", .version = "1", .sinks = sinks };
    struct err e = {0};
    (void)state;
    plugin = plugin_new(&api);
    if (plugin_register(plugin, &e) < 0)
        fail_msg("%s", e.text);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    sink_unregister(sink_find("fake"));
    plugin_free(plugin);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(options_reach_the_configuration_of_the_plugin, stop),
        cmocka_unit_test_teardown(defaults_do_too, stop),
        cmocka_unit_test_teardown(check_and_open_refuse_in_their_own_words, stop),
        cmocka_unit_test_teardown(a_request_shows_each_record_and_its_result_arrives, stop),
        cmocka_unit_test_teardown(an_answer_from_inside_send_or_cancel_counts, stop),
        cmocka_unit_test_teardown(an_impossible_result_delivers_nothing, stop),
        cmocka_unit_test_teardown(a_request_that_is_ended_twice_is_ended_once_and_said, stop),
        cmocka_unit_test_teardown(messages_are_told_up_to_a_limit, stop),
        cmocka_unit_test_teardown(a_descriptor_is_watched_once, stop),
        cmocka_unit_test_teardown(a_timer_comes_at_its_time, stop),
        cmocka_unit_test_teardown(what_is_unwatched_or_left_over_is_not_called, stop),
        cmocka_unit_test(a_stage_makes_records_of_its_own),
        cmocka_unit_test(a_stage_of_version_1_0_is_taken_as_it_is),
        cmocka_unit_test(a_real_needs_bounds),
        cmocka_unit_test(of_a_plugin_everything_is_registered_or_nothing),
        cmocka_unit_test(a_list_that_is_full_takes_no_more),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
