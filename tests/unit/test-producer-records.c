/* What a log call leaves in the ring, byte for byte. */
#include <fapilog/fapilog.h>

#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

enum { RECORDS_MAX = 4096 };

struct seen {
    unsigned count;
    struct walk_record record[RECORDS_MAX];
};

static void note(void *arg, const struct walk_record *r)
{
    struct seen *seen = arg;
    assert_true(seen->count < RECORDS_MAX);
    seen->record[seen->count] = *r;
    if (seen->record[seen->count].args_len < 4096) { /* chains are freed after the call */
        uint8_t *copy = malloc(r->args_len ? r->args_len : 1);
        memcpy(copy, r->args, r->args_len);
        seen->record[seen->count].args = copy;
    }
    seen->count++;
}

static struct seen seen;

static struct walk_totals walk_one(struct scenario *s)
{
    struct walk_totals t;
    assert_int_equal(s->segs, 1);
    memset(&seen, 0, sizeof seen);
    if (!walk_run(&s->seg[0], note, &seen, &t))
        fail_msg("%s", s->seg[0].error);
    return t;
}

static int teardown(void **state)
{
    for (unsigned i = 0; i < seen.count; i++)
        if (seen.record[i].args_len < 4096)
            free((void *)(uintptr_t)seen.record[i].args);
    seen.count = 0;
    return scenario_teardown(state);
}

static const char *field_name(const struct walk_record *r, unsigned i)
{
    const char *text = r->message;
    text += r->site->message_len + r->site->file_len + r->site->function_len + 3;
    while (i--)
        text += strlen(text) + 1;
    return text;
}

static uint8_t field_type(const struct walk_record *r, unsigned i)
{
    return ((const uint8_t *)(r->site + 1))[2 * i];
}

/* ---- one record -------------------------------------------------------------------------------------- */

static void log_numbers(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "numbers", FL("i", 0x11223344), FL("j", -2), FL("d", 0.5));
    fapilog_close(log);
}

static void int_int_double_is_one_record_of_32_bytes(void **state)
{
    scenario_run(*state, log_numbers, NULL);
    const struct walk_totals t = walk_one(*state);
    assert_int_equal(t.events, 1);
    const struct walk_record *r = &seen.record[0];
    static const uint8_t want[16] = {0x44, 0x33, 0x22, 0x11, 0xfe, 0xff, 0xff, 0xff,
                                     0, 0, 0, 0, 0, 0, 0xe0, 0x3f};
    assert_int_equal(r->args_len, sizeof want);
    assert_memory_equal(r->args, want, sizeof want);
    assert_int_equal(r->flags, 0);
    assert_int_equal(r->level, FAPILOG_LEVEL_INFO);
    assert_int_equal(r->site->level, FAPILOG_LEVEL_INFO);
    assert_string_equal(r->message, "numbers");
    assert_string_equal(r->message + r->message_len + 1, __FILE__);
    assert_string_equal(r->message + r->message_len + r->site->file_len + 2, "log_numbers");
    assert_string_equal(field_name(r, 2), "d");
    assert_int_equal(field_type(r, 0), FAPILOG_TYPE_I32);
    assert_int_equal(field_type(r, 2), FAPILOG_TYPE_F64);
    const struct walk *w = &((struct scenario *)*state)->seg[0];
    assert_string_equal(w->sb->service, "svc");
    assert_int_equal(w->sb->state, FAPILOG_STATE_CLEAN);
    assert_in_range(w->sb->t0_real_ns, UINT64_C(1600000000000000000), UINT64_C(4000000000000000000));
}

