/* Whole lines, byte for byte. docs/formats.md shows the same ones. */
#include "collector/format/format.h"
#include "lib/base/check.h"
#include "tests/common/record_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t fixed_clock(void)
{
    return INT64_C(1795250225000000000);
}

static int64_t no_clock(void)
{
    return 0;
}

static char *line_of(const char *format, const struct format_config *cfg, const struct fapilog_record *r)
{
    struct format *f;
    struct err e;
    assert_int_equal(format_open(format, cfg, 0, &f, &e), 0);
    char *const out = malloc(f->ops->bound(f, r) + 1);
    assert_non_null(out);
    *f->ops->write(f, r, out) = '\0';
    format_close(f);
    return out;
}

static void check(const char *format, const struct format_config *cfg, struct sample *s, const char *want)
{
    format_observed_clock = fixed_clock;
    char *const got = line_of(format, cfg, &s->r);
    assert_string_equal(got, want);
    free(got);
    free(s->site.cache[0]);
    s->site.cache[0] = NULL;
}

#define FAPILOG_HEAD "{\"log\":{\"context\":{\"correlation_id\":null," \
    "\"message_id\":\"11c7a561-d10f-4047-91ba-47c9b9c82e42\"}"

static void the_readme_record_in_every_format(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    check("fapilog", NULL, s, FAPILOG_HEAD ",\"data\":{\"order_id\":42,\"price\":9.5,\"qty\":1000},"
          "\"diagnostics\":{\"env\":\"prod\",\"host\":\"vm1\",\"origin\":\"native\",\"pid\":1234,"
          "\"service\":\"orders\",\"version\":\"1.2\"},\"level\":\"INFO\",\"logger\":\"orders.matching\","
          "\"message\":\"order accepted\",\"timestamp\":\"2026-11-21T08:37:04.123Z\"},\"schema_version\":\"1.1\"}\n");
    check("dagstack", NULL, s, "{\"attributes\":{\"order_id\":42,\"price\":9.5,\"qty\":1000},"
          "\"body\":\"order accepted\",\"instrumentation_scope\":{\"name\":\"orders.matching\"},"
          "\"observed_time_unix_nano\":1795250225000000000,\"resource\":{\"attributes\":{"
          "\"deployment.environment.name\":\"prod\",\"host.name\":\"vm1\",\"process.pid\":1234,"
          "\"service.name\":\"orders\",\"service.version\":\"1.2\"}},\"severity_number\":9,"
          "\"severity_text\":\"INFO\",\"time_unix_nano\":1795250224123456789}\n");
    check("json", NULL, s, "{\"time\":\"2026-11-21T08:37:04.123456789Z\",\"level\":\"INFO\","
          "\"logger\":\"orders.matching\",\"message\":\"order accepted\",\"service\":\"orders\",\"pid\":1234,"
          "\"env\":\"prod\",\"version\":\"1.2\",\"order_id\":42,\"qty\":1000,\"price\":9.5}\n");
    check("logfmt", NULL, s, "time=2026-11-21T08:37:04.123456789Z level=INFO logger=orders.matching "
          "msg=\"order accepted\" service=orders pid=1234 env=prod version=1.2 order_id=42 qty=1000 price=9.5\n");
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | INFO     | orders.matching: order accepted "
          "order_id=42 qty=1000 price=9.5\n");
    check("raw", NULL, s, "3.1+4096 pid=1234 tid=4321 t=1795250224123456789 cycles=99 INFO(9) flags=----- site=12 "
          "src/order \\\"book\\\".c:77 order_accept thread=\"worker 1\" logger=3\"orders.matching\" "
          "\"order accepted\" {order_id:i32=42 qty:i32=1000 price:f64=9.5}\n");
    sample_free(s);
}

static void otlp_json_nests_as_the_protocol_does(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    struct fapilog_field json = sample_string("j", "{\"a\":[1,2.5,\"x\",null,true]}");
    json.type = FAPILOG_TYPE_JSON;
    sample_add(s, json);
    check("otlp-json", NULL, s, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[]},\"scopeLogs\":[{\"scope\":"
          "{\"name\":\"root\"},\"logRecords\":[{\"timeUnixNano\":\"1795250224123456789\","
          "\"observedTimeUnixNano\":\"1795250225000000000\",\"severityNumber\":9,\"severityText\":\"INFO\","
          "\"body\":{\"stringValue\":\"\"},\"attributes\":[{\"key\":\"j\",\"value\":{\"kvlistValue\":{\"values\":["
          "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":\"1\"},{\"doubleValue\":2.5},"
          "{\"stringValue\":\"x\"},{},{\"boolValue\":true}]}}}]}}},{\"key\":\"log.record.uid\",\"value\":"
          "{\"stringValue\":\"11c7a561-d10f-4047-91ba-47c9b9c82e42\"}}]}]}]}]}\n");
    sample_free(s);
}

