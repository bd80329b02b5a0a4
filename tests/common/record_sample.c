#include "tests/common/record_sample.h"

#include "lib/base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char hostile[] =
    "\x1b[31mred\n\r\t\"quoted\" 'single' \\ \x01\x7f\xc2\x85 \xff\xfe\xc0\x80\xed\xa0\x80 =a %n%s \xf0\x9f\x8d\x95 "
    "\xe2\x80\xa8 </script> {}[]:, \xe2\x82";

struct fapilog_text sample_text(const char *text)
{
    return (struct fapilog_text){text, (uint32_t)strlen(text)};
}

struct fapilog_field sample_int(const char *name, int64_t v)
{
    return (struct fapilog_field){.name = sample_text(name), .type = FAPILOG_TYPE_I64, .v.i64 = v};
}

struct fapilog_field sample_double(const char *name, double v)
{
    return (struct fapilog_field){.name = sample_text(name), .type = FAPILOG_TYPE_F64, .v.f64 = v};
}

struct fapilog_field sample_bytes(const char *name, uint8_t type, const void *data, uint32_t len)
{
    return (struct fapilog_field){.name = sample_text(name), .type = type, .len = len, .v.data = data};
}

struct fapilog_field sample_string(const char *name, const char *text)
{
    return sample_bytes(name, FAPILOG_TYPE_STRING, text, (uint32_t)strlen(text));
}

void sample_add(struct sample *s, struct fapilog_field f)
{
    CHECK(s->r.fields_count < FAPILOG_FIELDS_MAX);
    s->call[s->r.fields_count++] = f;
}

void sample_bind(struct sample *s, struct fapilog_field f)
{
    CHECK(s->logger.fields_count < ARRAY_COUNT(s->bound));
    s->bound[s->logger.fields_count++] = f;
}

void sample_bind_thread(struct sample *s, struct fapilog_field f)
{
    CHECK(s->context.fields_count < ARRAY_COUNT(s->thread));
    s->thread[s->context.fields_count++] = f;
    s->context.fields = s->thread;
    s->r.context = &s->context;
}

void sample_set_site(struct sample *s, const char *message, bool is_printf)
{
    memcpy(s->templates, s->call, sizeof s->call);
    s->site = (struct fapilog_site){
        .id = 12, .line = 77, .level = s->r.level, .is_printf = is_printf,
        .fields_count = (uint16_t)s->r.fields_count, .message = sample_text(message),
        .file = sample_text("src/order \"book\".c"), .function = sample_text("order_accept"),
        .fields = s->templates};
    s->r.message = s->site.message;
    s->r.site = &s->site;
}

static struct fapilog_field number(const char *name, uint8_t type, uint64_t v)
{
    return (struct fapilog_field){.name = sample_text(name), .type = type, .v.u64 = v};
}

