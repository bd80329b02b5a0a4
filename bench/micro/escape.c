/* Text into JSON: clean ASCII, text with a quote in every 16 bytes, a line of JSON, two-byte UTF-8. */
#include <stdlib.h>
#include <string.h>

#include "bench/micro/micro.h"
#include "lib/base/json_escape.h"

static void escape(struct gb_state *s, json_escape_fn *fn, const char *pattern)
{
    const size_t len = (size_t)gb_range(s), pattern_len = strlen(pattern);
    char *src = malloc(len), *out = malloc(len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK);
    unsigned flags = 0;
    if (!src || !out || !fn) {
        gb_skip(s, fn ? "out of memory" : "not with this CPU");
    } else {
        for (size_t i = 0; i < len; i++)
            src[i] = pattern[i % pattern_len];
        micro_loop(s)
            gb_keep(fn(src, len, out, &flags));
        gb_set_bytes(s, gb_iterations(s) * (int64_t)len);
    }
    free(src);
    free(out);
}

static void bench_clean(struct gb_state *s)
{
    escape(s, json_escape, "order accepted; ");
}

static void bench_clean_portable(struct gb_state *s)
{
    escape(s, json_escape_variant(JSON_ESCAPE_PORTABLE), "order accepted; ");
}

static void bench_quotes(struct gb_state *s)
{
    escape(s, json_escape, "order \"accepted ");
}

static void bench_json(struct gb_state *s)
{
    escape(s, json_escape, "{\"data\":{\"b\":7,\"n\":1},\"level\":\"INFO\"},");
}

static void bench_json_baseline(struct gb_state *s)
{
    escape(s, json_escape_variant(JSON_ESCAPE_BASELINE), "{\"data\":{\"b\":7,\"n\":1},\"level\":\"INFO\"},");
}

static void bench_json_ssse3(struct gb_state *s)
{
    escape(s, json_escape_variant(JSON_ESCAPE_SSSE3), "{\"data\":{\"b\":7,\"n\":1},\"level\":\"INFO\"},");
}

static void bench_utf8(struct gb_state *s)
{
    escape(s, json_escape, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f");
}

void micro_escape(void)
{
    gb_register_range("escape/clean", bench_clean, 16, 4096);
    gb_register_range("escape/clean_portable", bench_clean_portable, 16, 4096);
    gb_register_range("escape/quotes", bench_quotes, 16, 4096);
    gb_register_range("escape/json", bench_json, 16, 4096);
    gb_register_range("escape/json_baseline", bench_json_baseline, 16, 4096);
    gb_register_range("escape/json_ssse3", bench_json_ssse3, 16, 4096);
    gb_register_range("escape/utf8", bench_utf8, 16, 4096);
}