/* Ids and times in nanoseconds have 19 digits, of which a double keeps 16. */
static void otlp_json_keeps_whole_numbers_that_its_integers_hold(void **state)
{
    (void)state;
    static const struct { const char *json, *value; } cases[] = {
        {"1795250224123456789", "{\"intValue\":\"1795250224123456789\"}"},
        {"9223372036854775807", "{\"intValue\":\"9223372036854775807\"}"},
        {"-9223372036854775808", "{\"intValue\":\"-9223372036854775808\"}"},
        {"-0", "{\"intValue\":\"0\"}"},
        {"9223372036854775808", "{\"doubleValue\":9223372036854775808}"},
        {"1e2", "{\"intValue\":\"100\"}"},
        {"-9223372036854775809", "{\"doubleValue\":-9223372036854776000}"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct sample *const s = sample_new(SAMPLE_EMPTY);
        char want[128];
        (void)snprintf(want, sizeof want, "{\"key\":\"j\",\"value\":%s}", cases[i].value);
        sample_add(s, sample_bytes("j", FAPILOG_TYPE_JSON, cases[i].json, (uint32_t)strlen(cases[i].json)));
        char *const line = line_of("otlp-json", NULL, &s->r);
        if (!strstr(line, want))
            fail_msg("no %s in %s", want, line);
        free(line);
        sample_free(s);
    }
}

/* The golden line of the DagStack specification, which has neither scope nor observed time. */
static void the_least_that_dagstack_allows(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    s->r.message = sample_text("hi");
    s->r.time_ns = 100;
    format_observed_clock = no_clock;
    char *const got = line_of("dagstack", NULL, &s->r);
    assert_string_equal(got, "{\"body\":\"hi\",\"severity_number\":9,\"severity_text\":\"INFO\","
                             "\"time_unix_nano\":100}\n");
    free(got);
    sample_free(s);
}

static void dagstack_names_the_root_logger_and_the_trace(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_IDS);
    s->logger.name = sample_text("");
    s->r.process = NULL;
    check("dagstack", NULL, s, "{\"attributes\":{\"n\":1},\"body\":\"traced\",\"instrumentation_scope\":"
          "{\"name\":\"root\"},\"observed_time_unix_nano\":1795250225000000000,\"severity_number\":9,"
          "\"severity_text\":\"INFO\",\"span_id\":\"3031323334353637\",\"time_unix_nano\":1795250224123456789,"
          "\"trace_flags\":1,\"trace_id\":\"30313233343536373839616263646566\"}\n");
    sample_free(s);
}

