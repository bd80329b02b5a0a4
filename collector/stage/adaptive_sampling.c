/* Keeps as many records a second as were asked for, on average. */
#include "collector/stage/adaptive_sampling.h"

#include "collector/stage/adapt.h"
#include "lib/base/level_mask.h"

#include <errno.h>

struct config {
    double target, min, max, smoothing;
    uint64_t window_ns;
    struct opt_list always;
};

struct state {
    struct adapt adapt;
    uint32_t always;
};

static int adaptive_check(void *config, struct err *e)
{
    const struct config *const cfg = config;
    uint32_t mask;
    if (cfg->min > cfg->max)
        return err_set(e, -EINVAL, "min_sample_rate: %g is above max_sample_rate, %g", cfg->min, cfg->max);
    return level_mask_parse(&cfg->always, "always_pass_levels", &mask, e);
}

static int adaptive_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    t->adapt = (struct adapt){.target = cfg->target, .min = cfg->min, .max = cfg->max, .smoothing = cfg->smoothing,
                              .window_ns = cfg->window_ns};
    adapt_start(&t->adapt);
    return level_mask_parse(&cfg->always, "always_pass_levels", &t->always, e);
}

static enum stage_verdict adaptive_run(struct stage *s, struct stage_record *sr)
{
    struct state *const t = s->state;
    if (level_mask_has(t->always, sr->r->level))
        return STAGE_PASS;
    return adapt_keeps(&t->adapt, sr->now_ns) ? STAGE_PASS : STAGE_DROP;
}

static void adaptive_tick(struct stage *s, uint64_t now_ns)
{
    adapt_turn(&((struct state *)s->state)->adapt, now_ns);
}

static void adaptive_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    visit(arg, "filter_sample_rate", ((const struct state *)s->state)->adapt.rate);
}

static const struct opt adaptive_opts[] = {
    {OPT_REAL, "target_eps", "target", "100", 0, 0, NULL, 0, OPT_AT_(struct config, target, double),
     "Records a second that are to pass, on average.", 0.001, 1e9},
    OPT_REAL_(struct config, min, "min_sample_rate", "0.01", 0, 1, 0, "The rate never falls below this."),
    OPT_REAL_(struct config, max, "max_sample_rate", "1.0", 0, 1, 0, "The rate at low load."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct config, window_ns, "window", "window_seconds", "10s", 1000000000,
                   3600000000000, 0, "Time over which the offered load is measured."),
    OPT_LIST_ALIAS_(struct config, always, "always_pass_levels", "always", "ERROR,CRITICAL", 0,
                    "Levels that always pass and are not measured."),
    OPT_REAL_(struct config, smoothing, "smoothing_factor", "0.3", 0.01, 1, 0,
              "How far the rate moves towards the right one in a step; one step a second."),
    OPT_END,
};

const struct stage_ops stage_adaptive_sampling = {
    .abi = STAGE_ABI, .kind = "adaptive_sampling", .summary = "Keeps a share that follows the load.",
    .group = STAGE_FILTER, .opts = adaptive_opts, .cfg_size = sizeof(struct config),
    .state_size = sizeof(struct state), .check = adaptive_check, .open = adaptive_open, .run = adaptive_run,
    .tick = adaptive_tick, .gauges = adaptive_gauges,
};

bool adaptive_sampling_is(const struct stage *s)
{
    return s->ops == &stage_adaptive_sampling;
}

void adaptive_sampling_scale(struct stage *s, double scale)
{
    adapt_scale(&((struct state *)s->state)->adapt, scale);
}
