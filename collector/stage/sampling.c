/* Keeps a share of the records, by chance. */
#include "collector/stage/random.h"
#include "collector/stage/stage.h"
#include "lib/base/level_mask.h"

struct config {
    double rate;
    uint64_t seed;
    struct opt_list always;
};

struct state {
    uint64_t random, threshold;
    uint32_t always;
};

static int sampling_check(void *cfg, struct err *e)
{
    uint32_t mask;
    return level_mask_parse(&((const struct config *)cfg)->always, "always", &mask, e);
}

static int sampling_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    t->threshold = random_threshold(cfg->rate);
    t->random = cfg->seed == OPT_UNSET ? random_seed() : cfg->seed;
    return level_mask_parse(&cfg->always, "always", &t->always, e);
}

static enum stage_verdict sampling_run(struct stage *s, struct stage_record *sr)
{
    struct state *const t = s->state;
    if (level_mask_has(t->always, sr->r->level))
        return STAGE_PASS;
    return random_keeps(&t->random, t->threshold) ? STAGE_PASS : STAGE_DROP;
}

static void sampling_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    visit(arg, "filter_sample_rate", ((const struct config *)s->cfg)->rate);
}

static const struct opt sampling_opts[] = {
    {OPT_REAL, "sample_rate", "rate", "1.0", 0, 0, NULL, 0, OPT_AT_(struct config, rate, double),
     "Share of the records that passes, 0 to 1.", 0, 1},
    OPT_NUM_(OPT_UINT, struct config, seed, "seed", "none", 0, UINT64_MAX - 1, 0,
             "Makes the choice the same in each run; none: another in each."),
    OPT_LIST_(struct config, always, "always", "", 0, "Levels that always pass."),
    OPT_END,
};

static const char *const aliases[] = {"sample", NULL};

const struct stage_ops stage_sampling = {
    .abi = STAGE_ABI, .kind = "sampling", .aliases = aliases, .summary = "Keeps a random share of the records.",
    .group = STAGE_FILTER, .opts = sampling_opts, .cfg_size = sizeof(struct config),
    .state_size = sizeof(struct state), .check = sampling_check, .open = sampling_open, .run = sampling_run,
    .gauges = sampling_gauges,
};
