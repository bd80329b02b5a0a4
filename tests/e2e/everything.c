/* everything - logs a field of every type and a record of every shape, with the values that
 * test-formats.py expects. Waits for the end of standard input, so that its ring stays.
 *
 *   everything [RINGS [LEVELS]]    LEVELS: so many times each level, and no record that has addresses of code */
#include <fapilog/fapilog.h>

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t id[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80,
                               0x31, 0x9c};
static const uint8_t ipv4[4] = {192, 0, 2, 1};
static const uint8_t ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

static void log_types(fapilog_t *log)
{
    FAPILOG_INFO(log, "integers", FL_BOOL("yes", 7), FL_BOOL("no", 0), FL("i8", (int8_t)INT8_MIN),
                 FL("u8", (uint8_t)UINT8_MAX), FL("i16", (int16_t)INT16_MIN), FL("u16", (uint16_t)UINT16_MAX),
                 FL("i32", INT32_MIN), FL("u32", UINT32_MAX), FL("i64", INT64_MIN), FL("u64", UINT64_MAX),
                 FL("i64_max", INT64_MAX), FL_CHAR("char", 'x'));
    FAPILOG_INFO(log, "reals", FL("f32", 0.1f), FL("f64", 0.1), FL("whole", 100.0), FL("tiny", 5e-324),
                 FL("huge", 1.7976931348623157e308), FL("nan", (double)NAN), FL("inf", (double)INFINITY),
                 FL("minus", -0.5), FL("long_double", 0.25L));
    FAPILOG_INFO(log, "texts", FL("string", "t\xc3\xa4 \"quoted\"\n"), FL("nothing", (const char *)NULL),
                 FL("empty", ""), FL_STRN("part", "abcdef", 3), FL_BYTES("bytes", "\0\xff\x10", 3),
                 FL_JSON("json", "{\"b\":[1,2.5,null,true],\"a\":{\"k\":\"v\"}}"), FL_SECRET("secret", "hunter2"));
    FAPILOG_INFO(log, "others", FL_ERRNO("errno", ENOENT), FL_PTR("pointer", (void *)0x7f00deadbeef),
                 FL_IPV4("ipv4", ipv4), FL_IPV6("ipv6", ipv6), FL_TIME("when", INT64_C(1795250224123456789)),
                 FL_DURATION("duration", 1500000), FL_UUID("uuid", id));
}

static void log_levels(fapilog_t *log)
{
    FAPILOG_TRACE(log, "level");
    FAPILOG_DEBUG(log, "level");
    FAPILOG_INFO(log, "level");
    FAPILOG_WARNING(log, "level");
    FAPILOG_ERROR(log, "level");
    FAPILOG_CRITICAL(log, "level");
    FAPILOG_AUDIT(log, "level");
    FAPILOG_SECURITY(log, "level");
}

static void log_context(fapilog_t *log)
{
    FAPILOG_SCOPE(FL_TRACE_ID(id), FL_SPAN_ID(id), FL_REQUEST_ID("r-1"), FL_USER_ID("u-1"), FL_TENANT_ID("t-1"),
                  FL("shard", 3), FL("who", "context"));
    FAPILOG_INFO(log, "context", FL("own", 1));
    fapilog_t *child = fapilog_with(fapilog_logger(log, "matching"),
                                    FAPILOG_FIELDS(FL("venue", "XETRA"), FL("who", "l")));
    FAPILOG_INFO(child, "layers", FL("who", "call"));
}

static void log_shapes(fapilog_t *log, bool has_stack)
{
    static char text[40001];
    static char names[FAPILOG_FIELDS_MAX][8];
    struct fapilog_field fields[FAPILOG_FIELDS_MAX];

    FAPILOG_INFO(log, "no fields");
    FAPILOG_INFOF(log, "%s costs %.2f, %5d|%-5u|%#x %c%% %.*s", "it", 9.5, -42, 7u, 255, 'c', 2, "abcd");
    memset(text, 'L', sizeof text - 1);
    FAPILOG_INFO(log, "larger than a block", FL("text", text));
    FAPILOG_INFO(log, "not utf-8", FL("bad", "a\xff" "b\xe2\x82"));
    for (uint32_t i = 0; i < FAPILOG_FIELDS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "f%u", i);
        fields[i] = (struct fapilog_field){
            .name = {names[i], (uint32_t)strlen(names[i])}, .type = FAPILOG_TYPE_U32, .v.u64 = i * i};
    }
    (void)fapilog_log(log, FAPILOG_LEVEL_INFO, "m\xc3\xbcnd", 5, fields, FAPILOG_FIELDS_MAX);
    (void)fapilog_log_at(log, FAPILOG_LEVEL_INFO, "of a place", 10, FAPILOG_FIELDS(FL("n", 1)), FAPILOG_HERE);
    if (has_stack)
        FAPILOG_ERROR(log, "stack", FL_STACK("stack"));
}

int main(int argc, char **argv)
{
    const struct fapilog_options options = {.size = sizeof options, .ring_dir = argc > 1 ? argv[1] : NULL,
                                            .level = FAPILOG_LEVEL_TRACE, .env = "test", .version = "1.2.3"};
    fapilog_t *log = fapilog_open("everything", &options);
    log_types(log);
    log_levels(log);
    log_context(log);
    log_shapes(log, argc < 3);
    for (long i = 0; argc > 2 && i < strtol(argv[2], NULL, 10); i++)
        log_levels(log);
    (void)puts("written");
    (void)fflush(stdout);
    (void)getchar();
    fapilog_close(log);
    return 0;
}
