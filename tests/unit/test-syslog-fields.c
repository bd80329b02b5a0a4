/* What fields and notes look like in a syslog message, and what they are called. */
#include "lib/base/check.h"
#include "tests/common/remote_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct remote_run run;

static void open_sink(const char *uri)
{
    struct err e = { 0 };
    if (remote_run_open(&run, uri, &e) < 0)
        fail_msg("%s: %s", uri, e.text);
}

static void text_of(const struct entry_head *h, char *ret, size_t size)
{
    assert_true(h->payload_len < size);
    memcpy(ret, entry_payload(h), h->payload_len);
    ret[h->payload_len] = '\0';
}

/* Everything behind `from`, of one record; the same by a plan and without one. */
static void check_ends(struct sample *s, const char *from, const char *want)
{
    char text[8193];
    for (unsigned i = 0; i < 3; i++) {
        s->r.internal = i == 2;
        struct entry_head *h = remote_run_encode(&run, &s->r);
        text_of(h, text, sizeof text);
        const char *at = strstr(text, from);
        assert_non_null(at);
        assert_string_equal(at, want);
        free(h);
    }
}

static struct sample *sample_of(const char *const *names, unsigned count)
{
    struct sample *s = sample_new(SAMPLE_SIMPLE);
    s->r.fields_count = 0;
    for (unsigned i = 0; i < count; i++)
        sample_add(s, sample_int(names[i], i));
    sample_set_site(s, "m", false);
    return s;
}

static void a_field_has_no_name_of_ours(void **state)
{
    (void)state;
    static const char *const names[] = { "record", "record_", "level", "fields_cut", "fields cut", "invalid",
                                         "truncated", "context_lost", "order" };
    struct sample *s = sample_of(names, ARRAY_COUNT(names));
    open_sink("syslog+tcp://127.0.0.1:1");
    check_ends(s, " level=\"INFO", " level=\"INFO\" record_=\"0\" record__=\"1\" level_=\"2\" fields_cut_=\"3\" "
               "fields_cut__2=\"4\" invalid_=\"5\" truncated_=\"6\" context_lost_=\"7\" order=\"8\"] m");
    remote_run_close(&run);
    open_sink("syslog+unix:///dev/log?protocol=rfc3164"); /* has neither a record nor a level of its own */
    check_ends(s, ": m ", ": m record=0 record_=1 level=2 fields_cut_=3 fields_cut__2=4 invalid_=5 truncated_=6 "
               "context_lost_=7 order=8");
    remote_run_close(&run);
    sample_free(s);
}

#define LETTERS_30 "abcdefghijklmnopqrstuvwxyzabcd"

static void no_two_fields_have_one_name(void **state)
{
    (void)state;
    static const char *const names[] = { LETTERS_30 "efg", LETTERS_30 "efh", LETTERS_30 "ef", "a b", "a=b", "a_b",
                                         "\xc3\xa4", "\xc3\xb6", "a_b_4" };
    struct sample *s = sample_of(names, ARRAY_COUNT(names));
    open_sink("syslog+tcp://127.0.0.1:1");
    check_ends(s, " level=\"INFO", " level=\"INFO\" " LETTERS_30 "ef=\"0\" " LETTERS_30 "_2=\"1\" " LETTERS_30 "_3="
               "\"2\" a_b=\"3\" a_b_4=\"4\" a_b_5=\"5\" __=\"6\" ___6=\"7\" a_b_4_7=\"8\"] m");
    remote_run_close(&run);
    sample_free(s);
}

static void notes_on_the_record_stand_behind_its_fields(void **state)
{
    (void)state;
    struct sample *lost = sample_new(SAMPLE_LOST), *odd = sample_of(NULL, 0);
    sample_add(odd, sample_string("text", "\xff"));
    sample_add(odd, sample_bytes("json", FAPILOG_TYPE_JSON, "{", 1));
    sample_set_site(odd, "m", false);
    open_sink("syslog+tcp://127.0.0.1:1");
    check_ends(lost, " context_lost", " context_lost=\"true\" truncated=\"true\"] order accepted");
    check_ends(odd, " text=", " text=\"\xef\xbf\xbd\" json=\"\\\"{\\\"\" invalid=\"json,utf8\"] m");
    remote_run_close(&run);
    open_sink("syslog+unix:///dev/log?protocol=rfc3164");
    check_ends(lost, " context_lost", " context_lost=true truncated=true");
    check_ends(odd, " text=", " text=\"\xef\xbf\xbd\" json=\"{\" invalid=json,utf8");
    remote_run_close(&run);
    sample_free(lost);
    sample_free(odd);
}

static void rfc_3164_has_the_ids_with_a_role_as_well(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_LAYERS);
    open_sink("syslog+unix:///dev/log?protocol=rfc3164");
    check_ends(s, ": layers ", ": layers request_id=req-1 user_id=call-user tenant_id=logger-tenant only_call=x "
               "who=call only_context=c only_logger=l");
    remote_run_close(&run);
    sample_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_3164_has_the_ids_with_a_role_as_well),
        cmocka_unit_test(a_field_has_no_name_of_ours),
        cmocka_unit_test(no_two_fields_have_one_name),
        cmocka_unit_test(notes_on_the_record_stand_behind_its_fields),
    };
    return cmocka_run_group_tests_name("syslog-fields", tests, NULL, NULL);
}
