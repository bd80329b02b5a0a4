/* Passes the first record of its kind in a window, and a share of those that follow. */
#include "collector/stage/key_fields.h"
#include "collector/stage/random.h"
#include "collector/stage/stage.h"

#include <errno.h>

struct config {
    struct opt_list key_fields;
    uint64_t window_ns, max_keys;
    double subsequent;
};

struct seen {
    struct table_entry entry;
    uint64_t since_ns;
};

struct state {
    struct key_fields key;
    struct table table; /* in the order in which the windows began */
    uint64_t random, threshold;
};

static int first_check(void *cfg, struct err *e)
{
    const struct config *const c = cfg;
    if (c->key_fields.count == 0)
        return err_set(e, -EINVAL, "key_fields: needs at least one name");
    return c->key_fields.count <= KEY_FIELDS_MAX ? 0 :
           err_set(e, -EINVAL, "key_fields: %u names are more than %d", c->key_fields.count, KEY_FIELDS_MAX);
}

static int first_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    t->random = random_seed();
    t->threshold = random_threshold(cfg->subsequent);
    const int r = key_fields_open(&t->key, (const char *const *)cfg->key_fields.item, cfg->key_fields.count, e);
    if (r < 0)
        return r;
    if (table_open(&t->table, (uint32_t)cfg->max_keys, sizeof(struct seen)) < 0)
        return err_set(e, -ENOMEM, "max_keys: no memory for %llu keys", (unsigned long long)cfg->max_keys);
    return 0;
}

static void first_close(struct stage *s)
{
    struct state *const t = s->state;
    key_fields_close(&t->key);
    table_close(&t->table);
}

static enum stage_verdict first_run(struct stage *s, struct stage_record *sr)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    const struct table_key key = key_fields_hash(&t->key, sr->r);
    struct seen *x = table_find(&t->table, key);
    if (x && sr->now_ns - x->since_ns < cfg->window_ns)
        return random_keeps(&t->random, t->threshold) ? STAGE_PASS : STAGE_DROP;
    if (x) {
        table_touch(&t->table, x);
    } else {
        if (table_is_full(&t->table))
            table_remove(&t->table, table_oldest(&t->table));
        x = table_add(&t->table, key);
    }
    x->since_ns = sr->now_ns;
    return STAGE_PASS;
}

static void first_tick(struct stage *s, uint64_t now_ns)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    for (struct seen *x; (x = table_oldest(&t->table)) && now_ns - x->since_ns >= cfg->window_ns;)
        table_remove(&t->table, x);
}

static void first_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    visit(arg, "first_occurrence_keys_tracked", ((const struct state *)s->state)->table.count);
    visit(arg, "filter_sample_rate", ((const struct config *)s->cfg)->subsequent);
}

static const struct opt first_opts[] = {
    OPT_LIST_(struct config, key_fields, "key_fields", "message", 0,
              "Names whose values together make two records alike."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct config, window_ns, "window", "window_seconds", "60s", 1000000,
                   86400000000000, 0, "From the first record of its kind to the next that counts as first."),
    OPT_NUM_(OPT_UINT, struct config, max_keys, "max_keys", "10000", 1, 1000000, 0,
             "Kinds that are told apart; then the oldest is forgotten."),
    OPT_REAL_(struct config, subsequent, "subsequent_sample_rate", "0.0", 0, 1, 0,
              "Share of the further records that passes, 0 to 1."),
    OPT_END,
};

const struct stage_ops stage_first_occurrence = {
    .abi = STAGE_ABI, .kind = "first_occurrence", .summary = "Passes the first record of its kind in a window.",
    .group = STAGE_FILTER, .opts = first_opts, .cfg_size = sizeof(struct config),
    .state_size = sizeof(struct state), .check = first_check, .open = first_open, .run = first_run,
    .tick = first_tick, .gauges = first_gauges, .close = first_close,
};