/* What the collector knows of a process goes where the process's own description goes. */
static void enriched_fields_stand_by_the_process(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    const struct fapilog_field more[] = {sample_string("k8s_pod", "p-1"), sample_string("a", "1"),
        sample_string("zone", "z"), sample_string("qty", "hidden by the call's"), sample_string("origin", "o")};
    s->process.enriched = more;
    s->process.enriched_count = ARRAY_COUNT(more);
    check("fapilog", NULL, s, FAPILOG_HEAD ",\"data\":{\"order_id\":42,\"price\":9.5,\"qty\":1000},"
          "\"diagnostics\":{\"a\":\"1\",\"env\":\"prod\",\"host\":\"vm1\",\"k8s_pod\":\"p-1\",\"origin_\":\"o\","
          "\"origin\":\"native\",\"pid\":1234,\"qty\":\"hidden by the call's\",\"service\":\"orders\","
          "\"version\":\"1.2\",\"zone\":\"z\"},\"level\":\"INFO\",\"logger\":\"orders.matching\","
          "\"message\":\"order accepted\",\"timestamp\":\"2026-11-21T08:37:04.123Z\"},\"schema_version\":\"1.1\"}\n");
    check("dagstack", NULL, s, "{\"attributes\":{\"order_id\":42,\"price\":9.5,\"qty\":1000},"
          "\"body\":\"order accepted\",\"instrumentation_scope\":{\"name\":\"orders.matching\"},"
          "\"observed_time_unix_nano\":1795250225000000000,\"resource\":{\"attributes\":{\"a\":\"1\","
          "\"deployment.environment.name\":\"prod\",\"host.name\":\"vm1\",\"k8s_pod\":\"p-1\",\"origin\":\"o\","
          "\"process.pid\":1234,\"qty\":\"hidden by the call's\","
          "\"service.name\":\"orders\",\"service.version\":\"1.2\",\"zone\":\"z\"}},\"severity_number\":9,"
          "\"severity_text\":\"INFO\",\"time_unix_nano\":1795250224123456789}\n");
    check("json", NULL, s, "{\"time\":\"2026-11-21T08:37:04.123456789Z\",\"level\":\"INFO\","
          "\"logger\":\"orders.matching\",\"message\":\"order accepted\",\"service\":\"orders\",\"pid\":1234,"
          "\"env\":\"prod\",\"version\":\"1.2\",\"a\":\"1\",\"k8s_pod\":\"p-1\",\"origin\":\"o\",\"zone\":\"z\","
          "\"order_id\":42,\"qty\":1000,\"price\":9.5}\n");
    check("logfmt", NULL, s, "time=2026-11-21T08:37:04.123456789Z level=INFO logger=orders.matching "
          "msg=\"order accepted\" service=orders pid=1234 env=prod version=1.2 a=1 k8s_pod=p-1 origin=o zone=z "
          "order_id=42 qty=1000 price=9.5\n");
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | INFO     | orders.matching: order accepted "
          "order_id=42 qty=1000 price=9.5 a=1 k8s_pod=p-1 origin=o zone=z\n");
    char *const otlp = line_of("otlp-json", NULL, &s->r);
    assert_non_null(strstr(otlp, "\"intValue\":\"1234\"}},{\"key\":\"a\",\"value\":{\"stringValue\":\"1\"}},"
                                 "{\"key\":\"k8s_pod\""));
    free(otlp);
    sample_free(s);
}

static int64_t late_clock(void)
{
    return INT64_C(1795250224123456788);
}

static void dagstack_observes_nothing_before_it_happened(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    format_observed_clock = late_clock;
    char *const got = line_of("dagstack", NULL, &s->r);
    assert_non_null(strstr(got, "\"observed_time_unix_nano\":1795250224123456789,"));
    free(got);
    sample_free(s);
}

static void an_id_of_zeros_is_no_id(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, sample_string("trace_id", "00000000000000000000000000000000"));
    sample_add(s, sample_string("span_id", "0000000000000001"));
    format_observed_clock = no_clock;
    char *const got = line_of("dagstack", NULL, &s->r);
    assert_string_equal(got, "{\"attributes\":{\"trace_id\":\"00000000000000000000000000000000\"},\"body\":\"\","
                             "\"severity_number\":9,\"severity_text\":\"INFO\","
                             "\"span_id\":\"0000000000000001\",\"time_unix_nano\":1795250224123456789}\n");
    free(got);
    sample_free(s);
}

static void dagstack_orders_keys_as_utf16(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_UTF16);
    char *const got = line_of("dagstack", NULL, &s->r);
    const char *at = got;
    static const char *const order[] = {"{\"a\":", "\"aa\":", "\"ab\":", "\"json\":",
        "\"\xc3\xa4z\":", "\"\xed\x9f\xbf\":", "\"\xf0\x9f\x8d\x95\":", "\"\xf0\x9f\x92\x8e\":",
        "\"\xf0\xa0\x80\x80\":", "\"\xf4\x8f\xbf\xbf\":",
        "\"\xee\x80\x80\":", "\"\xef\xbf\xbd\":"};
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
        if (i == 3) /* its own keys come in between */
            at = strchr(at, '}');
    }
    free(got);
    sample_free(s);
}

static void pretty_shows_stacks_below_and_colours(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_STACK);
    static const uint64_t frames[] = {0x7f1234561000, 0x10};
    s->call[0] = sample_bytes("backtrace", FAPILOG_TYPE_STACK, frames, sizeof frames);
    s->r.level = FAPILOG_LEVEL_ERROR;
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | ERROR    | orders.matching: it broke after='the stack'\n"
          "    backtrace:\n      /usr/lib/x86_64-linux-gnu/libc.so.6+0x1000\n      0x10\n    empty:\n");
    sample_free(s);
    s = sample_new(SAMPLE_AUDIT);
    const struct format_config colour = {.colour = true};
    check("pretty", &colour, s, "\x1b[2m2026-11-21 08:37:04.123456\x1b[0m | \x1b[35mAUDIT   \x1b[0m | "
          "\x1b[2morders.matching: \x1b[0morder accepted \x1b[2morder_id=\x1b[0m42 \x1b[2mqty=\x1b[0m1000 "
          "\x1b[2mprice=\x1b[0m9.5\n");
    sample_free(s);
}

