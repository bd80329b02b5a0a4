#include "collector/stage/pressure.h"

#include "lib/base/check.h"
#include "lib/base/level_mask.h"

#include <errno.h>

#define FILL_(m, name, def, help) OPT_REAL_(struct pressure_config, m, name, def, 0, 1, 0, help)

const struct opt pressure_opts[] = {
    OPT_BOOL_(struct pressure_config, enabled, "enabled", "false", 0,
              "Watch how full rings and queues are, and shed load before they overflow."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct pressure_config, check_interval_ns, "check_interval", "check_interval_seconds",
                   "250ms", 10000000, 60000000000, 0, "Time between two looks; one step up at each."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct pressure_config, cooldown_ns, "cooldown", "cooldown_seconds", "2s", 0,
                   3600000000000, 0, "Time after a step before the first step down."),
    FILL_(escalate_to_elevated, "escalate_to_elevated", "0.60", "Fill from which the pressure is ELEVATED."),
    FILL_(escalate_to_high, "escalate_to_high", "0.80", "Fill from which it is HIGH."),
    FILL_(escalate_to_critical, "escalate_to_critical", "0.92", "Fill from which it is CRITICAL."),
    FILL_(deescalate_from_elevated, "deescalate_from_elevated", "0.40", "Fill below which ELEVATED ends."),
    FILL_(deescalate_from_high, "deescalate_from_high", "0.60", "Fill below which HIGH ends."),
    FILL_(deescalate_from_critical, "deescalate_from_critical", "0.75", "Fill below which CRITICAL ends."),
    OPT_BOOL_(struct pressure_config, filter_tightening, "filter_tightening", "true", 0,
              "Shed records; false: only show the level."),
    OPT_BOOL_(struct pressure_config, batch_sizing, "batch_sizing", "false", 0,
              "Double the share of a thread in a turn and the records in a request with each level."),
    OPT_REAL_(struct pressure_config, circuit_pressure_boost, "circuit_pressure_boost", "0.20", 0, 1, 0,
              "What each sink with an open breaker adds to the fill."),
    OPT_REAL_(struct pressure_config, shed_target_eps, "shed_target_eps", "50", 0.001, 1e9, 0,
              "Records a second that pass from ELEVATED on, where no adaptive_sampling is configured."),
    OPT_LIST_(struct pressure_config, protected_levels, "protected_levels", "ERROR,CRITICAL,AUDIT,SECURITY", 0,
              "Levels that are never shed."),
    OPT_END,
};

static double escalate(const struct pressure_config *c, enum pressure_level to)
{
    return to == PRESSURE_ELEVATED ? c->escalate_to_elevated : to == PRESSURE_HIGH ? c->escalate_to_high :
           c->escalate_to_critical;
}

static double deescalate(const struct pressure_config *c, enum pressure_level from)
{
    return from == PRESSURE_ELEVATED ? c->deescalate_from_elevated : from == PRESSURE_HIGH ? c->deescalate_from_high :
           c->deescalate_from_critical;
}

const char *pressure_level_name(enum pressure_level level)
{
    static const char *const names[PRESSURE_LEVELS] = {"NORMAL", "ELEVATED", "HIGH", "CRITICAL"};
    CHECK(level < PRESSURE_LEVELS);
    return names[level];
}

unsigned pressure_batch_scale(const struct pressure *p)
{
    return p->cfg->batch_sizing ? 1u << p->level : 1;
}

uint64_t pressure_shed_total(const struct pressure *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < PRESSURE_LEVELS; i++)
        sum += p->shed[i];
    return sum;
}

/* Of a threshold: what it is called behind escalate_to_ and deescalate_from_. */
static const char *option_of(enum pressure_level level)
{
    static const char *const names[PRESSURE_LEVELS] = {"", "elevated", "high", "critical"};
    CHECK(level < PRESSURE_LEVELS);
    return names[level];
}

static int check_order(const struct pressure_config *cfg, enum pressure_level l, struct err *e)
{
    const char *const name = option_of(l), *const below = option_of(l - 1);
    if (deescalate(cfg, l) >= escalate(cfg, l))
        return err_set(e, -EINVAL, "adaptive: deescalate_from_%s (%g) has to be below escalate_to_%s (%g)", name,
                       deescalate(cfg, l), name, escalate(cfg, l));
    if (l == PRESSURE_ELEVATED)
        return 0;
    if (escalate(cfg, l) <= escalate(cfg, l - 1))
        return err_set(e, -EINVAL, "adaptive: escalate_to_%s (%g) has to be above escalate_to_%s (%g)", name,
                       escalate(cfg, l), below, escalate(cfg, l - 1));
    if (deescalate(cfg, l) < deescalate(cfg, l - 1))
        return err_set(e, -EINVAL, "adaptive: deescalate_from_%s (%g) cannot be below deescalate_from_%s (%g)", name,
                       deescalate(cfg, l), below, deescalate(cfg, l - 1));
    return 0;
}

int pressure_check(const struct pressure_config *cfg, struct err *e)
{
    uint32_t mask;
    for (enum pressure_level l = PRESSURE_ELEVATED; l < PRESSURE_LEVELS; l++) {
        const int r = check_order(cfg, l, e);
        if (r < 0)
            return r;
    }
    return level_mask_parse(&cfg->protected_levels, "adaptive.protected_levels", &mask, e);
}

int pressure_open(struct pressure *p, const struct pressure_config *cfg, struct err *e)
{
    *p = (struct pressure){.cfg = cfg, .stepped = p->stepped, .arg = p->arg};
    const int r = level_mask_parse(&cfg->protected_levels, "adaptive.protected_levels", &p->protected_mask, e);
    if (r < 0)
        return r;
    p->critical_level = p->protected_mask ? (uint8_t)__builtin_ctz(p->protected_mask) : FAPILOG_LEVEL_CRITICAL;
    return pressure_check(cfg, e);
}

static void step(struct pressure *p, uint64_t now_ns, enum pressure_level to)
{
    const enum pressure_level from = p->level;
    p->level = to;
    p->stepped_ns = now_ns;
    *(to > from ? &p->steps_up : &p->steps_down) += 1;
    if (p->stepped)
        p->stepped(p->arg, from, to, p->fill);
}

void pressure_feed(struct pressure *p, uint64_t now_ns, double fill, unsigned breakers_open)
{
    if (!p->cfg->enabled)
        return;
    fill += breakers_open * p->cfg->circuit_pressure_boost;
    if (fill > p->fill_max)
        p->fill_max = fill;
    if (p->checked_ns && now_ns - p->checked_ns < p->cfg->check_interval_ns)
        return;
    if (p->checked_ns)
        p->at_ns[p->level] += now_ns - p->checked_ns;
    p->checked_ns = now_ns;
    p->fill = p->fill_max;
    p->fill_max = 0;
    if (p->level < PRESSURE_CRITICAL && p->fill >= escalate(p->cfg, p->level + 1))
        step(p, now_ns, p->level + 1);
    else if (p->level > PRESSURE_NORMAL && p->fill < deescalate(p->cfg, p->level) &&
             now_ns - p->stepped_ns >= p->cfg->cooldown_ns)
        step(p, now_ns, p->level - 1);
}
