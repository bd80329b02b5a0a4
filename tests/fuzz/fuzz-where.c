/* Any text at all as an expression, and any record for it: no crash, no access outside, and the same answer twice,
 * with what was remembered of the call site and without. */
#include "collector/format/printf_text.h"
#include "lib/base/check.h"
#include "lib/where/where.h"
#include "tests/fuzz/fuzz_record.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 256, ROUNDS = 20000 };

/* An expression whose terms the input chooses: raw bytes seldom are one. */
static size_t make_text(struct fuzz_input *in, char *ret)
{
    static const char *const keys[] = {"a", "b", "level", "message", "logger", "service", "time", "pid", "trace_id",
                                       "fields.a", "''", "fields.level", "user_id", "thread"};
    static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">=", "~", "="};
    static const char *const values[] = {"1", "-1", "1e300", "nan", "9223372036854775807", "9223372036854775808",
                                         "ERROR", "true", "null", "a", "*a*", "?", "''", "-5m", "10ms",
                                         "2026-01-01", "0x10"};
    const unsigned terms = 1 + fuzz_byte(in) % 4;
    size_t n = 0;
    for (unsigned i = 0; i < terms; i++) {
        const uint8_t bits = fuzz_byte(in);
        n += (size_t)snprintf(ret + n, TEXT_MAX - n, "%s%s%s", i == 0 ? "" : bits & 1 ? " && " : " || ",
                              bits & 2 ? "!" : "", keys[fuzz_byte(in) % ARRAY_COUNT(keys)]);
        if (bits & 4)
            continue;
        n += (size_t)snprintf(ret + n, TEXT_MAX - n, " %s %s", ops[fuzz_byte(in) % ARRAY_COUNT(ops)],
                              values[fuzz_byte(in) % ARRAY_COUNT(values)]);
    }
    return n;
}

static size_t take_raw(struct fuzz_input *in, char *ret)
{
    const struct fapilog_text t = fuzz_text(in, TEXT_MAX);
    memcpy(ret, t.data, t.len);
    return t.len;
}

static bool parse(const char *text, struct where **ret)
{
    struct err e = {0};
    const int r = where_parse(text, INT64_C(1790000000000000000), ret, &e);
    CHECK(r == 0 || e.text[0]);
    return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + (size < FUZZ_INPUT_MAX ? size : FUZZ_INPUT_MAX)};
    static struct fuzz_record f;
    struct where *w = NULL, *again = NULL;
    char text[TEXT_MAX + 1];
    const size_t len = fuzz_byte(&in) % 4 == 0 ? take_raw(&in, text) : make_text(&in, text);
    text[len] = '\0';
    where_message_text = printf_text_make;
    if (!parse(text, &w))
        return 0;
    fuzz_record_take(&in, &f);
    const bool first = where_matches(w, &f.r);
    CHECK(where_matches(w, &f.r) == first);
    f.r.site = NULL; /* nothing is remembered then; without a site a format string is a message */
    if (!f.site.is_printf && !strstr(text, "file") && !strstr(text, "line") && !strstr(text, "function")) {
        CHECK(parse(text, &again));
        CHECK(where_matches(again, &f.r) == first);
    }
    where_free(again);
    where_free(w);
    fuzz_record_done(&f);
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
int main(int argc, char **argv)
{
    return fuzz_main(argc, argv,
                     "abc a == 1 && b || !(c ~ \"x*?\") level >= INFO message < 2.5e3 != time > -5m fields.a ' "
                     "\xc3\xa4", ROUNDS);
}
#endif
