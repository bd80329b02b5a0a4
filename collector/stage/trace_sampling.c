/* Keeps or drops whole traces: the decision follows from the trace id alone, so every process and every run
 * decides alike. */
#include "collector/stage/random.h"
#include "collector/stage/stage.h"
#include "lib/base/level_mask.h"
#include "lib/where/key.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <xxhash.h>

enum { REMEMBERED = 256, MD5_BYTES = 16 };

struct config {
    double rate;
    const char *field;
    struct opt_list always;
};

struct decision {
    uint64_t lo, hi; /* hash of the trace id's text */
    bool known, keeps;
};

struct state {
    struct where_key *key;
    EVP_MD_CTX *digest;
    uint64_t random, threshold;
    uint32_t always;
    uint64_t seed;
    struct decision decided[REMEMBERED]; /* a trace has many records in a row */
};

static int trace_check(void *config, struct err *e)
{
    const struct config *const cfg = config;
    uint32_t mask;
    if (!cfg->field || !*cfg->field)
        return err_set(e, -EINVAL, "trace_id_field: '' is no name of a field");
    return level_mask_parse(&cfg->always, "always_pass_levels", &mask, e);
}

static int trace_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    t->threshold = random_threshold(cfg->rate);
    t->random = random_seed();
    t->seed = random_seed();
    t->digest = EVP_MD_CTX_new();
    if (!t->digest || where_key_new(cfg->field, true, &t->key) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    if (EVP_DigestInit_ex(t->digest, EVP_md5(), NULL) != 1)
        return err_set(e, -EOPNOTSUPP, "MD5 is not available in this OpenSSL (FIPS mode?)");
    return level_mask_parse(&cfg->always, "always_pass_levels", &t->always, e);
}

static void trace_close(struct stage *s)
{
    struct state *const t = s->state;
    where_key_free(t->key);
    EVP_MD_CTX_free(t->digest);
    *t = (struct state){0};
}

/* As the thread's context has it; a field of the call comes second, one bound to the logger last. */
static const struct fapilog_field *find_id(struct where_key *key, const struct fapilog_record *r)
{
    if (r->context) {
        struct fapilog_record only = {.fields = r->context->fields, .fields_count = r->context->fields_count};
        const struct fapilog_field *const f = where_key_field(key, &only);
        if (f)
            return f;
    }
    return where_key_field(key, r);
}

/* The digest as an integer of 128 bits is below rate * 2^128; the upper 64 bits tell, but for one case in 2^64. */
static int digest_keeps(struct state *t, const char *id, size_t len, bool *ret)
{
    uint8_t md5[MD5_BYTES];
    uint64_t high = 0;
    if (EVP_DigestInit_ex(t->digest, NULL, NULL) != 1 || EVP_DigestUpdate(t->digest, id, len) != 1 ||
        EVP_DigestFinal_ex(t->digest, md5, NULL) != 1)
        return -EIO;
    for (unsigned i = 0; i < 8; i++)
        high = high << 8 | md5[i];
    *ret = t->threshold == UINT64_MAX || high < t->threshold;
    return 0;
}

static enum stage_verdict decide(struct state *t, const char *id, size_t len)
{
    const XXH128_hash_t h = XXH3_128bits_withSeed(id, len, t->seed);
    struct decision *const d = &t->decided[h.low64 % REMEMBERED];
    if (!d->known || d->lo != h.low64 || d->hi != h.high64) {
        bool keeps;
        if (digest_keeps(t, id, len, &keeps) < 0)
            return STAGE_FAILED;
        *d = (struct decision){h.low64, h.high64, true, keeps};
    }
    return d->keeps ? STAGE_PASS : STAGE_DROP;
}

static enum stage_verdict trace_run(struct stage *s, struct stage_record *sr)
{
    struct state *const t = s->state;
    struct where_value v = {.kind = WHERE_VALUE_NONE};
    if (level_mask_has(t->always, sr->r->level))
        return STAGE_PASS;
    const struct fapilog_field *const f = find_id(t->key, sr->r);
    if (f)
        where_value_of(f, &v);
    if (v.kind == WHERE_VALUE_TEXT && v.len)
        return decide(t, v.data, v.len);
    return random_keeps(&t->random, t->threshold) ? STAGE_PASS : STAGE_DROP;
}

static void trace_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    visit(arg, "filter_sample_rate", ((const struct config *)s->cfg)->rate);
}

static const struct opt trace_opts[] = {
    {OPT_REAL, "sample_rate", "rate", "0.1", 0, 0, NULL, 0, OPT_AT_(struct config, rate, double),
     "Share of the traces that passes, 0 to 1.", 0, 1},
    OPT_TEXT_(struct config, field, "trace_id_field", "trace_id", 0, "Name of the field with the trace id."),
    OPT_LIST_ALIAS_(struct config, always, "always_pass_levels", "always", "ERROR,CRITICAL", 0,
                    "Levels that always pass."),
    OPT_END,
};

const struct stage_ops stage_trace_sampling = {
    .abi = STAGE_ABI, .kind = "trace_sampling", .summary = "Keeps a share of the traces, each as a whole.",
    .group = STAGE_FILTER, .opts = trace_opts, .cfg_size = sizeof(struct config),
    .state_size = sizeof(struct state), .check = trace_check, .open = trace_open, .run = trace_run,
    .gauges = trace_gauges, .close = trace_close,
};
