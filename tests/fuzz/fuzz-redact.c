/* Any bytes at all through redaction and its neighbours: no crash, no byte behind what was asked for, and a secret
 * that stands under a masked name is in no output, whatever stands around it. libFuzzer swaps main (-Dfuzz=true);
 * as an ordinary test it makes records from a printed seed. */
#include "collector/format/format.h"
#include "collector/format/reencode.h"
#include "collector/stage/stage.h"
#include "lib/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 2048, LIST_MAX = 6, ROUNDS = 4000, CHAINS = 2 };

#define NEEDLE "hunter2xyz"

struct input {
    const uint8_t *p, *end;
};

static uint8_t take_byte(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static struct fapilog_text take_text(struct input *in)
{
    uint32_t len = take_byte(in);
    if (len > (size_t)(in->end - in->p))
        len = (uint32_t)(in->end - in->p);
    const struct fapilog_text t = {(const char *)in->p, len};
    in->p += len;
    return t;
}

static struct fapilog_field take_field(struct input *in)
{
    static const uint8_t types[] = {FAPILOG_TYPE_STRING, FAPILOG_TYPE_JSON, FAPILOG_TYPE_BYTES, FAPILOG_TYPE_I64,
                                    FAPILOG_TYPE_F64, FAPILOG_TYPE_U64, FAPILOG_TYPE_NULL, FAPILOG_TYPE_CHAR};
    struct fapilog_field f = {.type = types[take_byte(in) % ARRAY_COUNT(types)]};
    f.name = take_text(in);
    if (f.type <= FAPILOG_TYPE_F64) {
        uint64_t v = 0;
        for (int i = 0; i < 8; i++)
            v = v << 8 | take_byte(in);
        f.v.u64 = v;
    } else {
        const struct fapilog_text t = take_text(in);
        f.len = t.len;
        f.v.data = t.data;
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

static void set(struct stage *s, const char *key, const char *value)
{
    struct err e = {0};
    if (opt_set(opt_find(s->ops->opts, key), s->cfg, value, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
}

static struct stages *chain(unsigned which)
{
    static struct stages chains[CHAINS];
    struct stage *stages[4];
    if (chains[which].count)
        return &chains[which];
    CHECK(stage_new(stage_find("redact"), &stages[0], NULL) == 0);
    set(stages[0], "presets", "GDPR_PII_UK,CCPA_PII,HIPAA_PHI,PCI_DSS,CREDENTIALS");
    set(stages[0], "fields", which ? "a.*.b,a.**.c,x[1].y" : "*key");
    set(stages[0], "message", "true");
    set(stages[0], "other_texts", "true");
    set(stages[0], "values", "[\"all\",\"assignment\"]");
    set(stages[0], "value_patterns", "[\"[0-9]+-[a-z]*\",\"q?\"]");
    set(stages[0], "max_depth", which ? "2" : "16");
    set(stages[0], "max_keys", which ? "2" : "1000");
    CHECK(stage_new(stage_find("string_truncate"), &stages[1], NULL) == 0);
    set(stages[1], "max_string_length", "20");
    set(stages[1], "message", "true");
    CHECK(stage_new(stage_find("suffix_mask"), &stages[2], NULL) == 0);
    CHECK(stage_new(stage_find("size_guard"), &stages[3], NULL) == 0);
    set(stages[3], "max_bytes", which ? "100" : "500");
    for (unsigned i = 0; i < 4; i++)
        CHECK(stage_finish(stages[i], NULL) == 0);
    CHECK(stages_open(&chains[which], stages, 4, NULL) == 0);
    return &chains[which];
}

static void check_text(const char *text, size_t len)
{
    CHECK(!memmem(text, len, NEEDLE, sizeof NEEDLE - 1));
}

static void check_output(const struct fapilog_record *r)
{
    static struct format *json;
    const struct reencode_options o = {.with_enriched = true};
    if (!json)
        CHECK(format_open("json", NULL, 0, &json, NULL) == 0);
    char *const out = malloc(json->ops->bound(json, r));
    CHECK(out);
    check_text(out, (size_t)(json->ops->write(json, r, out) - out));
    free(out);
    uint8_t *const bytes = malloc(reencode_bound(r, &o));
    CHECK(bytes);
    check_text((char *)bytes, reencode_write(r, &o, bytes));
    free(bytes);
}

static void free_caches(void *const *cache)
{
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++)
        free(cache[i]);
}

/* A secret in JSON that goes on as the input says. */
static struct fapilog_field planted(struct input *in, char *text, size_t room)
{
    const struct fapilog_text more = take_text(in);
    const int n = snprintf(text, room, "{\"a\":[{\"password\" : \"" NEEDLE "\"%.*s}]}", (int)more.len, more.data);
    return (struct fapilog_field){.name = {"j", 1}, .type = FAPILOG_TYPE_JSON, .v.data = text,
                                  .len = n < 0 ? 0 : (uint32_t)n < room ? (uint32_t)n : (uint32_t)room - 1};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* libFuzzer learns the secret from the search for it, and would put it where nothing is masked. */
    if (memmem(data, size, NEEDLE, sizeof NEEDLE - 1))
        return 0;
    struct input in = {data, data + (size < INPUT_MAX ? size : INPUT_MAX)};
    struct fapilog_field call[LIST_MAX + 1], bound[LIST_MAX], thread[LIST_MAX], enriched[LIST_MAX];
    char text[512];
    const uint8_t bits = take_byte(&in);
    struct fapilog_site site = {.is_printf = bits & 1, .level = 9, .fields = call};
    struct fapilog_logger_info logger = {.fields = bound};
    struct fapilog_process_info process = {.pid = 7, .enriched = enriched};
    struct fapilog_context_info context = {.fields = thread};
    struct fapilog_record r = {.logger = &logger, .process = &process, .fields = call, .level = 9};
    r.message = site.message = take_text(&in);
    r.fields_count = take_fields(&in, call);
    call[r.fields_count++] = planted(&in, text, sizeof text);
    logger.fields_count = take_fields(&in, bound);
    context.fields_count = take_fields(&in, thread);
    process.enriched_count = take_fields(&in, enriched);
    r.thread = take_text(&in);
    site.fields_count = (uint16_t)r.fields_count;
    for (uint32_t i = 0; site.is_printf && i + 1 < r.fields_count; i++)
        call[i].name.len = 0;
    if (bits & 4)
        r.site = &site;
    if (bits & 8)
        r.context = &context;
    struct stages *const c = chain(bits >> 4 & 1);
    for (int round = 0; round < 2; round++) {
        const struct fapilog_record *const out = stages_run(c, &r);
        CHECK(out);
        check_output(out);
    }
    free_caches(site.cache);
    free_caches(logger.cache);
    free_caches(process.cache);
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Bytes that lead somewhere more often than chance would. */
static uint8_t likely_byte(uint64_t *state)
{
    static const char words[] = "{\"a\":[1,\"\\u0041\",null,true]}%d%s%%password=token: //u:p@h a@b.cc "
                                "4111111111111111 eyJ-ghp_-----BEGIN Bearer .c\\\"'\x80\xe2\x82\xac";
    const uint64_t v = next_random(state);
    if (v & 1)
        return (uint8_t)words[(v >> 8) % (sizeof words - 1)];
    return (uint8_t)(v & 2 ? (v >> 8) % 40 : v >> 8);
}

/* Whole words make it further into the scanners than single bytes do. */
static size_t put_word(uint8_t *to, size_t room, uint64_t *state)
{
    static const char *const words[] = {"\"password\":", "4111111111111111", "https://u:p@h/",
                                        "ghp_0123456789abcdefghij",
        "eyJhbGciOi.eyJzdWIiOi.x", "-----BEGIN PRIVATE KEY-----", "token=", "{\"a\":{\"b\":", "}}",
            "\\ud83c\\udf55", "],["};
    const char *const w = words[next_random(state) % ARRAY_COUNT(words)];
    const size_t len = strlen(w) < room ? strlen(w) : room;
    memcpy(to, w, len);
    return len;
}

int main(void)
{
    const char *const given = getenv("FUZZ_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 0) : 20261125;
    printf("FUZZ_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t data[INPUT_MAX];
        uint64_t state = seed + (uint64_t)round;
        const size_t size = next_random(&state) % (round % 16 == 0 ? INPUT_MAX : 400);
        for (size_t i = 0; i < size;) {
            if (next_random(&state) % 24 == 0)
                i += put_word(data + i, size - i, &state);
            else
                data[i++] = likely_byte(&state);
        }
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
