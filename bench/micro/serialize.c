/* A record of the shape `three` through each format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/harness/shape.h"
#include "bench/micro/micro.h"
#include "collector/format/format.h"
#include "lib/base/check.h"

#define TEXT(literal) {literal, sizeof(literal) - 1}

static const struct fapilog_field templates[] = {
    {.name = TEXT("a"), .type = FAPILOG_TYPE_I32},
    {.name = TEXT("b"), .type = FAPILOG_TYPE_I32},
    {.name = TEXT("c"), .type = FAPILOG_TYPE_F64},
};

static void serialize(struct gb_state *s, const char *name)
{
    struct fapilog_site site = {.id = 1,
                                .line = 10,
                                .level = FAPILOG_LEVEL_INFO,
                                .fields_count = ARRAY_COUNT(templates),
                                .message = TEXT(BENCH_MARKER),
                                .file = TEXT("bench.c"),
                                .function = TEXT("main"),
                                .fields = templates};
    struct fapilog_process_info process = {
        .pid = 4711, .service = TEXT("bench"), .host = TEXT("host"), .exe = TEXT("/usr/bin/bench")};
    struct fapilog_logger_info logger = {.service = TEXT("bench")};
    struct fapilog_field fields[ARRAY_COUNT(templates)];
    struct fapilog_record r = {.time_ns = INT64_C(1795250000000000000),
                               .level = FAPILOG_LEVEL_INFO,
                               .tid = 4712,
                               .thread = TEXT("worker"),
                               .message = site.message,
                               .site = &site,
                               .logger = &logger,
                               .process = &process,
                               .fields = fields,
                               .fields_count = ARRAY_COUNT(fields)};
    const struct format_config config = {0};
    struct format *format;
    memcpy(fields, templates, sizeof fields);
    if (format_open(name, &config, 0, &format, NULL) < 0) {
        gb_skip(s, "cannot open the format");
        return;
    }
    const size_t room = 2 * format->ops->bound(format, &r);
    char *out = malloc(room), *end = out;
    CHECK(out);
    uint64_t i = 0;
    micro_loop(s) {
        fields[0].v.i64 = shape_int(i, 0);
        fields[1].v.i64 = shape_int(i, 1);
        fields[2].v.f64 = shape_double(i, 0);
        r.time_ns += 100;
        r.id.position += 32;
        i++;
        gb_keep(format->ops->bound(format, &r));
        end = format->ops->write(format, &r, out);
    }
    gb_set_items(s, gb_iterations(s));
    gb_set_counter(s, "bytes", (double)(end - out));
    free(out);
    format_close(format);
    free(site.cache[0]);
    free(logger.cache[0]);
    free(process.cache[0]);
}

static void bench_format(struct gb_state *s)
{
    serialize(s, format_list[gb_range(s)]->name);
}

/* Each format of the collector, in the order of its list. */
void micro_serialize(void)
{
    enum { FORMATS_MAX = 32, NAME_MAX_BYTES = 48 };
    static char names[FORMATS_MAX][NAME_MAX_BYTES];
    static const char *pointers[FORMATS_MAX];
    int count = 0;
    for (; format_list[count] && count < FORMATS_MAX; count++) {
        snprintf(names[count], NAME_MAX_BYTES, "serialize/%s", format_list[count]->name);
        pointers[count] = names[count];
    }
    gb_register_each(pointers, count, bench_format);
}