static void add_types(struct sample *s)
{
    static const uint64_t stack[] = {0x401000, 0x7f0000001234};
    sample_add(s, number("null", FAPILOG_TYPE_NULL, 0));
    sample_add(s, number("bool", FAPILOG_TYPE_BOOL, 1));
    sample_add(s, number("i8", FAPILOG_TYPE_I8, (uint64_t)INT64_C(-128)));
    sample_add(s, number("u8", FAPILOG_TYPE_U8, 255));
    sample_add(s, number("i16", FAPILOG_TYPE_I16, (uint64_t)INT64_C(-32768)));
    sample_add(s, number("u16", FAPILOG_TYPE_U16, 65535));
    sample_add(s, number("i32", FAPILOG_TYPE_I32, (uint64_t)INT64_C(-2147483648)));
    sample_add(s, number("u32", FAPILOG_TYPE_U32, UINT32_MAX));
    sample_add(s, number("i64", FAPILOG_TYPE_I64, (uint64_t)INT64_MIN));
    sample_add(s, number("u64", FAPILOG_TYPE_U64, UINT64_MAX));
    struct fapilog_field f32 = sample_double("f32", 0.1f);
    f32.type = FAPILOG_TYPE_F32;
    sample_add(s, f32);
    sample_add(s, sample_double("f64", 9.5));
    sample_add(s, sample_string("string", "ACME"));
    sample_add(s, sample_bytes("bytes", FAPILOG_TYPE_BYTES, "\x00\xff\x10", 3));
    sample_add(s, sample_bytes("json", FAPILOG_TYPE_JSON, "{\"b\": [1, 2.50], \"a\": null}", 27));
    sample_add(s, number("errno", FAPILOG_TYPE_ERRNO, 2));
    sample_add(s, number("pointer", FAPILOG_TYPE_POINTER, 0xdeadbeef));
    sample_add(s, sample_bytes("ipv4", FAPILOG_TYPE_IPV4, "\xc0\x00\x02\x01", 4));
    sample_add(s, sample_bytes("ipv6", FAPILOG_TYPE_IPV6, " \x01\r\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16));
    sample_add(s, number("time", FAPILOG_TYPE_TIME, 1795250224123456789));
    sample_add(s, number("duration", FAPILOG_TYPE_DURATION, 1500000));
    sample_add(s, sample_bytes("uuid", FAPILOG_TYPE_UUID, "0123456789abcdef", 16));
    sample_add(s, sample_bytes("stack", FAPILOG_TYPE_STACK, stack, sizeof stack));
    sample_add(s, number("char", FAPILOG_TYPE_CHAR, '"'));
    sample_add(s, sample_bytes("trace", FAPILOG_TYPE_TRACE_ID, "0123456789abcdef", 16));
    sample_add(s, sample_bytes("span", FAPILOG_TYPE_SPAN_ID, "01234567", 8));
    sample_add(s, number("unknown", 200, 1));
}

static void add_layers(struct sample *s)
{
    sample_bind(s, sample_string("who", "logger"));
    sample_bind(s, sample_string("only_logger", "l"));
    sample_bind(s, sample_string("user_id", "logger-user"));
    sample_bind(s, sample_string("tenant_id", "logger-tenant"));
    sample_bind_thread(s, sample_string("who", "context"));
    sample_bind_thread(s, sample_string("only_context", "c"));
    sample_bind_thread(s, sample_string("user_id", "context-user"));
    sample_bind_thread(s, sample_string("request_id", "req-1"));
    sample_add(s, sample_string("who", "first"));
    sample_add(s, sample_string("only_call", "x"));
    sample_add(s, sample_string("who", "call"));
    sample_add(s, sample_string("user_id", "call-user"));
    sample_set_site(s, "layers", false);
}

static char *make_text(struct sample *s, uint32_t len)
{
    CHECK(s->text_used + len <= SAMPLE_TEXT_MAX);
    char *const p = s->text + s->text_used;
    s->text_used += len;
    return p;
}

static const char *made_name(struct sample *s, const char *prefix, unsigned i)
{
    char *const name = make_text(s, 32);
    snprintf(name, 32, "%s%u", prefix, i);
    return name;
}

static void make_hostile(struct sample *s)
{
    const struct fapilog_text bad = {hostile, sizeof hostile - 1};
    s->process.service = s->process.env = s->process.host = s->process.version = bad;
    s->logger.name = bad;
    struct fapilog_field f = sample_string(hostile, hostile);
    sample_bind(s, f);
    f.name = sample_text("\xff");
    sample_bind_thread(s, f);
    f.name = sample_text("\xfe"); /* the same text as \xff, once it is repaired */
    sample_add(s, f);
    f.name = sample_text("");
    sample_add(s, f);
    f.type = FAPILOG_TYPE_JSON;
    f.name = sample_text("json");
    sample_add(s, f);
    sample_add(s, number("char", FAPILOG_TYPE_CHAR, 0xe9));
    sample_set_site(s, hostile, false);
    s->site.file = s->site.function = bad;
}

static void make_huge(struct sample *s)
{
    enum { LEN = 30000 };
    char *const text = make_text(s, LEN);
    for (uint32_t i = 0; i < LEN; i++)
        text[i] = (char)(i % 7 == 0 ? 'x' : i % 3 == 0 ? 0xff : 1);
    sample_add(s, sample_bytes("text", FAPILOG_TYPE_STRING, text, LEN));
    sample_add(s, sample_bytes("bytes", FAPILOG_TYPE_BYTES, text, LEN));
    sample_add(s, sample_bytes("json", FAPILOG_TYPE_JSON, text, LEN));
    char *const brackets = make_text(s, LEN);
    memset(brackets, '[', LEN);
    sample_add(s, sample_bytes("deep", FAPILOG_TYPE_JSON, brackets, LEN));
    char *const list = make_text(s, LEN); /* [[],[],...,1] and nothing shorter grows more */
    for (uint32_t i = 0; i < LEN; i++)
        list[i] = "[],"[(i + 2) % 3];
    list[0] = '[';
    memcpy(list + LEN - 4, "1 ]", 3);
    list[LEN - 1] = ' ';
    sample_add(s, sample_bytes("list", FAPILOG_TYPE_JSON, list, LEN));
    char *const wide = make_text(s, LEN); /* [1e20,1e20,...] */
    for (uint32_t i = 0; i < LEN; i++)
        wide[i] = "1e20,"[i % 5];
    wide[0] = '[';
    wide[1] = '1';
    wide[LEN - 1] = ']';
    sample_add(s, sample_bytes("wide", FAPILOG_TYPE_JSON, wide, LEN));
    s->r.message = (struct fapilog_text){text, LEN};
}

static void make_printf(struct sample *s, bool is_hostile)
{
    sample_add(s, number("", FAPILOG_TYPE_I32, (uint64_t)INT64_C(-42)));
    sample_add(s, sample_string("", "two\nlines \"q\" \xff"));
    sample_add(s, sample_double("", 3.14159));
    sample_add(s, number("", FAPILOG_TYPE_CHAR, 'z'));
    sample_add(s, number("named", FAPILOG_TYPE_U8, 7));
    sample_set_site(s, is_hostile ?
                    "%n%999999999d%.999999999f%*.*s%%%-+ #0123456789.0123456789hhlljztLqd%1$s\n%!%y%" :
                    "n=%05d \"%-20s\" %.2f%% %c|%s", true);
}

static void make_json(struct sample *s)
{
    static const char *const texts[] = {
        "{\"z\":1,\"a\":{\"y\":[true,false,null],\"x\":\"\\u00e9\\ud83c\\udf55\\/\"},\"a\":2}", " [ 1 , 2 ] ",
        "1e2", "-0", "100.0", "1E400", "12345678901234567890123", "\"\\ud800\"", "{\"\\\"\":1,\"\\n\":2,\"!\":3}",
        "", "{", "[1,]", "{\"a\":}", "01", "nul", "\"\n\"", "[1] 2", "\"\xff\"", "'a'", "{a:1}", "NaN", "+1", ".5",};
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        struct fapilog_field f = sample_string(made_name(s, "j", i), texts[i]);
        f.type = FAPILOG_TYPE_JSON;
        sample_add(s, f);
    }
    for (unsigned levels = 65; levels >= 64; levels--) {
        char *const deep = make_text(s, 2 * levels);
        memset(deep, '[', levels);
        memset(deep + levels, ']', levels);
        sample_add(s, sample_bytes(levels == 65 ? "j23" : "j24", FAPILOG_TYPE_JSON, deep, 2 * levels));
    }
}

static bool sample_module(const void *arg, uint64_t address, struct fapilog_text *ret_path, uint64_t *ret_offset)
{
    CHECK(arg == hostile);
    if (address < 0x10000)
        return false;
    *ret_path = address & 1 ? (struct fapilog_text){hostile, sizeof hostile - 1}
                            : sample_text("/usr/lib/x86_64-linux-gnu/libc.so.6");
    *ret_offset = address & 0xffff;
    return true;
}

static void make_stack(struct sample *s)
{
    static const uint64_t stack[] = {0x10, 0x7f1234561000, 0x7f1234561001, UINT64_MAX, 0};
    sample_add(s, sample_bytes("backtrace", FAPILOG_TYPE_STACK, stack, sizeof stack));
    sample_add(s, sample_bytes("empty", FAPILOG_TYPE_STACK, stack, 0));
    sample_add(s, sample_string("after", "the stack"));
    s->r.module_of = sample_module;
    s->r.module_arg = hostile;
    sample_set_site(s, "it broke", false);
}

static void make_many(struct sample *s)
{
    for (unsigned i = 0; i < SAMPLE_FIELDS_MAX_; i++)
        sample_bind(s, sample_int(made_name(s, "bound", i * 7919 % 1000), i));
    for (unsigned i = 0; i < FAPILOG_FIELDS_MAX; i++)
        sample_add(s, sample_int(made_name(s, "call", i), i));
}

static void make_ids(struct sample *s, unsigned kind)
{
    struct fapilog_field trace = sample_bytes("trace_id", FAPILOG_TYPE_TRACE_ID, "0123456789abcdef", 16);
    struct fapilog_field span = sample_bytes("span_id", FAPILOG_TYPE_SPAN_ID, "01234567", 8);
    struct fapilog_field trace_flags = number("trace_flags", FAPILOG_TYPE_U8, kind == SAMPLE_IDS ? 1 : 0);
    if (kind == SAMPLE_IDS_TEXT) {
        trace = sample_string("trace_id", "0AF7651916CD43DD8448EB211C80319C");
        span = sample_string("span_id", "b7ad6b7169203331");
    } else if (kind == SAMPLE_IDS_BAD) {
        trace.v.data = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        span = sample_string("span_id", "not a span id!!!");
        trace_flags = sample_string("trace_flags", "01");
    }
    trace.role = FAPILOG_ROLE_TRACE_ID;
    span.role = FAPILOG_ROLE_SPAN_ID;
    trace_flags.role = FAPILOG_ROLE_TRACE_FLAGS;
    sample_bind_thread(s, trace);
    sample_bind_thread(s, span);
    sample_bind_thread(s, trace_flags);
    sample_add(s, sample_int("n", 1));
    sample_set_site(s, "traced", false);
}

static void make_numbers(struct sample *s)
{
    static const double values[] = {0.0, -0.0, 1.0, -1.0, 100.0, 1e6, 1234567.0, 1e15, 1e16, 1e20, 1e21, 1e-4, 1e-5,
        1e-6, 1e-7, 0.1, 5e-324, 1.7976931348623157e308, 9007199254740991.0, 9007199254740993.0, 123.456,
        NAN, INFINITY, -INFINITY};
    for (unsigned i = 0; i < ARRAY_COUNT(values); i++)
        sample_add(s, sample_double(made_name(s, "d", i), values[i]));
    sample_add(s, sample_int("i64_min", INT64_MIN));
    sample_add(s, sample_int("i64_max", INT64_MAX));
    sample_set_site(s, "numbers", false);
}

static void make_taken(struct sample *s)
{
    static const char *const names[] = {"time", "level", "logger", "message", "msg", "service", "pid", "env", "version",
        "file", "line", "function", "context_lost", "truncated", "fields_cut", "invalid", "time_", "time__",
        "message_id", "data", "context", "log", "schema_version", "timestamp", "fapilog.invalid",
        "fapilog.level", "body", "has space", "a=b", "\"q\"", "", "trace_idx", "xtrace_id"};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++)
        sample_add(s, sample_int(names[i], i));
    sample_set_site(s, "taken", false);
}

