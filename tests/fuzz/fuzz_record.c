#include "tests/fuzz/fuzz_record.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/utf8.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint8_t fuzz_byte(struct fuzz_input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

struct fapilog_text fuzz_text(struct fuzz_input *in, uint32_t max)
{
    uint32_t len = fuzz_byte(in);
    if (len > 250)
        len = 16 * (uint32_t)fuzz_byte(in);
    if (len > max)
        len = max;
    if (len > (size_t)(in->end - in->p))
        len = (uint32_t)(in->end - in->p);
    const struct fapilog_text t = {(const char *)in->p, len};
    in->p += len;
    return t;
}

/* Names that formats know are otherwise met too rarely. */
static struct fapilog_text take_name(struct fuzz_input *in)
{
    static const char *const known[] = {"data", "tags", "error.type", "error.message", "error.cause", "error.stack",
                                        "error.frames", "trace_id"};
    struct fapilog_text name = fuzz_text(in, UINT16_MAX);
    if (name.len == 1 && (uint8_t)name.data[0] < ARRAY_COUNT(known)) {
        const char *const text = known[(uint8_t)name.data[0]];
        name = (struct fapilog_text){text, (uint32_t)strlen(text)};
    }
    return name;
}

static struct fapilog_field take_field(struct fuzz_input *in)
{
    static const char zeros[16];
    static const uint8_t fixed[FAPILOG_TYPE_COUNT] = {
        [FAPILOG_TYPE_IPV4] = 4, [FAPILOG_TYPE_IPV6] = 16, [FAPILOG_TYPE_UUID] = 16,
        [FAPILOG_TYPE_TRACE_ID] = 16, [FAPILOG_TYPE_SPAN_ID] = 8};
    struct fapilog_field f = {.type = fuzz_byte(in) % FAPILOG_TYPE_COUNT,
                              .role = fuzz_byte(in) % FAPILOG_ROLE_COUNT};
    f.name = take_name(in);
    const bool is_text = f.type == FAPILOG_TYPE_STRING || f.type == FAPILOG_TYPE_BYTES ||
                         f.type == FAPILOG_TYPE_JSON || f.type == FAPILOG_TYPE_STACK;
    if (is_text) {
        const struct fapilog_text t = fuzz_text(in, FUZZ_INPUT_MAX);
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

static uint32_t take_fields(struct fuzz_input *in, struct fapilog_field *ret)
{
    const uint32_t count = fuzz_byte(in) % (FUZZ_LIST_MAX + 1);
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

void fuzz_record_take(struct fuzz_input *in, struct fuzz_record *ret)
{
    static uint64_t records;
    const uint8_t bits = fuzz_byte(in);
    *ret = (struct fuzz_record){
        .site = {.is_printf = bits & 1, .level = 9, .fields = ret->call}, .logger = {.fields = ret->bound},
        .process = {.pid = 7, .enriched = ret->enriched}, .context = {.lost = bits & 2, .fields = ret->thread},
        .r = {.logger = &ret->logger, .process = &ret->process, .fields = ret->call}};
    struct fapilog_record *const r = &ret->r;
    records++; /* each of a segment of its own, as call sites at one address are */
    memcpy(ret->process.uuid, &records, sizeof records);
    r->flags = fuzz_byte(in);
    r->level = 1 + fuzz_byte(in) % 31;
    r->time_ns = (int64_t)((uint64_t)fuzz_byte(in) << 56 | (uint64_t)fuzz_byte(in) << 40);
    r->message = ret->site.message = fuzz_text(in, FUZZ_INPUT_MAX);
    ret->logger.name = fuzz_text(in, FUZZ_INPUT_MAX);
    ret->process.service = fuzz_text(in, 63);
    ret->site.file = fuzz_text(in, FUZZ_INPUT_MAX);
    r->fields_count = take_fields(in, ret->call);
    ret->logger.fields_count = take_fields(in, ret->bound);
    ret->context.fields_count = take_fields(in, ret->thread);
    ret->process.enriched_count = take_fields(in, ret->enriched);
    ret->site.fields_count = (uint16_t)r->fields_count;
    if (bits & 4)
        r->site = &ret->site;
    if (bits & 8)
        r->context = &ret->context;
    if (bits & 16) {
        r->module_of = module_of;
        r->module_arg = &ret->site.file;
    }
    for (uint32_t i = 0; i < ret->process.enriched_count; i++) /* enrichers take no others */
        while (!utf8_valid(ret->enriched[i].name.data, ret->enriched[i].name.len))
            ret->enriched[i].name.len--;
    for (uint32_t i = 0; ret->site.is_printf && i < r->fields_count; i++)
        ret->call[i].name.len = 0;
}

void fuzz_record_done(struct fuzz_record *f)
{
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        free(f->site.cache[i]);
        free(f->logger.cache[i]);
        free(f->process.cache[i]);
        f->site.cache[i] = f->logger.cache[i] = f->process.cache[i] = NULL;
    }
}

static void replay(const char *path)
{
    static uint8_t data[FUZZ_INPUT_MAX];
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

/* Words, short lengths, anything. */
static uint8_t likely_byte(uint64_t *state, const char *words, size_t count)
{
    const uint64_t v = next_random(state);
    if (v & 1)
        return (uint8_t)words[(v >> 8) % count];
    return (uint8_t)(v & 2 ? (v >> 8) % 24 : v >> 8);
}

int fuzz_main(int argc, char **argv, const char *words, int rounds)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc > 1)
        return 0;
    const char *const given = getenv("FUZZ_SEED");
    const size_t count = strlen(words);
    const uint64_t seed = given ? strtoull(given, NULL, 0) : 20261121;
    printf("FUZZ_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    for (int round = 0; round < rounds; round++) {
        uint8_t data[FUZZ_INPUT_MAX];
        uint64_t state = seed + (uint64_t)round;
        const size_t size = next_random(&state) % (round % 16 == 0 ? FUZZ_INPUT_MAX : 600);
        for (size_t i = 0; i < size; i++)
            data[i] = likely_byte(&state, words, count);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
