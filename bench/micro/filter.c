/* A record of ten fields that a filter drops: what it costs to look at it and leave it out. */
#include <string.h>

#include "bench/harness/shape.h"
#include "bench/micro/micro.h"
#include "collector/stage/stage.h"
#include "lib/base/check.h"

#define TEXT(literal) {literal, sizeof(literal) - 1}
#define NUMBER(literal) {.name = TEXT(literal), .type = FAPILOG_TYPE_I64}

static const struct fapilog_field templates[] = {
    NUMBER("a"), NUMBER("b"), NUMBER("c"), NUMBER("d"), NUMBER("e"), NUMBER("f"), NUMBER("g"), NUMBER("h"), NUMBER("i"),
    {.name = TEXT("user"), .type = FAPILOG_TYPE_STRING, .len = 5, .v.data = "alice"},
};

static const struct {
    const char *name, *kind, *option, *value;
} rows[] = {
    {"filter/level", "level", "min_level", "ERROR"},
    {"filter/match_level", "match", "where", "level >= ERROR"},
    {"filter/match_integer", "match", "where", "i >= 1000"},
    {"filter/match_text", "match", "where", "user == bob"},
    {"filter/sampling", "sampling", "sample_rate", "0"},
    {"filter/rate_limit", "rate_limit", "capacity", "1"},
    {"filter/rate_limit_by_key", "rate_limit", "key_field", "user"},
    {"filter/first_occurrence", "first_occurrence", "window", "1h"},
    {"filter/dedupe", "dedupe", "window", "1h"},
};

static void filter(struct gb_state *s)
{
    const int at = (int)gb_range(s);
    struct fapilog_site site = {.id = 1, .level = FAPILOG_LEVEL_INFO, .fields_count = ARRAY_COUNT(templates),
                                .message = TEXT(BENCH_MARKER), .fields = templates};
    const struct fapilog_process_info process = {.pid = 4711, .service = TEXT("bench")};
    const struct fapilog_logger_info logger = {.name = TEXT("orders"), .service = TEXT("bench")};
    struct fapilog_field fields[ARRAY_COUNT(templates)];
    const struct fapilog_record r = {.level = FAPILOG_LEVEL_INFO, .message = site.message, .site = &site,
                                     .logger = &logger, .process = &process, .fields = fields,
                                     .fields_count = ARRAY_COUNT(fields)};
    static struct stages chain;
    struct stage *stage = NULL;
    memcpy(fields, templates, sizeof fields);
    CHECK(stage_new(stage_find(rows[at].kind), &stage, NULL) == 0);
    CHECK(opt_set(opt_find(stage->ops->opts, rows[at].option), stage->cfg, rows[at].value, NULL) == 0);
    CHECK(stage_finish(stage, NULL) == 0);
    CHECK(stages_open(&chain, &stage, 1, NULL) == 0);
    stages_tick(&chain, 1);
    micro_loop(s)
        gb_keep((uintptr_t)stages_run(&chain, &r));
    gb_set_items(s, gb_iterations(s));
    stages_close(&chain);
    stage_free(stage);
}

void micro_filter(void)
{
    static const char *names[ARRAY_COUNT(rows)];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        names[i] = rows[i].name;
    gb_register_each(names, ARRAY_COUNT(rows), filter);
}