static const uint8_t sixteen[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void log_all_types(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    const char *const null = NULL;
    const struct { unsigned narrow : 3; } bits = {5};
    enum colour { RED, GREEN } colour = GREEN;
    FAPILOG_INFO(log, "all", FL("bool", (bool)1), FL("char", (char)'c'), FL("i8", (signed char)-1),
                 FL("u8", (unsigned char)255), FL("i16", (short)-2), FL("u16", (unsigned short)2),
                 FL("i32", -3), FL("u32", 3u), FL("i64", -4L), FL("u64", 4UL), FL("ll", -5LL), FL("ull", 5ULL),
                 FL("f32", 1.5f), FL("f64", 2.5), FL("f80", 3.5L), FL("text", "abc"), FL("null", null),
                 FL_BYTES("bytes", sixteen, 3), FL_JSON("json", "{}"), FL_ERRNO("errno", -ENOENT),
                 FL_PTR("ptr", (void *)(uintptr_t)0x1234), FL_IPV4("v4", sixteen), FL_IPV6("v6", sixteen),
                 FL_TIME("time", 7), FL_DURATION("took", 8), FL_UUID("uuid", sixteen), FL_STACK("stack"),
                 FL_TRACE_ID(sixteen), FL_SPAN_ID(sixteen), FL_SECRET("secret", "hunter2"),
                 FL_STRN("strn", "abcdef", 2), FL("bits", (unsigned)bits.narrow), FL("enum", colour),
                 FL_BOOL("b", 7), FL_CHAR("ch", 'x'), FL("void", (void *)(uintptr_t)9));
    fapilog_close(log);
}

static void every_type_is_stored_at_its_size_and_alignment(void **state)
{
    static const uint8_t want[] = {
        FAPILOG_TYPE_BOOL, FAPILOG_TYPE_CHAR, FAPILOG_TYPE_I8, FAPILOG_TYPE_U8, FAPILOG_TYPE_I16,
        FAPILOG_TYPE_U16, FAPILOG_TYPE_I32, FAPILOG_TYPE_U32, FAPILOG_TYPE_I64, FAPILOG_TYPE_U64,
        FAPILOG_TYPE_I64, FAPILOG_TYPE_U64, FAPILOG_TYPE_F32, FAPILOG_TYPE_F64, FAPILOG_TYPE_F64,
        FAPILOG_TYPE_STRING, FAPILOG_TYPE_STRING, FAPILOG_TYPE_BYTES, FAPILOG_TYPE_JSON, FAPILOG_TYPE_ERRNO,
        FAPILOG_TYPE_POINTER, FAPILOG_TYPE_IPV4, FAPILOG_TYPE_IPV6, FAPILOG_TYPE_TIME, FAPILOG_TYPE_DURATION,
        FAPILOG_TYPE_UUID, FAPILOG_TYPE_STACK, FAPILOG_TYPE_TRACE_ID, FAPILOG_TYPE_SPAN_ID,
        FAPILOG_TYPE_STRING, FAPILOG_TYPE_STRING, FAPILOG_TYPE_U32, FAPILOG_TYPE_U32, FAPILOG_TYPE_BOOL,
        FAPILOG_TYPE_CHAR, FAPILOG_TYPE_POINTER};
    scenario_run(*state, log_all_types, NULL);
    (void)walk_one(*state);
    const struct walk_record *r = &seen.record[0];
    assert_int_equal(r->fields_count, sizeof want);
    for (unsigned i = 0; i < sizeof want; i++)
        assert_int_equal(field_type(r, i), want[i]);
    static const uint8_t head[] = {1, 'c', 0xff, 0xff, 0xfe, 0xff, 2, 0, 0xfd, 0xff, 0xff, 0xff, 3, 0, 0, 0};
    assert_memory_equal(r->args, head, sizeof head);
    const uint8_t *text = r->args + 16 + 4 * 8 + 8 + 2 * 8; /* i64 u64 ll ull, f32 + padding, f64 f80 */
    assert_memory_equal(text, "\3\0\0\0abc\0\6\0\0\0(null)\0\0\3\0\0\0\1\2\3\0\2\0\0\0{}", 34);
    assert_null(memmem(r->args, r->args_len, "hunter2", 7));
    assert_non_null(memmem(r->args, r->args_len, "\3\0\0\0***\0\2\0\0\0ab", 14));
}

static int calls;

static int counted(void)
{
    return ++calls;
}

static const char hidden[] = "hunter2-of-the-producer";

static void log_sensitive(void *arg)
{
    char secret[sizeof hidden];
    memcpy(secret, hidden, sizeof hidden);
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "macros", FL_SENSITIVE("a", secret), FL_PII("b", secret), FL_SECRET("c", secret));
    struct fapilog_scope scope = fapilog_context_push(FAPILOG_FIELDS(FL_PII("bound", secret)));
    FAPILOG_INFO(fapilog_with(log, FAPILOG_FIELDS(FL_SENSITIVE("kept", secret))), "context and logger");
    fapilog_context_pop(&scope);
    const struct fapilog_field list[] = {fapilog_sensitive("d")};
    if (fapilog_log(log, FAPILOG_LEVEL_INFO, "list", 4, list, 1) != 0)
        _exit(1);
    FAPILOG_INFO(log, "seen", FL("open", "value-in-the-open"));
    fapilog_close(log);
}