static void make_long_bound(struct sample *s)
{
    enum { LEN = 20000 };
    char *const text = make_text(s, LEN);
    memset(text, 'b', LEN);
    sample_bind(s, sample_bytes("bound", FAPILOG_TYPE_STRING, text, LEN));
    sample_add(s, sample_int("n", 1));
    sample_set_site(s, "long", false);
}

static void make_utf16(struct sample *s)
{
    static const char *const names[] = {"\xf0\x9f\x92\x8e", "\xc3\xa4z", "ab", "\xf0\x9f\x8d\x95", "aa",
        "\xee\x80\x80", "\xf0\xa0\x80\x80", "\xef\xbf\xbd", "\xed\x9f\xbf", "a", "\xf4\x8f\xbf\xbf"};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++)
        sample_add(s, sample_int(names[i], i));
    struct fapilog_field f = sample_string("json", "{\"\xee\x80\x80\":1,\"\xf0\xa0\x80\x80\":2,\"aa\":3,"
        "\"\xf0\x9f\x92\x8e\":4,\"\xf0\x9f\x8d\x95\":5,\"\xc3\xa4z\":6,\"ab\":7}");
    f.type = FAPILOG_TYPE_JSON;
    sample_add(s, f);
    sample_set_site(s, "order", false);
}