/* A module's path comes from the process; U+009B begins a command to a terminal. */
static bool hostile_module(const void *arg, uint64_t address, struct fapilog_text *ret_path, uint64_t *ret_offset)
{
    (void)arg;
    *ret_path = sample_text("/a\xc2\x9b" "2J\x7f\"\xff");
    *ret_offset = address;
    return true;
}

static void frames_are_disarmed_like_other_text(void **state)
{
    (void)state;
    static const uint64_t frames[] = {0x10};
    struct sample *s = sample_new(SAMPLE_EMPTY);
    s->r.module_of = hostile_module;
    s->r.message = sample_text("m");
    sample_add(s, sample_bytes("user_id", FAPILOG_TYPE_STACK, frames, sizeof frames));
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | INFO     | m\n    user_id:\n"
          "      /a\\u009b2J\\x7f\"\xef\xbf\xbd+0x10\n");
    check("json", NULL, s, "{\"time\":\"2026-11-21T08:37:04.123456789Z\",\"level\":\"INFO\",\"message\":\"m\","
          "\"user_id\":[\"/a\xc2\x9b" "2J\x7f\\\"\xef\xbf\xbd+0x10\"],\"invalid\":\"utf8\"}\n");
    sample_free(s);
    s = sample_new(SAMPLE_EMPTY);
    s->r.module_of = hostile_module;
    sample_add(s, sample_bytes("", FAPILOG_TYPE_STACK, frames, sizeof frames));
    sample_set_site(s, "%p", true);
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | INFO     | "
          "/a\\u009b2J\\x7f\"\xef\xbf\xbd+0x10 invalid=utf8\n");
    sample_free(s);
}

/* An escape in a bare value would be read as these characters. */
static void values_with_controls_stand_in_quotes(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    s->r.message = sample_text("m");
    sample_add(s, sample_string("a", "x\xc2\x85y"));
    sample_add(s, sample_string("b", "x\xc3\xa9y"));
    sample_bind(s, sample_string("c", "\xc2\x9b"));
    s->logger = (struct fapilog_logger_info){.name = sample_text("l\xc2\x9b"), .fields = s->bound, .fields_count = 1};
    s->r.logger = &s->logger;
    check("logfmt", NULL, s, "time=2026-11-21T08:37:04.123456789Z level=INFO logger=\"l\\u009b\" msg=\"m\" "
          "a=\"x\\u0085y\" b=x\xc3\xa9y c=\"\\u009b\"\n");
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | INFO     | l\\u009b: m a='x\\u0085y' b=x\xc3\xa9y "
          "c='\\u009b'\n");
    sample_free(s);
}

static void logfmt_quotes_padded_and_empty_bytes(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    s->r.message = sample_text("m");
    sample_add(s, sample_bytes("none", FAPILOG_TYPE_BYTES, "", 0));
    sample_add(s, sample_bytes("one", FAPILOG_TYPE_BYTES, "h", 1));
    sample_add(s, sample_bytes("two", FAPILOG_TYPE_BYTES, "hi", 2));
    sample_add(s, sample_bytes("three", FAPILOG_TYPE_BYTES, "hi!", 3));
    check("logfmt", NULL, s, "time=2026-11-21T08:37:04.123456789Z level=INFO msg=\"m\" none=\"\" one=\"aA==\" "
          "two=\"aGk=\" three=aGkh\n");
    sample_free(s);
}

/* S-12: what other languages hand over as their trace. */
static void pretty_shows_a_trace_as_lines(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_STACK);
    s->call[0] = sample_string("error.stack", "Traceback:\n  File \"a.py\"\n\nValueError: \x1b[1mbad\xff\n");
    check("pretty", NULL, s,
          "2026-11-21 08:37:04.123456 | INFO     | orders.matching: it broke after='the stack' invalid=utf8\n"
          "    error.stack:\n      Traceback:\n        File \"a.py\"\n\n      ValueError: \\x1b[1mbad\xef\xbf\xbd\n"
          "    empty:\n");
    sample_free(s);
    s = sample_new(SAMPLE_STACK);
    s->call[0] = sample_string("error.stack", "");
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | INFO     | orders.matching: it broke after='the stack'\n"
          "    error.stack:\n    empty:\n");
    sample_free(s);
}

