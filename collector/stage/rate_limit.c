/* A token bucket for each value of a key. */
#include "collector/stage/key_fields.h"
#include "collector/stage/stage.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <string.h>

enum { OVERFLOW_DROP, OVERFLOW_MARK };

struct config {
    uint64_t capacity, max_keys;
    double refill;
    const char *key_field;
    uint32_t overflow;
};

struct bucket {
    struct table_entry entry;
    double tokens;
    uint64_t at_ns; /* when they were counted */
};

struct state {
    struct key_fields key;
    struct table table;
    struct table_key everything; /* without a key there is one bucket */
    uint64_t marked, evicted;
    uint64_t full_again_ns; /* a bucket that nobody touched for so long is full */
    bool is_crowded;
};

static int limit_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    const char *const name = cfg->key_field;
    const bool has_key = name && *name && strcmp(name, "none") != 0;
    const double full = (double)cfg->capacity / cfg->refill * (double)NS_PER_S;
    t->full_again_ns = full < 9e18 ? (uint64_t)full + 1 : UINT64_MAX;
    s->changes = cfg->overflow == OVERFLOW_MARK;
    const int r = key_fields_open(&t->key, &name, has_key ? 1 : 0, e);
    if (r < 0)
        return r;
    if (table_open(&t->table, has_key ? (uint32_t)cfg->max_keys : 1, sizeof(struct bucket)) < 0)
        return err_set(e, -ENOMEM, "max_keys: no memory for %llu keys", (unsigned long long)cfg->max_keys);
    return 0;
}

static void limit_close(struct stage *s)
{
    struct state *const t = s->state;
    key_fields_close(&t->key);
    table_close(&t->table);
}

static struct bucket *bucket_new(const struct config *cfg, struct state *t, struct table_key key, uint64_t now_ns)
{
    if (table_is_full(&t->table)) {
        t->evicted++;
        table_remove(&t->table, table_oldest(&t->table));
    }
    struct bucket *const b = table_add(&t->table, key);
    b->tokens = (double)cfg->capacity;
    b->at_ns = now_ns;
    return b;
}

static bool take_token(const struct config *cfg, struct bucket *b, uint64_t now_ns)
{
    b->tokens += (double)(now_ns - b->at_ns) * cfg->refill / (double)NS_PER_S;
    if (b->tokens > (double)cfg->capacity)
        b->tokens = (double)cfg->capacity;
    b->at_ns = now_ns;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

static enum stage_verdict mark(struct state *t, struct stage_record *sr)
{
    static const char name[] = "rate_limited";
    const struct fapilog_field f = {
        .name = {name, sizeof name - 1}, .type = FAPILOG_TYPE_BOOL, .v.u64 = 1};
    if (stage_add_field(sr, &f) < 0)
        return STAGE_FAILED;
    t->marked++;
    return STAGE_PASS;
}

static enum stage_verdict limit_run(struct stage *s, struct stage_record *sr)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    const struct table_key key = t->key.count ? key_fields_hash(&t->key, sr->r) : t->everything;
    struct bucket *b = table_find(&t->table, key);
    if (b)
        table_touch(&t->table, b);
    else
        b = bucket_new(cfg, t, key, sr->now_ns);
    if (take_token(cfg, b, sr->now_ns))
        return STAGE_PASS;
    return cfg->overflow == OVERFLOW_MARK ? mark(t, sr) : STAGE_DROP;
}

/* Said at nine tenths of the keys, taken back at eight. */
static void crowd_check(struct stage *s)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    if (!t->key.count)
        return;
    if (!t->is_crowded && (uint64_t)t->table.count * 10 >= cfg->max_keys * 9) {
        t->is_crowded = true;
        stage_warn(s, "%u of %llu keys of %s are in use; beyond that the one unused for longest is forgotten, and "
                      "its limit with it: raise max_keys", t->table.count, (unsigned long long)cfg->max_keys,
                   cfg->key_field);
    } else if (t->is_crowded && (uint64_t)t->table.count * 10 < cfg->max_keys * 8) {
        t->is_crowded = false;
    }
}

/* A full bucket is as good as none. */
static void limit_tick(struct stage *s, uint64_t now_ns)
{
    struct state *const t = s->state;
    for (struct bucket *b; (b = table_oldest(&t->table)) && now_ns - b->at_ns >= t->full_again_ns;)
        table_remove(&t->table, b);
    crowd_check(s);
}

static void limit_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    const struct state *const t = s->state;
    visit(arg, "rate_limit_keys_tracked", t->key.count ? t->table.count : 0);
    visit(arg, "rate_limit_keys_evicted", (double)t->evicted);
    visit(arg, "rate_limit_marked", (double)t->marked);
}

static const struct opt_word actions[] = {{"drop", OVERFLOW_DROP}, {"mark", OVERFLOW_MARK}, {NULL, 0}};

static const struct opt limit_opts[] = {
    OPT_NUM_(OPT_UINT, struct config, capacity, "capacity", "10", 1, 1000000000, 0,
             "Records that may come at once."),
    {OPT_REAL, "refill_rate_per_sec", "refill_rate", "5", 0, 0, NULL, 0, OPT_AT_(struct config, refill, double),
     "Records a second in the long run.", 0.001, 1e9},
    OPT_TEXT_(struct config, key_field, "key_field", "none", 0,
              "A field, or logger, service, message ...: each value has a bucket of its own; none: one for all."),
    OPT_NUM_(OPT_UINT, struct config, max_keys, "max_keys", "10000", 1, 1000000, 0,
             "Values that are told apart; then the one unused for longest is forgotten."),
    OPT_WORD_(struct config, overflow, "overflow_action", "drop", actions, 0,
              "mark: the record goes on with rate_limited: true."),
    OPT_END,
};

const struct stage_ops stage_rate_limit = {
    .abi = STAGE_ABI, .kind = "rate_limit", .summary = "Limits records a second, by key.", .group = STAGE_FILTER,
    .changes = true, .opts = limit_opts, .cfg_size = sizeof(struct config), .state_size = sizeof(struct state),
    .open = limit_open, .run = limit_run, .tick = limit_tick, .gauges = limit_gauges, .close = limit_close,
};