/* E-11: the mask is put on by the calling thread, before the ring. */
static void sensitive_values_never_reach_shared_memory(void **state)
{
    scenario_run(*state, log_sensitive, NULL);
    const struct walk_totals t = walk_one(*state);
    assert_int_equal(t.events, 4);
    const struct walk *w = &((struct scenario *)*state)->seg[0];
    assert_non_null(memmem(w->base, w->bytes, "value-in-the-open", 17));
    assert_null(memmem(w->base, w->bytes, hidden, sizeof hidden - 1));
    assert_non_null(memmem(w->base, w->bytes, "***", 3));
}


static void log_by_level(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_TRACE(log, "no", FL("n", counted()));
    FAPILOG_DEBUG(log, "no", FL("n", counted()));
    FAPILOG_INFO(log, "INFO", FL("n", counted()), FL("m", counted()));
    FAPILOG_WARNING(log, "WARNING");
    FAPILOG_ERROR(log, "ERROR");
    FAPILOG_CRITICAL(log, "CRITICAL");
    FAPILOG_AUDIT(log, "AUDIT");
    FAPILOG_SECURITY(log, "SECURITY", FL_SECRET("s", counted()));
    for (int level = 8; level <= 10; level++)
        FAPILOG_LOG(log, level, "LOG");
    FAPILOG_DEBUGF(log, "no %d", counted());
    if (calls != 3 || fapilog_enabled(log, FAPILOG_LEVEL_DEBUG) || !fapilog_enabled(log, FAPILOG_LEVEL_INFO))
        _exit(1);
    fapilog_close(log);
}

static void values_are_evaluated_once_and_only_when_the_level_passes(void **state)
{
    static const uint8_t levels[] = {9, 13, 17, 21, 25, 28, 9, 10};
    scenario_run(*state, log_by_level, NULL);
    assert_int_equal(walk_one(*state).events, sizeof levels);
    for (unsigned i = 0; i < sizeof levels; i++)
        assert_int_equal(seen.record[i].level, levels[i]);
    assert_int_equal(seen.record[6].site->level, 0);
}

/* The levels of records are 1..30: 31 is a threshold that lets nothing pass, and the field for them ends there. */
static void log_at_the_edges(void *arg)
{
    static const uint32_t tried[] = {0, 1, 30, 31, 32, 33, 63, UINT32_MAX};
    const uint32_t threshold = *(const uint32_t *)arg;
    fapilog_t *log = fapilog_open("svc", &(struct fapilog_options){.size = sizeof(struct fapilog_options),
                                                                   .level = threshold});
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        FAPILOG_LOG(log, tried[i], "LOG");
        FAPILOG_LOGF(log, tried[i], "LOGF %d", counted());
        const bool is_level = threshold == 1 && (tried[i] == 1 || tried[i] == 30);
        if (fapilog_enabled(log, tried[i]) != is_level)
            _exit(1);
    }
    fapilog_close(log);
}

static void a_level_that_is_none_writes_nothing(void **state)
{
    static const uint8_t levels[] = {1, 1, 30, 30};
    uint32_t threshold = FAPILOG_LEVEL_TRACE;
    scenario_run(*state, log_at_the_edges, &threshold);
    assert_int_equal(walk_one(*state).events, sizeof levels);
    for (unsigned i = 0; i < sizeof levels; i++)
        assert_int_equal(seen.record[i].level, levels[i]);
}