static void pretty_flattens_maps_and_disarms_controls(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    static const char json[] = "{\"user\":{\"name\":\"Ada L\",\"roles\":[\"a\"],\"none\":{}},\"n\":1.50}";
    s->r.message = sample_text("a\x1b[2J\n\xc2\x85\x7f\xff|");
    sample_add(s, sample_bytes("j", FAPILOG_TYPE_JSON, json, sizeof json - 1));
    sample_add(s, sample_string("quote", "it's"));
    sample_add(s, sample_string("empty", ""));
    check("pretty", NULL, s, "2026-11-21 08:37:04.123456 | INFO     | a\\x1b[2J\\n\\u0085\\x7f\xef\xbf\xbd| "
          "j.n=1.50 j.user.name='Ada L' j.user.none={} j.user.roles=[\"a\"] quote='it\\'s' empty='' invalid=utf8\n");
    sample_free(s);
}

static void pretty_repeats_long_paths_for_every_leaf(void **state)
{
    (void)state;
    enum { LEAVES = 1000 };
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    char prefix[64], *p = s->text;
    snprintf(prefix, sizeof prefix, " %060d.", 0);
    p += snprintf(p, 100, "{\"%060d\":{", 0);
    for (int i = 0; i < LEAVES; i++)
        p += snprintf(p, 16, "%s\"%c%c\":1", i ? "," : "", 'a' + i / 40, '0' + i % 40);
    p += snprintf(p, 8, "}}");
    sample_add(s, sample_bytes("", FAPILOG_TYPE_JSON, s->text, (uint32_t)(p - s->text)));
    char *const got = line_of("pretty", NULL, &s->r);
    const char *at = strstr(got, prefix);
    for (int i = 0; i < LEAVES; i++, at += strlen(prefix) + 4) {
        char leaf[8];
        snprintf(leaf, sizeof leaf, "%c%c=1", 'a' + i / 40, '0' + i % 40);
        assert_memory_equal(at, prefix, strlen(prefix));
        assert_memory_equal(at + strlen(prefix), leaf, 4);
    }
    assert_string_equal(at, "\n");
    free(got);
    sample_free(s);
}

static void context_and_bound_fields_go_where_they_belong(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_LAYERS);
    s->r.process = NULL;
    s->logger.name = sample_text("");
    check("fapilog", NULL, s, "{\"log\":{\"context\":{\"correlation_id\":\"req-1\","
          "\"message_id\":\"11c7a561-d10f-4047-91ba-47c9b9c82e42\",\"request_id\":\"req-1\","
          "\"tenant_id\":\"logger-tenant\",\"user_id\":\"call-user\"},\"data\":{\"only_call\":\"x\","
          "\"only_context\":\"c\",\"only_logger\":\"l\",\"who\":\"call\"},\"diagnostics\":{\"origin\":\"native\"},"
          "\"level\":\"INFO\",\"message\":\"layers\",\"timestamp\":\"2026-11-21T08:37:04.123Z\"},"
          "\"schema_version\":\"1.1\"}\n");
    sample_bind_thread(s, sample_string("correlation_id", "given"));
    char *const got = line_of("fapilog", NULL, &s->r);
    assert_non_null(strstr(got, "\"correlation_id\":\"given\""));
    free(got);
    sample_free(s);
}

