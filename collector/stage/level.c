/* Drops what is below a level. */
#include "collector/stage/stage.h"

struct config {
    uint8_t min_level;
    bool drop_below;
};

static enum stage_verdict level_run(struct stage *s, struct stage_record *sr)
{
    const struct config *const cfg = s->cfg;
    return (sr->r->level < cfg->min_level) == cfg->drop_below ? STAGE_DROP : STAGE_PASS;
}

static const struct opt level_opts[] = {
    {OPT_LEVEL, "min_level", "min", "INFO", 1, 31, NULL, OPT_LIVE, OPT_AT_(struct config, min_level, uint8_t),
     "The lowest level that passes."},
    OPT_BOOL_(struct config, drop_below, "drop_below", "true", OPT_LIVE,
              "false: drop what is at or above it, and keep what is below."),
    OPT_END,
};

const struct stage_ops stage_level = {
    .abi = STAGE_ABI, .kind = "level", .summary = "Drops records below a level.", .group = STAGE_FILTER,
    .opts = level_opts, .cfg_size = sizeof(struct config), .run = level_run,
};
