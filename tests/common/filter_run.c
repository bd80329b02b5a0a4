#include "tests/common/filter_run.h"

#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hear(void *arg, const char *text)
{
    struct filter_run *const t = arg;
    const size_t n = strlen(t->said);
    (void)snprintf(t->said + n, sizeof t->said - n, "%s\n", text);
}

static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", what, e->text);
    abort();
}

void filter_run_open(struct filter_run *t, const char *kind, const char *const *options)
{
    struct err e = {0};
    *t = (struct filter_run){.now_ns = 1000 * NS_PER_S};
    CHECK(stage_find(kind));
    if (stage_new(stage_find(kind), &t->stage, &e) < 0)
        die(kind, &e);
    for (size_t i = 0; options && options[i]; i += 2) {
        const struct opt *const row = opt_find(t->stage->ops->opts, options[i]);
        CHECK(row);
        if (opt_set(row, t->stage->cfg, options[i + 1], &e) < 0)
            die(options[i], &e);
    }
    if (stage_finish(t->stage, &e) < 0)
        die(kind, &e);
    t->chain.on_message = hear;
    t->chain.message_arg = t;
    if (stages_open(&t->chain, &t->stage, 1, &e) < 0)
        die(kind, &e);
    stages_tick(&t->chain, t->now_ns);
}

void filter_run_close(struct filter_run *t)
{
    stages_close(&t->chain);
    stage_free(t->stage);
    t->stage = NULL;
}

void filter_run_pass(struct filter_run *t, uint64_t ns)
{
    t->now_ns += ns;
    stages_tick(&t->chain, t->now_ns);
}

bool filter_run_keeps(struct filter_run *t, const struct fapilog_record *r)
{
    return stages_run(&t->chain, r) != NULL;
}

unsigned filter_run_kept(struct filter_run *t, const struct fapilog_record *r, unsigned count, double rate)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++) {
        filter_run_pass(t, (uint64_t)((double)NS_PER_S / rate));
        kept += filter_run_keeps(t, r);
    }
    return kept;
}

struct wanted {
    const char *name;
    double value;
};

static void visit(void *arg, const char *name, double value)
{
    struct wanted *const w = arg;
    if (strcmp(name, w->name) == 0)
        w->value = value;
}

double filter_run_gauge(struct filter_run *t, const char *name)
{
    struct wanted w = {name, -1};
    if (t->stage->ops->gauges)
        t->stage->ops->gauges(t->stage, visit, &w);
    return w.value;
}