static void errors_make_up_the_exception_of_the_envelope(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_EXCEPTION);
    s->r.process = NULL;
    check("fapilog", NULL, s, FAPILOG_HEAD ",\"data\":{\"path\":\"/etc/orders.conf\"},\"diagnostics\":{\"exception\":{"
          "\"error.cause\":\"TimeoutError\",\"error.frames\":[{\"code\":null,"
          "\"file\":\"/usr/lib/x86_64-linux-gnu/libc.so.6\","
          "\"function\":\"+0x1000\",\"line\":null},{\"code\":null,\"file\":\"\",\"function\":\"0x10\",\"line\":null}],"
          "\"error.message\":\"No such file or directory\",\"error.stack\":"
          "\"/usr/lib/x86_64-linux-gnu/libc.so.6+0x1000\\n0x10\",\"error.type\":\"ENOENT\"},\"origin\":\"native\"},"
          "\"level\":\"INFO\",\"logger\":\"orders.matching\",\"message\":\"it broke\","
          "\"timestamp\":\"2026-11-21T08:37:04.123Z\"},\"schema_version\":\"1.1\"}\n");
    check("json", NULL, s, "{\"time\":\"2026-11-21T08:37:04.123456789Z\",\"level\":\"INFO\","
          "\"logger\":\"orders.matching\",\"message\":\"it broke\","
          "\"error.type\":\"ENOENT (2): No such file or directory\",\"error.stack\":"
          "[\"/usr/lib/x86_64-linux-gnu/libc.so.6+0x1000\",\"0x10\"],\"path\":\"/etc/orders.conf\","
          "\"error.cause\":\"TimeoutError\"}\n");
    sample_add(s, sample_string("error.message", "no configuration"));
    char *const got = line_of("fapilog", NULL, &s->r);
    assert_non_null(strstr(got, "\"error.message\":\"no configuration\",\"error.stack\""));
    free(got);
    sample_free(s);
}

static void a_long_stack_text_is_cut(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    memset(s->text, 'x', 30000);
    memcpy(s->text + 19996, "\xc3\xa4", 2); /* a character across the limit */
    sample_add(s, sample_bytes("error.stack", FAPILOG_TYPE_STRING, s->text, 30000));
    char *const got = line_of("fapilog", NULL, &s->r);
    const char *const at = strstr(got, "\"error.stack\":\"");
    assert_non_null(at);
    const char *const end = strstr(at + 15, "...\"}");
    assert_non_null(end);
    assert_int_equal(end - (at + 15), 19996);
    free(got);
    sample_free(s);
}

static void tags_and_a_map_of_data_have_their_places(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_ENVELOPE);
    s->r.process = NULL;
    for (int pass = 0; pass < 2; pass++) /* compiled, and as it stands */
        check("fapilog", NULL, s, FAPILOG_HEAD ",\"data\":{\"\\u0001\\\"\":null,\"kept\":\"bound\",\"n\":7,"
              "\"shard\":\"map\",\"z\":[1,{}],\"zone\":1,\"\xc3\xa4\":0.50},\"diagnostics\":{\"origin\":\"native\"},"
              "\"level\":\"INFO\",\"logger\":\"orders.matching\",\"message\":\"paid\","
              "\"tags\":[\"payment\",\"eu\",\"retry\"],"
              "\"timestamp\":\"2026-11-21T08:37:04.123Z\"},\"schema_version\":\"1.1\"}\n"), s->r.site = NULL;
    sample_free(s);
    s = sample_new(SAMPLE_ENVELOPE_HOSTILE);
    char *const got = line_of("fapilog", NULL, &s->r);
    assert_non_null(strstr(got, "\"data\":{\"data\":\"[1,{\\\"a\\\":2}\"}"));
    assert_non_null(strstr(got, "\"tags\":[\"1\",\"[\\\"a\\\",\\\"b\\\\\\\"\\\"]\","
                               "\"{\\\"k\\\":null}\",\"\",\"true\"]"));
    free(got);
    sample_free(s);
}

/* The id is what receivers find duplicates by: it must not change between versions either. */
static char *next_line(struct format *f, const struct fapilog_record *r)
{
    char *const out = malloc(f->ops->bound(f, r) + 1);
    assert_non_null(out);
    *f->ops->write(f, r, out) = '\0';
    return out;
}

static void has(struct format *f, const struct fapilog_record *r, const char *want)
{
    char *const got = next_line(f, r);
    if (!strstr(got, want))
        fail_msg("no %s in %s", want, got);
    free(got);
}

/* A redactor makes text of JSON that it cannot read. */
static void one_bad_record_changes_nothing_for_those_after_it(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    struct format *f;
    struct err e;
    assert_int_equal(format_open("fapilog", NULL, 0, &f, &e), 0);
    const struct fapilog_field good = sample_bytes("data", FAPILOG_TYPE_JSON, "{\"a\":1}", 7),
                               bad = sample_string("data", "***"),
                               tags = sample_string("tags", "x,y"), no_tags = sample_bytes("tags",
                                                                                         FAPILOG_TYPE_NULL, NULL, 0);
    sample_add(s, good);
    sample_add(s, tags);
    sample_set_site(s, "m", false);
    for (unsigned i = 0; i < 3; i++) { /* the first bad one comes before there is a plan */
        s->call[0] = bad;
        s->call[1] = tags;
        has(f, &s->r, "\"data\":{\"data\":\"***\"}");
        if (i == 0) {
            s->call[1] = no_tags;
            has(f, &s->r, "\"data\":{\"data\":\"***\",\"tags\":null}");
            assert_null(s->site.cache[0]);
        }
        s->call[0] = good;
        s->call[1] = tags;
        has(f, &s->r, "\"data\":{\"a\":1}");
        has(f, &s->r, "\"tags\":[\"x\",\"y\"]");
        assert_non_null(s->site.cache[0]);
    }
    format_close(f);
    sample_free(s);
}

