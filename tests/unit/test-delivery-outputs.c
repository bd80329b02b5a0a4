#include "collector/delivery/outputs.h"
#include "tests/common/record_sample.h"
#include "tests/common/sink_new.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NAMES = 5, FORMATS = 2 * NAMES }; /* each with and without source: more than there are slots */

static const char *const names[NAMES] = { "json", "logfmt", "fapilog", "dagstack", "otlp-json" };
static const struct outputs_rules no_rules;

static struct sink *sink_of(uint32_t format)
{
    char uri[128];
    struct err e = { 0 };
    struct sink *s;
    (void)snprintf(uri, sizeof uri, "file:///tmp/never%u.log?format=%s&source=%s", format, names[format % NAMES],
                   format < NAMES ? "false" : "true");
    assert_int_equal(sink_new(uri, "test", &s, &e), 0);
    s->common.name = strdup(uri);
    assert_non_null(s->common.name);
    return s;
}

static int64_t no_time(void) { return 0; }

static void write_with(struct format *f, const struct sample *s, char *out, size_t size)
{
    assert_true(f->ops->bound(f, &s->r) < size);
    *f->ops->write(f, &s->r, out) = '\0';
}

/* The second time by the plan that the call site has got the first time. */
static void check_writes(struct format *f, const struct sample *s)
{
    static char text[1 << 16], want[1 << 16];
    struct err e = { 0 };
    struct format *own;
    assert_int_equal(format_open(f->ops->name, &f->cfg, FORMAT_OUTPUT_SLOTS, &own, &e), 0);
    own->variant = format_variant_new();
    write_with(own, s, want, sizeof want);
    format_close(own);
    for (unsigned i = 0; i < 2; i++) {
        write_with(f, s, text, sizeof text);
        assert_string_equal(text, want);
    }
}

static void sinks_of_any_number_of_formats_may_come_and_go_one_after_the_other(void **state)
{
    (void)state;
    struct outputs now = { .count = 0 };
    struct sample *sample = sample_new(SAMPLE_SIMPLE);
    struct sink *stays = sink_of(0);
    for (uint32_t i = 0; i < 3 * FORMATS; i++) {
        struct outputs next;
        uint32_t output[2];
        struct err e = { 0 };
        struct sink *s = sink_of(i % FORMATS);
        assert_int_equal(outputs_init(&next, &now, (struct sink *[]){ stays, s }, 2, &no_rules, output, &e), 0);
        outputs_drop(&now, &next);
        now = next;
        check_writes(s->format, sample);
        check_writes(stays->format, sample);
        sink_free(s);
    }
    outputs_done(&now);
    sink_free(stays);
    sample_free(sample);
}

/* What was not taken over leaves no trace. */
static void more_formats_at_once_than_there_are_slots_are_refused_and_those_before_stay(void **state)
{
    (void)state;
    struct outputs before, next;
    struct sample *sample = sample_new(SAMPLE_SIMPLE);
    struct sink *s[FORMATS], *again = sink_of(1);
    uint32_t output[FORMATS];
    struct err e = { 0 };
    for (uint32_t i = 0; i < FORMATS; i++)
        s[i] = sink_of(i);
    assert_int_equal(outputs_init(&before, NULL, s, FORMAT_OUTPUT_SLOTS, &no_rules, output, &e), 0);
    assert_int_equal(outputs_init(&next, &before, s, FORMATS, &no_rules, output, &e), -E2BIG);
    outputs_drop(&next, &before);
    assert_int_equal(outputs_init(&next, &before, (struct sink *[]){ s[FORMATS - 1], again }, 2, &no_rules, output, &e),
                     0); /* in the slot of another, and then something else fails */
    assert_ptr_equal(again->format, s[1]->format);
    outputs_drop(&next, &before);
    for (uint32_t i = 0; i < FORMAT_OUTPUT_SLOTS; i++)
        check_writes(s[i]->format, sample);
    outputs_done(&before);
    for (uint32_t i = 0; i < FORMATS; i++)
        sink_free(s[i]);
    sink_free(again);
    sample_free(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sinks_of_any_number_of_formats_may_come_and_go_one_after_the_other),
        cmocka_unit_test(more_formats_at_once_than_there_are_slots_are_refused_and_those_before_stay),
    };
    format_observed_clock = no_time;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