static void off_lets_nothing_pass(void **state)
{
    uint32_t threshold = FAPILOG_LEVEL_OFF;
    scenario_run(*state, log_at_the_edges, &threshold);
    assert_int_equal(walk_one(*state).events, 0);
}

static void log_printf(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    char raw[4] = {'a', 'b', 'c', 'd'}; /* not terminated */
    char *volatile nobody = NULL;
    FAPILOG_INFOF(log, "plain %% text");
    FAPILOG_INFOF(log, "%d %s %.2s %.*s %lu %p", 7, "full", raw, 3, raw, 9ul, (void *)0);
    FAPILOG_INFOF(log, "%*d %-10s %p", 5, 6, "x", raw);
    FAPILOG_INFOF(log, "%s", nobody);
    FAPILOG_INFOF(log, "%m %.2s", raw);
    fapilog_close(log);
}

static void printf_arguments_are_copied_as_the_format_reads_them(void **state)
{
    scenario_run(*state, log_printf, NULL);
    assert_int_equal(walk_one(*state).events, 5);
    const struct walk_record *r = &seen.record[1];
    assert_int_equal(r->site->flags, FAPILOG_SITE_PRINTF);
    assert_string_equal(r->message, "%d %s %.2s %.*s %lu %p");
    assert_int_equal(r->fields_count, 7);
    assert_memory_equal(r->args, "\7\0\0\0\4\0\0\0full\2\0\0\0ab\0\0\3\0\0\0\3\0\0\0abc", 31);
    assert_non_null(memmem(seen.record[2].args, seen.record[2].args_len, "0x", 2));
    assert_memory_equal(seen.record[3].args, "\6\0\0\0(null)", 10);
    assert_memory_equal(seen.record[4].args, "\2\0\0\0ab", 6);
    assert_int_equal(seen.record[0].fields_count, 0);
}

/* As many C programs have them. */
static void log_printf_bytes(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    uint8_t text[] = "text", raw[2] = {'a', 'b'}; /* not terminated */
    const unsigned char *constant = text;
    signed char is_signed[] = "signed", *nobody = NULL;
    const signed char *constant_signed = is_signed;
    FAPILOG_INFOF(log, "%s %s %s %s %s", text, constant, is_signed, constant_signed, nobody);
    FAPILOG_INFOF(log, "%.2s %.*s", raw, 1, raw);
    FAPILOG_INFOF(log, "%s %p", text, raw);
    fapilog_close(log);
}

static void texts_of_any_character_type_are_texts(void **state)
{
    scenario_run(*state, log_printf_bytes, NULL);
    assert_int_equal(walk_one(*state).events, 3);
    const struct walk_record *r = &seen.record[0];
    const char wanted[] = "\4\0\0\0text\4\0\0\0text\6\0\0\0signed\0\0\6\0\0\0signed\0\0\6\0\0\0(null)";
    assert_memory_equal(r->args, wanted, sizeof wanted - 1);
    assert_memory_equal(seen.record[1].args, "\2\0\0\0ab\0\0\1\0\0\0\1\0\0\0a", 17);
    assert_memory_equal(seen.record[2].args, "\4\0\0\0text", 8);
    assert_memory_equal(seen.record[2].args + 12, "0x", 2);
}

/* ---- dynamic records, loggers ------------------------------------------------------------------------ */

static void log_dynamic(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    if (fapilog_log(log, FAPILOG_LEVEL_INFO, "hello", 5, FAPILOG_FIELDS(FL("a", -1), FL("b", "xy"))) != 0 ||
        fapilog_log(log, FAPILOG_LEVEL_INFO, "", 0, NULL, 0) != 0 ||
        fapilog_log(log, FAPILOG_LEVEL_DEBUG, "no", 2, NULL, 0) != 0 ||
        fapilog_log(log, 0, "no", 2, NULL, 0) != -EINVAL || fapilog_log(log, 31, "no", 2, NULL, 0) != -EINVAL ||
        fapilog_log(log, 9, NULL, 2, NULL, 0) != -EINVAL ||
        fapilog_log(log, 9, "no", 2, &(struct fapilog_field){.type = 99}, 1) != -EINVAL ||
        fapilog_log(log, 9, "no", 2, &(struct fapilog_field){.type = FAPILOG_TYPE_UUID}, 1) != -EINVAL)
        _exit(1);
    fapilog_close(log);
}

