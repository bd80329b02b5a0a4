/* The text of a record lies in memory that its producer can still write to. Whatever it does to it while
 * the line is being made: one whole line, valid JSON where that was promised, and nothing behind the bound. */
#include "collector/format/format.h"
#include "collector/format/json_text.h"
#include "collector/format/values.h"
#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "tests/common/record_sample.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_LEN = 48, TEXTS = 6, ROUNDS = 4000 };

struct shared {
    char text[TEXTS][TEXT_LEN]; /* message, name, string, JSON, bound string, service */
    int stop;
};

static void *scribble(void *arg)
{
    static const char words[] = "{\"a\":[1,2]}\n\"\\%s%d%*.*f\xe2\x82\xac\xf0\x9f\x8d\x95\xff\x1b= 'x ";
    struct shared *const s = arg;
    uint64_t seed = 11;
    /* order: relaxed - only asks for the end */
    while (!load_rlx(&s->stop)) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        volatile char *const at = &s->text[(seed >> 32) % TEXTS][(seed >> 40) % TEXT_LEN];
        *at = words[(seed >> 50) % (sizeof words - 1)];
    }
    return NULL;
}

static void assert_is_json(const char *line, size_t len)
{
    unsigned flags = 0;
    char *const out = malloc(json_text_bound(len));
    assert_non_null(out);
    (void)json_text_write(line, len, VALUE_SORTED, out, &flags);
    assert_int_equal(flags, 0);
    free(out);
}

static void write_many(const char *name, const struct fapilog_record *r)
{
    static const char canary[] = "somebody else's";
    struct format *f;
    struct err e;
    assert_int_equal(format_open(name, NULL, 0, &f, &e), 0);
    const size_t bound = f->ops->bound(f, r);
    char *const out = malloc(bound + sizeof canary);
    assert_non_null(out);
    memcpy(out + bound, canary, sizeof canary);
    for (int i = 0; i < ROUNDS; i++) {
        const size_t len = (size_t)(f->ops->write(f, r, out) - out);
        assert_in_range(len, 1, bound);
        assert_memory_equal(out + bound, canary, sizeof canary);
        assert_ptr_equal(memchr(out, '\n', len), out + len - 1);
        if (strstr(f->ops->media_type, "json"))
            assert_is_json(out, len);
    }
    free(out);
    format_close(f);
}

static void text_that_changes_meanwhile_gives_whole_lines(void **state)
{
    (void)state;
    struct shared shared;
    pthread_t thread;
    memset(&shared, 'x', sizeof shared);
    shared.stop = 0;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    s->r.message = (struct fapilog_text){shared.text[0], TEXT_LEN};
    struct fapilog_field f = sample_bytes("", FAPILOG_TYPE_STRING, shared.text[2], TEXT_LEN);
    f.name = (struct fapilog_text){shared.text[1], 12};
    sample_add(s, f);
    sample_add(s, sample_bytes("json", FAPILOG_TYPE_JSON, shared.text[3], TEXT_LEN));
    sample_add(s, sample_bytes("trace_id", FAPILOG_TYPE_STRING, shared.text[3], 32));
    sample_bind(s, sample_bytes("bound", FAPILOG_TYPE_STRING, shared.text[4], TEXT_LEN));
    s->process.service = (struct fapilog_text){shared.text[5], TEXT_LEN};
    s->logger.name = (struct fapilog_text){shared.text[5], 20};
    s->r.process = &s->process;
    s->r.logger = &s->logger;
    struct fapilog_site site = {.is_printf = true, .message = s->r.message, .fields = s->templates};
    assert_int_equal(pthread_create(&thread, NULL, scribble, &shared), 0);
    for (const struct format_ops *const *o = format_list; *o; o++) {
        write_many((*o)->name, &s->r);
        s->r.site = &site; /* the message is a format, the named fields are its data */
        write_many((*o)->name, &s->r);
        s->r.site = NULL;
        free(site.cache[0]);
        site.cache[0] = NULL;
    }
    store_rlx(&shared.stop, 1); /* order: relaxed - only asks for the end */
    assert_int_equal(pthread_join(thread, NULL), 0);
    sample_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_changes_meanwhile_gives_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