static void a_field_of_the_context_goes_where_its_type_and_role_say(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    struct format *f;
    struct err e;
    assert_int_equal(format_open("fapilog", NULL, 0, &f, &e), 0);
    const struct fapilog_field map = sample_bytes("data", FAPILOG_TYPE_JSON, "{\"a\":1}", 7);
    struct fapilog_field tenant = sample_string("org", "o-1");
    sample_bind_thread(s, sample_string("data", "text"));
    sample_bind_thread(s, tenant);
    tenant.role = FAPILOG_ROLE_TENANT_ID;
    for (unsigned i = 0; i < 2; i++) {
        s->thread[0] = sample_string("data", "text");
        s->thread[1].role = FAPILOG_ROLE_DATA;
        has(f, &s->r, "\"data\":{\"data\":\"text\",\"order_id\":42,\"org\":\"o-1\",");
        s->thread[0] = map;
        has(f, &s->r, "\"data\":{\"a\":1,\"order_id\":42,\"org\":\"o-1\",");
        s->thread[1] = tenant;
        has(f, &s->r, "\"tenant_id\":\"o-1\"},\"data\":{\"a\":1,\"order_id\":42,\"price\"");
    }
    format_close(f);
    sample_free(s);
}

static void the_message_id_follows_from_the_place_of_the_record(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    char *first = line_of("fapilog", NULL, &s->r);
    const char *const id = strstr(first, "message_id");
    assert_memory_equal(id, "message_id\":\"11c7a561-d10f-4047-91ba-47c9b9c82e42\"", 50);
    for (int part = 0; part < 4; part++) {
        struct fapilog_record r = s->r;
        r.id.position += part == 0 ? 32 : 0;
        r.id.lane += part == 1;
        r.id.generation += part == 2;
        r.id.uuid[15] ^= part == 3;
        char *const other = line_of("fapilog", NULL, &r);
        assert_memory_not_equal(strstr(other, "message_id"), id, 50);
        free(other);
    }
    free(first);
    sample_free(s);
}

/* Of a macro the site tells it, of a function what its record names: nobody who reads the lines sees which it was. */
static void where_a_record_was_logged_is_written_alike_for_macros_and_functions(void **state)
{
    (void)state;
    static const char *const formats[] = {"fapilog", "dagstack", "otlp-json", "json", "logfmt", "pretty"};
    const struct format_config cfg = {.source = true};
    format_observed_clock = fixed_clock;
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct sample *const s = sample_new(SAMPLE_SIMPLE);
        struct fapilog_record of_function = s->r, of_nobody = s->r;
        of_function.site = of_nobody.site = NULL;
        of_function.source = s->r.site;
        char *const macro = line_of(formats[i], &cfg, &s->r), *const function = line_of(formats[i], &cfg, &of_function),
                    *const nobody = line_of(formats[i], &cfg, &of_nobody);
        assert_string_equal(function, macro);
        assert_string_not_equal(nobody, macro);
        free(macro);
        free(function);
        free(nobody);
        sample_free(s);
    }
}

/* The line has it, by a plan and without one. */
static void holds(const char *format, const struct format_config *cfg, struct sample *s, const char *want)
{
    struct fapilog_record dynamic = s->r;
    dynamic.internal = true;
    char *const lines[] = {line_of(format, cfg, &s->r), line_of(format, cfg, &dynamic)};
    assert_string_equal(lines[0], lines[1]);
    if (!strstr(lines[0], want))
        fail_msg("%s: %s", format, lines[0]);
    free(lines[0]);
    free(lines[1]);
    free(s->site.cache[0]);
    s->site.cache[0] = NULL;
}

#define OTLP(name, type, value) "{\"key\":\"" name "\",\"value\":{\"" type "\":" value "}}"