static void a_dynamic_record_describes_itself(void **state)
{
    scenario_run(*state, log_dynamic, NULL);
    assert_int_equal(walk_one(*state).events, 2);
    const struct walk_record *r = &seen.record[0];
    assert_int_equal(r->kind, FAPILOG_KIND_DYNAMIC);
    assert_int_equal(r->message_len, 5);
    static const char list[] = "\6\0\1\0a\0\0\0\xff\xff\xff\xff\14\0\1\0b\0\0\0\2\0\0\0xy";
    assert_memory_equal(r->args, list, sizeof list - 1);
    assert_int_equal(seen.record[1].message_len, 0);
}

static void log_loggers(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    fapilog_t *other = fapilog_open("billing", NULL);
    fapilog_t *child = fapilog_logger(log, "orders.matching");
    fapilog_t *with = fapilog_with(child, FAPILOG_FIELDS(FL("venue", "XETRA"), FL("gateway", 7)));
    if (child != fapilog_logger(log, "orders.matching") || child == log || with == child || other == log ||
        with != fapilog_with(child, FAPILOG_FIELDS(FL("venue", "XETRA"), FL("gateway", 7))) ||
        with == fapilog_with(child, FAPILOG_FIELDS(FL("venue", "XETRA"), FL("gateway", 8))))
        _exit(1);
    FAPILOG_INFO(log, "root");
    FAPILOG_INFO(other, "other");
    FAPILOG_INFO(child, "child", FL("x", 1));
    FAPILOG_INFO(with, "with", FL("x", 1));
    fapilog_close(other);
    FAPILOG_INFO(with, "still open");
    fapilog_close(log);
    FAPILOG_INFO(with, "closed");
}

static const struct fapilog_logger_entry *logger_of(struct scenario *s, const struct walk_record *r)
{
    const struct walk *w = &s->seg[0];
    return (const struct fapilog_logger_entry *)(w->base + w->sb->registry_off + (uint64_t)r->logger * 8);
}

static void loggers_have_entries_and_the_first_root_has_none(void **state)
{
    scenario_run(*state, log_loggers, NULL);
    assert_int_equal(walk_one(*state).events, 5);
    assert_int_equal(seen.record[0].flags, 0);
    const struct fapilog_logger_entry *e = logger_of(*state, &seen.record[1]);
    assert_string_equal((const char *)(e + 1), "");
    assert_string_equal((const char *)(e + 1) + 1, "billing");
    e = logger_of(*state, &seen.record[2]);
    assert_string_equal((const char *)(e + 1), "orders.matching");
    assert_int_equal(e->parent, 0);
    const struct fapilog_logger_entry *w = logger_of(*state, &seen.record[3]);
    assert_int_equal(w->parent, seen.record[2].logger);
    assert_int_equal(w->fields_count, 2);
    assert_int_equal(w->level_slot, e->level_slot);
}

/* ---- context ----------------------------------------------------------------------------------------- */

static void log_context(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "before");
    {
        FAPILOG_SCOPE(FL_REQUEST_ID("r-1"), FL("shard", 3));
        FAPILOG_INFO(log, "outer");
        FAPILOG_INFO(log, "outer");
        {
            FAPILOG_SCOPE(FL("shard", 4), FL_TRACE_ID(sixteen));
            FAPILOG_INFO(log, "inner");
            if (fapilog_set_user_id("me") != 0 || fapilog_set_user_id("you") != 0)
                _exit(1);
            FAPILOG_INFO(log, "set");
        }
        FAPILOG_INFO(log, "outer");
    }
    FAPILOG_INFO(log, "after");
    fapilog_close(log);
}

static struct walk_totals last;

