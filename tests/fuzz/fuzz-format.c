/* Any bytes at all as a record, through every format: no crash, no byte behind the bound, lines that stay
 * lines, and the same bytes whether a plan was at hand or not. libFuzzer swaps main (-Dfuzz=true); as an
 * ordinary test it replays the files or folders that it is given, or else makes records from a printed seed. */
#include "collector/format/format.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FORMATS_MAX = 16, LIST_MAX = 12, INPUT_MAX = 4096, ROUNDS = 3000 };

struct input {
    const uint8_t *p, *end;
};

static uint8_t take_byte(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static struct fapilog_text take_text(struct input *in, uint32_t max)
{
    uint32_t len = take_byte(in);
    if (len > 250)
        len = 16 * (uint32_t)take_byte(in);
    if (len > max)
        len = max;
    if (len > (size_t)(in->end - in->p))
        len = (uint32_t)(in->end - in->p);
    const struct fapilog_text t = {(const char *)in->p, len};
    in->p += len;
    return t;
}

/* Names that formats know are otherwise met too rarely. */
static struct fapilog_text take_name(struct input *in)
{
    static const char *const known[] = {"data", "tags", "error.type", "error.message", "error.cause", "error.stack",
                                        "error.frames", "trace_id"};
    struct fapilog_text name = take_text(in, UINT16_MAX);
    if (name.len == 1 && (uint8_t)name.data[0] < ARRAY_COUNT(known)) {
        const char *const text = known[(uint8_t)name.data[0]];
        name = (struct fapilog_text){text, (uint32_t)strlen(text)};
    }
    return name;
}

static struct fapilog_field take_field(struct input *in)
{
    static const char zeros[16];
    static const uint8_t fixed[FAPILOG_TYPE_COUNT] = {
        [FAPILOG_TYPE_IPV4] = 4, [FAPILOG_TYPE_IPV6] = 16, [FAPILOG_TYPE_UUID] = 16,
        [FAPILOG_TYPE_TRACE_ID] = 16, [FAPILOG_TYPE_SPAN_ID] = 8};
    struct fapilog_field f = {.type = take_byte(in) % FAPILOG_TYPE_COUNT,
                              .role = take_byte(in) % FAPILOG_ROLE_COUNT};
    f.name = take_name(in);
    const bool is_text = f.type == FAPILOG_TYPE_STRING || f.type == FAPILOG_TYPE_BYTES ||
                         f.type == FAPILOG_TYPE_JSON || f.type == FAPILOG_TYPE_STACK;
    if (is_text) {
        const struct fapilog_text t = take_text(in, INPUT_MAX);
        f.v.data = t.data;
        f.len = f.type == FAPILOG_TYPE_STACK ? t.len & ~7u : t.len;
    } else if (fixed[f.type]) {
        f.len = fixed[f.type];
        const bool enough = (size_t)(in->end - in->p) >= f.len;
        f.v.data = enough ? (const char *)in->p : zeros;
        in->p += enough ? f.len : 0;
    } else {
        uint64_t v = 0;
        const size_t n = (size_t)(in->end - in->p) < 8 ? (size_t)(in->end - in->p) : 8;
        memcpy(&v, in->p, n);
        in->p += n;
        f.v.u64 = v;
    }
    return f;
}

static uint32_t take_fields(struct input *in, struct fapilog_field *ret)
{
    const uint32_t count = take_byte(in) % (LIST_MAX + 1);
    for (uint32_t i = 0; i < count; i++)
        ret[i] = take_field(in);
    return count;
}

static bool module_of(const void *arg, uint64_t address, struct fapilog_text *ret_path, uint64_t *ret_offset)
{
    *ret_path = *(const struct fapilog_text *)arg;
    *ret_offset = address;
    return address & 1;
}

static struct format **formats(unsigned *ret_count)
{
    static struct format *open[FORMATS_MAX];
    static unsigned count;
    for (; format_list[count]; count++) {
        const struct format_config cfg = {.source = count & 1, .colour = count & 2};
        CHECK(count < FORMATS_MAX);
        CHECK(format_open(format_list[count]->name, &cfg, 0, &open[count], NULL) == 0);
    }
    *ret_count = count;
    return open;
}

static size_t write_checked(struct format *f, const struct fapilog_record *r, char **ret)
{
    static const char canary[] = "somebody else's";
    const size_t bound = f->ops->bound(f, r);
    char *const out = malloc(bound + sizeof canary);
    CHECK(out);
    memcpy(out + bound, canary, sizeof canary);
    const size_t len = (size_t)(f->ops->write(f, r, out) - out);
    CHECK(len > 0 && len <= bound);
    CHECK(memcmp(out + bound, canary, sizeof canary) == 0);
    CHECK(out[len - 1] == '\n');
    if (f->ops->is_lines)
        CHECK(memchr(out, '\n', len) == out + len - 1);
    *ret = out;
    return len;
}

static void write_twice(struct format *f, struct fapilog_record *r)
{
    auto_free char *first = NULL;
    auto_free char *second = NULL;
    const size_t len = write_checked(f, r, &first);
    CHECK(write_checked(f, r, &second) == len);
    CHECK(memcmp(first, second, len) == 0);
}

static int64_t no_clock(void)
{
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + (size < INPUT_MAX ? size : INPUT_MAX)};
    struct fapilog_field call[LIST_MAX], bound[LIST_MAX], thread[LIST_MAX], enriched[LIST_MAX];
    const uint8_t bits = take_byte(&in);
    struct fapilog_site site = {.is_printf = bits & 1, .level = 9, .fields = call};
    struct fapilog_logger_info logger = {.fields = bound};
    struct fapilog_process_info process = {.pid = 7, .enriched = enriched};
    struct fapilog_context_info context = {.lost = bits & 2, .fields = thread};
    struct fapilog_record r = {.logger = &logger, .process = &process, .fields = call, .level = 1};

    format_observed_clock = no_clock;
    r.flags = take_byte(&in);
    r.level = 1 + take_byte(&in) % 31;
    r.time_ns = (int64_t)((uint64_t)take_byte(&in) << 56 | (uint64_t)take_byte(&in) << 40);
    r.message = site.message = take_text(&in, INPUT_MAX);
    logger.name = take_text(&in, INPUT_MAX);
    process.service = take_text(&in, 63);
    site.file = take_text(&in, INPUT_MAX);
    r.fields_count = take_fields(&in, call);
    logger.fields_count = take_fields(&in, bound);
    context.fields_count = take_fields(&in, thread);
    site.fields_count = (uint16_t)r.fields_count;
    process.enriched_count = take_fields(&in, enriched);
    if (bits & 4)
        r.site = &site;
    if (bits & 8)
        r.context = &context;
    if (bits & 16) {
        r.module_of = module_of;
        r.module_arg = &site.file;
    }
    if (site.is_printf) {
        for (uint32_t i = 0; i < r.fields_count; i++)
            call[i].name.len = 0;
    }
    unsigned count;
    struct format **const open = formats(&count);
    for (unsigned i = 0; i < count; i++) {
        write_twice(open[i], &r);
        free(site.cache[0]);
        site.cache[0] = NULL;
    }
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
static void replay(const char *path)
{
    static uint8_t data[INPUT_MAX];
    struct stat st;
    CHECK(stat(path, &st) == 0);
    if (S_ISDIR(st.st_mode)) {
        auto_dir dir = opendir(path);
        CHECK(dir);
        for (const struct dirent *d; (d = readdir(dir));) {
            char name[PATH_MAX];
            if (d->d_name[0] == '.')
                continue;
            CHECK(snprintf(name, sizeof name, "%s/%s", path, d->d_name) < PATH_MAX);
            replay(name);
        }
        return;
    }
    auto_stream file = fopen(path, "rb");
    CHECK(file);
    const size_t size = fread(data, 1, sizeof data, file);
    (void)LLVMFuzzerTestOneInput(data, size);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Bytes that lead somewhere more often than chance would: short lengths, JSON, formats, UTF-8. */
static uint8_t likely_byte(uint64_t *state)
{
    static const char words[] = "{\"a\":[1,2.5e3,null,true]}%d%s%*.*f%%\\\n\x1b\xe2\x82\xac\xf0\x9f\x8d\x95\xff\xc0=' ";
    const uint64_t v = next_random(state);
    if (v & 1)
        return (uint8_t)words[(v >> 8) % (sizeof words - 1)];
    return (uint8_t)(v & 2 ? (v >> 8) % 24 : v >> 8);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc > 1)
        return 0;
    const char *const given = getenv("FUZZ_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 0) : 20261121;
    printf("FUZZ_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t data[INPUT_MAX];
        uint64_t state = seed + (uint64_t)round;
        const size_t size = next_random(&state) % (round % 16 == 0 ? INPUT_MAX : 600);
        for (size_t i = 0; i < size; i++)
            data[i] = likely_byte(&state);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
