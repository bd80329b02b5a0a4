/* Keeps or drops what an expression matches. */
#include "collector/stage/stage.h"
#include "lib/base/clock.h"
#include "lib/where/where.h"

#include <errno.h>

enum { ACTION_KEEP, ACTION_DROP };

struct config {
    const char *where;
    uint32_t action;
};

struct state {
    struct where *where;
};

static int match_check(void *cfg, struct err *e)
{
    struct where *w = NULL;
    const int r = where_parse(((const struct config *)cfg)->where, (int64_t)clock_real_ns(), &w, e);
    where_free(w);
    return r;
}

static int match_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    return where_parse(cfg->where, (int64_t)clock_real_ns(), &t->where, e);
}

static void match_close(struct stage *s)
{
    struct state *const t = s->state;
    where_free(t->where);
    t->where = NULL;
}

static enum stage_verdict match_run(struct stage *s, struct stage_record *sr)
{
    const struct config *const cfg = s->cfg;
    const struct state *const t = s->state;
    return where_matches(t->where, sr->r) == (cfg->action == ACTION_KEEP) ? STAGE_PASS : STAGE_DROP;
}

static const struct opt_word actions[] = {{"keep", ACTION_KEEP}, {"drop", ACTION_DROP}, {NULL, 0}};

static const struct opt match_opts[] = {
    OPT_TEXT_(struct config, where, "where", NULL, OPT_REQUIRED,
              "Expression, as of fapilog-dump --where: 'level >= ERROR && order_id > 5'."),
    OPT_WORD_(struct config, action, "action", "keep", actions, 0,
              "What becomes of a record that matches; keep drops the others."),
    OPT_END,
};

const struct stage_ops stage_match = {
    .abi = STAGE_ABI, .kind = "match", .summary = "Keeps or drops what an expression matches.",
    .group = STAGE_FILTER, .opts = match_opts, .cfg_size = sizeof(struct config),
    .state_size = sizeof(struct state), .check = match_check, .open = match_open, .run = match_run,
    .close = match_close,
};