static void contexts_are_written_when_they_change_and_events_carry_their_epoch(void **state)
{
    scenario_run(*state, log_context, NULL);
    last = walk_one(*state);
    assert_int_equal(last.events, 7);
    assert_int_equal(last.contexts, 4); /* outer, inner, set, outer again */
    const struct walk_record *r = seen.record;
    assert_int_equal(r[0].epoch, 0);
    assert_int_not_equal(r[1].epoch, 0);
    assert_int_equal(r[2].epoch, r[1].epoch);
    assert_int_not_equal(r[3].epoch, r[1].epoch);
    assert_int_not_equal(r[4].epoch, r[3].epoch);
    assert_int_equal(r[5].epoch, r[1].epoch);
    assert_int_equal(r[6].epoch, 0);
    for (unsigned i = 1; i < 6; i++)
        assert_true(r[i].context_known);
}

static void log_context_over_blocks(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_SCOPE(FL_REQUEST_ID("r-1"));
    for (int i = 0; i < 4000; i++)
        FAPILOG_INFO(log, "event", FL("text", "some fifty bytes, so that the records fill blocks"));
    fapilog_close(log);
}

static void every_block_repeats_the_bound_context(void **state)
{
    scenario_run(*state, log_context_over_blocks, NULL);
    last = walk_one(*state);
    assert_int_equal(last.events, 4000);
    assert_true(last.blocks > 3);
    assert_int_equal(last.contexts, last.blocks);
    for (unsigned i = 0; i < seen.count; i++)
        assert_true(seen.record[i].context_known && seen.record[i].epoch != 0);
}

static void context_limits(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    static char big[FAPILOG_CONTEXT_BYTES_MAX + 1];
    memset(big, 'x', sizeof big - 1);
    struct fapilog_scope s = fapilog_context_push(FAPILOG_FIELDS(FL("a", 1), FL("big", big)));
    if (s.error != -E2BIG)
        _exit(1);
    fapilog_context_pop(&s);
    FAPILOG_INFO(log, "none");
    struct fapilog_scope in[FAPILOG_CONTEXT_FIELDS_MAX + 1];
    for (int i = 0; i <= FAPILOG_CONTEXT_FIELDS_MAX; i++)
        in[i] = fapilog_context_push(FAPILOG_FIELDS(FL("a", i)));
    if (in[FAPILOG_CONTEXT_FIELDS_MAX - 1].error || in[FAPILOG_CONTEXT_FIELDS_MAX].error != -E2BIG)
        _exit(2);
    FAPILOG_INFO(log, "full");
    fapilog_context_pop(&in[1]); /* with all that are inside */
    FAPILOG_INFO(log, "one");
    fapilog_context_clear();
    FAPILOG_INFO(log, "none");
    fapilog_context_pop(&in[0]);
    FAPILOG_INFO(log, "none");
    fapilog_close(log);
}

static void a_context_that_does_not_fit_changes_nothing(void **state)
{
    scenario_run(*state, context_limits, NULL);
    last = walk_one(*state);
    assert_int_equal(seen.record[0].epoch, 0);
    assert_int_not_equal(seen.record[1].epoch, 0);
    assert_int_not_equal(seen.record[2].epoch, 0);
    assert_int_equal(seen.record[3].epoch, 0);
    assert_int_equal(seen.record[4].epoch, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scenario_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(int_int_double_is_one_record_of_32_bytes),
        TEST(every_type_is_stored_at_its_size_and_alignment),
        TEST(values_are_evaluated_once_and_only_when_the_level_passes),
        TEST(a_level_that_is_none_writes_nothing),
        TEST(off_lets_nothing_pass),
        TEST(sensitive_values_never_reach_shared_memory),
        TEST(printf_arguments_are_copied_as_the_format_reads_them),
        TEST(texts_of_any_character_type_are_texts),
        TEST(a_dynamic_record_describes_itself),
        TEST(loggers_have_entries_and_the_first_root_has_none),
        TEST(contexts_are_written_when_they_change_and_events_carry_their_epoch),
        TEST(every_block_repeats_the_bound_context),
        TEST(a_context_that_does_not_fit_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
