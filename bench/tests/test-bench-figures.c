/* What turns samples and files into figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bench/harness/json.h"
#include "bench/harness/latency.h"
#include "bench/harness/outputs.h"
#include "bench/harness/peer.h"
#include "bench/harness/stats.h"

static void a_quantile_is_the_nearest_rank(void **state)
{
    uint32_t samples[1000];
    for (uint32_t i = 0; i < 1000; i++)
        samples[i] = 1000 - i;
    stats_sort(samples, 1000);
    assert_int_equal(stats_quantile(samples, 1000, 0), 1);
    assert_int_equal(stats_quantile(samples, 1000, 0.5), 500);
    assert_int_equal(stats_quantile(samples, 1000, 0.99), 990);
    assert_int_equal(stats_quantile(samples, 1000, 0.999), 999);
    assert_int_equal(stats_quantile(samples, 1000, 1), 1000);
    assert_int_equal(stats_quantile(samples, 1, 0.5), 1);
    assert_true(stats_mean(samples, 1000) == 500.5);
}

static void a_batch_is_divided_by_its_calls(void **state)
{
    struct run_shared *s = calloc(1, sizeof *s + 100 * sizeof(uint32_t));
    struct latency l = {0};
    assert_non_null(s);
    s->mode = MODE_BATCH;
    s->batches = 50;
    s->batch_calls = 20;
    s->threads = 2;
    s->processes = 1;
    for (uint32_t i = 0; i < 100; i++)
        s->samples[i] = 4000;
    s->samples[17] = 80000;
    latency_compute(s, 0.5, &l);
    assert_int_equal(l.samples, 100);
    assert_true(l.p50 == 100);
    assert_true(l.p99 == 100);
    assert_true(l.max == 2000);
    assert_true(l.mean > 118.9 && l.mean < 119.1);
    assert_int_equal(l.curve_count, 17); /* 1 - q = 1 ... 0.01, eight a decade */
    free(s);
}

static void modes_without_samples_have_no_latency(void **state)
{
    struct run_shared s = {.mode = MODE_SUSTAINED, .batches = 50, .threads = 1, .processes = 1};
    struct latency l = {0};
    latency_compute(&s, 1, &l);
    assert_int_equal(l.samples, 0);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void whole_lines_with_the_marker_count_in_all_files(void **state)
{
    char dir[] = "/tmp/test-bench-XXXXXX", sub[64];
    struct err e;
    assert_non_null(mkdtemp(dir));
    snprintf(sub, sizeof sub, "%s/sub", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_text(dir, "a", BENCH_MARKER " a=1\nother\nx " BENCH_MARKER " " BENCH_MARKER "\n");
    write_text(sub, "b", BENCH_MARKER "\n" BENCH_MARKER " torn");
    write_text(sub, "empty", "");
    assert_int_equal(outputs_count(dir, BENCH_MARKER, &e), 3);
    assert_int_equal(outputs_bytes(dir, &e),
                     (int)strlen(" a=1\nother\nx  \n\n torn") + 5 * (int)strlen(BENCH_MARKER));
    assert_int_equal(outputs_sync(dir, &e), 0);
    assert_int_equal(outputs_remove(dir, &e), 0);
    assert_true(outputs_count(dir, BENCH_MARKER, &e) < 0);
    assert_int_equal(outputs_remove(dir, &e), 0);
}

static void json_members_are_separated_and_text_is_escaped(void **state)
{
    struct json j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "a\"b", "c\\\n");
    json_open(&j, "list", '[');
    json_int(&j, NULL, -3);
    json_num(&j, NULL, 0.5);
    json_num(&j, NULL, 1.0 / 0.0);
    json_close(&j, ']');
    json_open(&j, "empty", '{');
    json_close(&j, '}');
    json_close(&j, '}');
    assert_int_equal(j.failed, 0);
    assert_string_equal(buf_cstr(&j.out),
                        "{\"a\\\"b\": \"c\\\\\\u000a\", \"list\": [-3, 0.5, null], \"empty\": {}}");
    buf_done(&j.out);
}

static void an_unknown_peer_is_refused_with_a_reason(void **state)
{
    struct err e = {0};
    assert_null(peer_find("no-such-peer", &e));
    assert_non_null(strstr(e.text, "no-such-peer"));
    assert_non_null(peer_find("stdio", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_is_the_nearest_rank),
        cmocka_unit_test(a_batch_is_divided_by_its_calls),
        cmocka_unit_test(modes_without_samples_have_no_latency),
        cmocka_unit_test(whole_lines_with_the_marker_count_in_all_files),
        cmocka_unit_test(json_members_are_separated_and_text_is_escaped),
        cmocka_unit_test(an_unknown_peer_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