static void a_field_that_is_called_like_an_attribute_of_ours_is_kept_beside_it(void **state)
{
    (void)state;
    static const char *const names[] = {"fapilog.invalid", "fapilog.invalid_", "fapilog.level", "fapilog.level.x",
        "fapilog.level_a", "log.record.uid", "code.file.path", "code.line.number"};
    const struct format_config with_source = {.source = true};
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    format_observed_clock = fixed_clock;
    s->r.fields_count = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++)
        sample_add(s, sample_int(names[i], i));
    s->r.level = FAPILOG_LEVEL_AUDIT;
    sample_set_site(s, "m", false);
    holds("dagstack", NULL, s, "{\"attributes\":{\"code.file.path\":6,\"code.line.number\":7,\"fapilog.invalid_\":0,"
          "\"fapilog.invalid__\":1,\"fapilog.level\":\"AUDIT\",\"fapilog.level.x\":3,\"fapilog.level_\":2,"
          "\"fapilog.level_a\":4,\"log.record.uid\":5},");
    holds("dagstack", &with_source, s, "{\"attributes\":{\"code.file.path\":\"src/order \\\"book\\\".c\","
          "\"code.file.path_\":6,\"code.function.name\":\"order_accept\",\"code.line.number\":77,"
          "\"code.line.number_\":7,");
    holds("otlp-json", NULL, s, "\"attributes\":[" OTLP("code.file.path", "intValue", "\"6\"") ","
          OTLP("code.line.number", "intValue", "\"7\"") "," OTLP("fapilog.invalid_", "intValue", "\"0\"") ","
          OTLP("fapilog.invalid__", "intValue", "\"1\"") "," OTLP("fapilog.level", "stringValue", "\"AUDIT\"") ","
          OTLP("fapilog.level.x", "intValue", "\"3\"") "," OTLP("fapilog.level_", "intValue", "\"2\"") ","
          OTLP("fapilog.level_a", "intValue", "\"4\"") ","
          OTLP("log.record.uid", "stringValue", "\"11c7a561-d10f-4047-91ba-47c9b9c82e42\"") ","
          OTLP("log.record.uid_", "intValue", "\"5\"") "]");
    holds("otlp-json", &with_source, s, OTLP("code.line.number", "intValue", "\"77\"") ","
          OTLP("code.line.number_", "intValue", "\"7\""));
    sample_add(s, sample_string("text", "\xff"));
    sample_set_site(s, "m", false);
    holds("dagstack", NULL, s, "\"fapilog.invalid\":\"utf8\",\"fapilog.invalid_\":0,\"fapilog.invalid__\":1,");
    sample_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_that_is_called_like_an_attribute_of_ours_is_kept_beside_it),
        cmocka_unit_test(the_readme_record_in_every_format),
        cmocka_unit_test(otlp_json_nests_as_the_protocol_does),
        cmocka_unit_test(otlp_json_keeps_whole_numbers_that_its_integers_hold),
        cmocka_unit_test(the_least_that_dagstack_allows),
        cmocka_unit_test(dagstack_names_the_root_logger_and_the_trace),
        cmocka_unit_test(enriched_fields_stand_by_the_process),
        cmocka_unit_test(dagstack_observes_nothing_before_it_happened),
        cmocka_unit_test(an_id_of_zeros_is_no_id),
        cmocka_unit_test(dagstack_orders_keys_as_utf16),
        cmocka_unit_test(pretty_shows_stacks_below_and_colours),
        cmocka_unit_test(pretty_shows_a_trace_as_lines),
        cmocka_unit_test(pretty_flattens_maps_and_disarms_controls),
        cmocka_unit_test(frames_are_disarmed_like_other_text),
        cmocka_unit_test(values_with_controls_stand_in_quotes),
        cmocka_unit_test(logfmt_quotes_padded_and_empty_bytes),
        cmocka_unit_test(pretty_repeats_long_paths_for_every_leaf),
        cmocka_unit_test(context_and_bound_fields_go_where_they_belong),
        cmocka_unit_test(errors_make_up_the_exception_of_the_envelope),
        cmocka_unit_test(a_long_stack_text_is_cut),
        cmocka_unit_test(tags_and_a_map_of_data_have_their_places),
        cmocka_unit_test(one_bad_record_changes_nothing_for_those_after_it),
        cmocka_unit_test(a_field_of_the_context_goes_where_its_type_and_role_say),
        cmocka_unit_test(the_message_id_follows_from_the_place_of_the_record),
        cmocka_unit_test(where_a_record_was_logged_is_written_alike_for_macros_and_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