static void make_simple(struct sample *s)
{
    struct fapilog_field id = sample_int("order_id", 42), quantity = sample_int("qty", 1000);
    id.type = quantity.type = FAPILOG_TYPE_I32;
    sample_add(s, id);
    sample_add(s, quantity);
    sample_add(s, sample_double("price", 9.5));
    sample_set_site(s, "order accepted", false);
}

static void make_fields_max(struct sample *s)
{
    for (unsigned i = 0; i < FAPILOG_FIELDS_MAX; i++)
        sample_add(s, sample_int(made_name(s, "field", (i * 37) % 64), i));
    sample_set_site(s, "many", false);
}

static void make_empty(struct sample *s, bool internal)
{
    s->r.logger = NULL;
    s->r.process = NULL;
    s->r.internal = internal;
    if (internal) {
        s->r.message = sample_text("records dropped");
        s->r.id.lane = UINT32_MAX;
        sample_add(s, number("dropped", FAPILOG_TYPE_U64, 17));
    }
}

static void make_exception(struct sample *s)
{
    static const uint64_t frames[] = {0x7f1234561000, 0x10};
    struct fapilog_field type = {.name = sample_text("error.type"), .type = FAPILOG_TYPE_ERRNO, .v.i64 = 2};
    sample_add(s, type);
    sample_add(s, sample_bytes("error.stack", FAPILOG_TYPE_STACK, frames, sizeof frames));
    sample_add(s, sample_string("path", "/etc/orders.conf"));
    sample_bind_thread(s, sample_string("error.cause", "TimeoutError"));
    s->r.module_of = sample_module;
    s->r.module_arg = hostile;
    sample_set_site(s, "it broke", false);
}

