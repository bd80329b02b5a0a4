/* Hostile records through every stage in turn, and time that jumps: no crash, no access outside, the record's view as
 * it was, and what comes out (also what stages make themselves) is a record that a format can write. */
#include "collector/format/format.h"
#include "collector/stage/stage.h"
#include "lib/base/check.h"
#include "tests/fuzz/fuzz_record.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3000 };

/* What stages without defaults need, and values that let more of a stage be seen. */
static const struct { const char *kind, *option, *value; } options[] = {
    {"match", "where", "a == 1 || message ~ a*"}, {"rate_limit", "key_field", "a"}, {"rate_limit", "max_keys", "8"},
    {"rate_limit", "overflow_action", "mark"}, {"rate_limit", "capacity", "1"}, {"dedupe", "max_keys", "4"},
    {"first_occurrence", "key_fields", "message,a,trace_id"}, {"first_occurrence", "max_keys", "4"},
};

static struct stages chain[STAGES_MAX];
static unsigned chains;
static struct format *format;

static void chains_open(void)
{
    for (; stage_list[chains]; chains++) {
        struct stage *s = NULL;
        CHECK(stage_new(stage_list[chains], &s, NULL) == 0);
        for (size_t i = 0; i < ARRAY_COUNT(options); i++)
            if (strcmp(options[i].kind, s->ops->kind) == 0)
                CHECK(opt_set(opt_find(s->ops->opts, options[i].option), s->cfg, options[i].value, NULL) == 0);
        CHECK(stage_finish(s, NULL) == 0);
        CHECK(stages_open(&chain[chains], &s, 1, NULL) == 0);
    }
    CHECK(format_open("json", &(struct format_config){0}, 0, &format, NULL) == 0);
}

static void write_it(const struct fapilog_record *r)
{
    const size_t bound = format->ops->bound(format, r);
    char *const out = malloc(bound);
    CHECK(out);
    CHECK((size_t)(format->ops->write(format, r, out) - out) <= bound);
    free(out);
}

static void run(struct stages *c, const struct fuzz_record *f, uint64_t now_ns)
{
    struct fuzz_record before = *f;
    stages_tick(c, now_ns);
    for (int i = 0; i < 3; i++) {
        const struct fapilog_record *const r = stages_run(c, &f->r);
        CHECK(!r || memcmp(&r->id, &f->r.id, sizeof r->id) == 0);
        if (r)
            write_it(r);
    }
    CHECK(memcmp(before.call, f->call, sizeof f->call) == 0 && memcmp(before.thread, f->thread, sizeof f->thread) == 0);
    CHECK(memcmp(&before.r, &f->r, sizeof f->r) == 0);
    for (const struct fapilog_record *r; (r = stages_emitted(c));) {
        CHECK(r->internal && !r->site);
        write_it(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t now_ns = 1;
    static struct fuzz_record f;
    struct fuzz_input in = {data, data + (size < FUZZ_INPUT_MAX ? size : FUZZ_INPUT_MAX)};
    if (!chains)
        chains_open();
    now_ns += UINT64_C(1) << fuzz_byte(&in) % 38;
    fuzz_record_take(&in, &f);
    for (unsigned i = 0; i < chains; i++)
        run(&chain[i], &f, now_ns);
    fuzz_record_done(&f);
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
int main(int argc, char **argv)
{
    return fuzz_main(argc, argv,
                     "a password=x a@b.c 4111111111111111 https://u:p@h/ trace_id Bearer \xe2\x82\xac%d", ROUNDS);
}
#endif
