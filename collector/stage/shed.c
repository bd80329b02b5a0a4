/* The filter at the head of the chain that does what the pressure asks for. */
#include "collector/stage/adapt.h"
#include "collector/stage/adaptive_sampling.h"
#include "collector/stage/internal_record.h"
#include "collector/stage/pressure.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/level_mask.h"

#include <string.h>

#define TEXT(s) {(s), sizeof(s) - 1}

struct config {
    struct pressure *pressure; /* by pressure_attach() */
};

struct state {
    enum pressure_level applied;
    bool has_adaptive;
    struct adapt sample;
    uint64_t told, told_at_ns;
};

void pressure_attach(struct stage *s, struct pressure *p)
{
    CHECK(s->ops == &stage_pressure);
    ((struct config *)s->cfg)->pressure = p;
}

static void scale_adaptive(struct stage *s, double scale)
{
    struct state *const t = s->state;
    t->has_adaptive = false;
    for (uint32_t i = 0; i < s->chain->count; i++)
        if (adaptive_sampling_is(s->chain->stage[i])) {
            adaptive_sampling_scale(s->chain->stage[i], scale);
            t->has_adaptive = true;
        }
}

static int shed_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    (void)e;
    CHECK(cfg->pressure);
    t->sample = (struct adapt){.target = cfg->pressure->cfg->shed_target_eps, .min = 0, .max = 1, .smoothing = 1,
                               .window_ns = 4 * NS_PER_S};
    return 0;
}

/* Into ELEVATED and out of it; the steps above need nothing to be set up. */
static void apply(struct stage *s, enum pressure_level level)
{
    struct state *const t = s->state;
    const bool was = t->applied >= PRESSURE_ELEVATED, is = level >= PRESSURE_ELEVATED;
    t->applied = level;
    if (was == is)
        return;
    scale_adaptive(s, is ? 0.5 : 1);
    adapt_start(&t->sample);
}

static bool passes(const struct pressure *p, struct state *t, const struct fapilog_record *r, uint64_t now_ns)
{
    if (level_mask_has(p->protected_mask, r->level) || p->level == PRESSURE_NORMAL)
        return true;
    if (p->level == PRESSURE_CRITICAL)
        return r->level >= p->critical_level;
    if (p->level == PRESSURE_HIGH && r->level < FAPILOG_LEVEL_WARNING)
        return false;
    return t->has_adaptive || adapt_keeps(&t->sample, now_ns);
}

static enum stage_verdict shed_run(struct stage *s, struct stage_record *sr)
{
    struct pressure *const p = ((const struct config *)s->cfg)->pressure;
    struct state *const t = s->state;
    if (likely(p->level == PRESSURE_NORMAL && t->applied == PRESSURE_NORMAL) || !p->cfg->filter_tightening)
        return STAGE_PASS;
    if (p->level != t->applied)
        apply(s, p->level);
    if (passes(p, t, sr->r, sr->now_ns))
        return STAGE_PASS;
    p->shed[p->level]++;
    return STAGE_DROP;
}

/* In the log, as what producers drop is. */
static void tell(struct stage *s, const struct pressure *p, uint64_t count)
{
    const char *const level = pressure_level_name(p->level);
    const struct fapilog_field fields[] = {
        {.name = TEXT("count"), .type = FAPILOG_TYPE_U64, .v.u64 = count},
        {.name = TEXT("reason"), .type = FAPILOG_TYPE_STRING, .len = sizeof "pressure" - 1, .v.data = "pressure"},
        {.name = TEXT("pressure"), .type = FAPILOG_TYPE_STRING, .len = (uint32_t)strlen(level), .v.data = level},
    };
    struct fapilog_record r = internal_record(FAPILOG_LEVEL_WARNING, (struct fapilog_text)TEXT("records dropped"));
    r.fields = fields;
    r.fields_count = ARRAY_COUNT(fields);
    stage_emit(s, &r);
}

/* Back to NORMAL without a record that would notice; and once a second the count of what was shed. */
static void shed_tick(struct stage *s, uint64_t now_ns)
{
    const struct pressure *const p = ((const struct config *)s->cfg)->pressure;
    struct state *const t = s->state;
    if (p->cfg->filter_tightening && p->level != t->applied)
        apply(s, p->level);
    const uint64_t total = pressure_shed_total(p);
    if (total == t->told || (now_ns != UINT64_MAX && now_ns - t->told_at_ns < NS_PER_S))
        return;
    tell(s, p, total - t->told);
    t->told = total;
    t->told_at_ns = now_ns;
}

static void shed_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    const struct pressure *const p = ((const struct config *)s->cfg)->pressure;
    visit(arg, "pressure_level", p->level);
    visit(arg, "pressure_fill", p->fill);
    visit(arg, "pressure_steps_up", (double)p->steps_up);
    visit(arg, "pressure_steps_down", (double)p->steps_down);
    visit(arg, "pressure_shed_elevated", (double)p->shed[PRESSURE_ELEVATED]);
    visit(arg, "pressure_shed_high", (double)p->shed[PRESSURE_HIGH]);
    visit(arg, "pressure_shed_critical", (double)p->shed[PRESSURE_CRITICAL]);
}

static const struct opt no_opts[] = {OPT_END};

const struct stage_ops stage_pressure = {
    .abi = STAGE_ABI, .kind = "pressure", .summary = "Sheds records under pressure.", .group = STAGE_FILTER,
    .opts = no_opts, .cfg_size = sizeof(struct config), .state_size = sizeof(struct state), .open = shed_open,
    .run = shed_run, .tick = shed_tick, .gauges = shed_gauges,
};