static struct fapilog_field json_field(const char *name, const char *text)
{
    return sample_bytes(name, FAPILOG_TYPE_JSON, text, (uint32_t)strlen(text));
}

static void make_envelope(struct sample *s, bool is_hostile)
{
    if (is_hostile) {
        sample_add(s, json_field("data", "[1,{\"a\":2}"));
        sample_bind(s, json_field("tags", "[1,[\"a\",\"b\\\"\"],{\"k\":null},\"\",true]"));
        sample_bind(s, sample_string("error.stack", "\xff\x1b[2J"));
        sample_add(s, json_field("error.frames", "{\"no\":\"list\"}"));
        sample_add(s, json_field("error.type", "\\"));
        sample_set_site(s, "doubtful", false);
        return;
    }
    sample_bind(s, sample_int("zone", 1));
    sample_bind(s, sample_string("kept", "bound"));
    sample_bind_thread(s, sample_string("shard", "context"));
    sample_add(s, json_field("data", "{\"z\":[1,{}],\"shard\":\"map\",\"n\":\"map\","
                             "\"\\u0001\\\"\":null,\"\\u00e4\":0.50}"));
    sample_add(s, sample_int("n", 7));
    sample_add(s, sample_string("tags", " payment, eu ,,retry"));
    sample_set_site(s, "paid", false);
}

