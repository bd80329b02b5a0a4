/* pressure.h - what the collector does when more comes in than it can put away. It is told how full rings and
 * queues are; the level of pressure that follows decides what a filter at the head of the chain lets through:
 *
 *   NORMAL    everything
 *   ELEVATED  half the target of the adaptive_sampling that there is, or else a sample of `shed_target_eps` a second
 *   HIGH      the same, and nothing below WARNING
 *   CRITICAL  protected levels, and what is above the lowest of them
 *
 * Protected levels pass at every level of pressure. One step up at a check; one step down no earlier than `cooldown`
 * after the last step, and only below the lower of two thresholds, so that the level does not swing. */
#ifndef COLLECTOR_STAGE_PRESSURE_H
#define COLLECTOR_STAGE_PRESSURE_H

#include "collector/stage/stage.h"

enum pressure_level { PRESSURE_NORMAL, PRESSURE_ELEVATED, PRESSURE_HIGH, PRESSURE_CRITICAL, PRESSURE_LEVELS };

/* Rows in pressure_opts; in the environment FAPILOG_ADAPTIVE__, in a configuration `adaptive`. */
struct pressure_config {
    bool enabled;
    uint64_t check_interval_ns, cooldown_ns;
    double escalate_to_elevated, escalate_to_high, escalate_to_critical;
    double deescalate_from_elevated, deescalate_from_high, deescalate_from_critical;
    bool filter_tightening; /* false: the level is shown, nothing is shed */
    bool batch_sizing;      /* see pressure_batch_scale() */
    double circuit_pressure_boost;
    double shed_target_eps;
    struct opt_list protected_levels;
};
extern const struct opt pressure_opts[];

struct pressure {
    const struct pressure_config *cfg;
    enum pressure_level level;
    uint32_t protected_mask;
    uint8_t critical_level;  /* the lowest that passes at CRITICAL */
    double fill;             /* of the last check, with what open breakers add */
    uint64_t steps_up, steps_down;
    uint64_t shed[PRESSURE_LEVELS];  /* records, by the filter below */
    uint64_t at_ns[PRESSURE_LEVELS]; /* time spent at each level, up to the last check */
    /* Of a step, with the fill that caused it; for messages. May be NULL. */
    void (*stepped)(void *arg, enum pressure_level from, enum pressure_level to, double fill);
    void *arg;
    /* private */
    double fill_max;
    uint64_t checked_ns, stepped_ns;
};

int pressure_check(const struct pressure_config *cfg, struct err *e); /* what the rows cannot */
/* cfg stays the caller's; `stepped` and `arg` may be set before or after. */
int pressure_open(struct pressure *p, const struct pressure_config *cfg, struct err *e);
/* As often as one likes: the fullest since the last check counts. `fill` is 0..1, the largest of all ratios. Does
 * nothing while `enabled` is false. */
void pressure_feed(struct pressure *p, uint64_t now_ns, double fill, unsigned breakers_open);
const char *pressure_level_name(enum pressure_level level);

/* How much larger than configured batches are now: twice with each level, so that each record costs less; 1 without
 * batch_sizing. It swings as little as the level. */
unsigned pressure_batch_scale(const struct pressure *p);
uint64_t pressure_shed_total(const struct pressure *p);

/* The shedding filter: stage_new(&stage_pressure), pressure_attach(), and the first place in the list of stages. */
extern const struct stage_ops stage_pressure;
void pressure_attach(struct stage *s, struct pressure *p);

#endif