static void fill(struct sample *s, unsigned kind)
{
    switch (kind) {
    case SAMPLE_SIMPLE:     make_simple(s); break;
    case SAMPLE_EMPTY:      make_empty(s, false); break;
    case SAMPLE_TYPES:      add_types(s); break;
    case SAMPLE_TYPES_SITE: add_types(s); sample_set_site(s, "types", false); break;
    case SAMPLE_LAYERS:     add_layers(s); break;
    case SAMPLE_LOST:
        make_simple(s);
        s->context = (struct fapilog_context_info){.epoch = 3, .lost = true};
        s->r.context = &s->context;
        s->r.flags = FAPILOG_FLAG_TRUNCATED;
        break;
    case SAMPLE_FIELDS_MAX: make_fields_max(s); break;
    case SAMPLE_HOSTILE:    make_hostile(s); break;
    case SAMPLE_HUGE:       make_huge(s); break;
    case SAMPLE_PRINTF:     make_printf(s, false); break;
    case SAMPLE_PRINTF_HOSTILE: make_printf(s, true); break;
    case SAMPLE_INTERNAL:   make_empty(s, true); break;
    case SAMPLE_JSON:       make_json(s); break;
    case SAMPLE_STACK:      make_stack(s); break;
    case SAMPLE_AUDIT:
    case SAMPLE_SECURITY:   make_simple(s); break;
    case SAMPLE_TOO_MANY:   make_many(s); break;
    case SAMPLE_IDS:
    case SAMPLE_IDS_TEXT:
    case SAMPLE_IDS_BAD:    make_ids(s, kind); break;
    case SAMPLE_NUMBERS:    make_numbers(s); break;
    case SAMPLE_TAKEN_NAMES: make_taken(s); break;
    case SAMPLE_LONG_BOUND: make_long_bound(s); break;
    case SAMPLE_UTF16:      make_utf16(s); break;
    case SAMPLE_EXCEPTION:  make_exception(s); break;
    default:
        CHECK(kind == SAMPLE_ENVELOPE || kind == SAMPLE_ENVELOPE_HOSTILE);
        make_envelope(s, kind == SAMPLE_ENVELOPE_HOSTILE);
    }
}

struct sample *sample_new(unsigned kind)
{
    struct sample *const s = calloc(1, sizeof *s);
    CHECK(s);
    s->text = malloc(SAMPLE_TEXT_MAX);
    CHECK(s->text);
    s->process = (struct fapilog_process_info){
        .pid = 1234, .service = sample_text("orders"), .host = sample_text("vm1"), .exe = sample_text("/bin/orders"),
        .env = sample_text("prod"), .version = sample_text("1.2")};
    s->logger = (struct fapilog_logger_info){.id = 3, .name = sample_text("orders.matching"), .fields = s->bound};
    s->r = (struct fapilog_record){
        .time_ns = INT64_C(1795250224123456789), .cycles = 99, .tid = 4321, .thread = sample_text("worker 1"),
        .level = kind == SAMPLE_AUDIT ? FAPILOG_LEVEL_AUDIT :
                 kind == SAMPLE_SECURITY ? FAPILOG_LEVEL_SECURITY : FAPILOG_LEVEL_INFO,
        .logger = &s->logger, .process = &s->process, .fields = s->call,
        .id = {.lane = 3, .generation = 1, .position = 4096}};
    memcpy(s->r.id.uuid, "fapilog segment!", 16);
    memcpy(s->process.uuid, s->r.id.uuid, 16);
    s->r.message = sample_text("");
    fill(s, kind);
    return s;
}

void sample_free(struct sample *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        free(s->site.cache[i]);
        free(s->logger.cache[i]);
        free(s->process.cache[i]);
    }
    free(s->text);
    free(s);
}

const char *sample_name(unsigned kind)
{
    static const char *const names[SAMPLE_COUNT] = {
        "simple", "empty", "types", "types_site", "layers", "lost", "fields_max", "hostile", "huge", "printf",
        "printf_hostile", "internal", "json", "stack", "audit", "security", "too_many", "ids", "ids_text", "ids_bad",
        "numbers", "taken_names", "long_bound", "utf16",
        "exception", "envelope", "envelope_hostile"};
    CHECK(kind < SAMPLE_COUNT);
    return names[kind];
}
