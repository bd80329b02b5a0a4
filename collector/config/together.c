/* Whether the parts of a configuration fit together, as far as that can be told before anything is opened. */
#include "collector/config/build.h"
#include "collector/delivery/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void warn(void *arg, const char *text)
{
    build_warn(arg, "%s", text);
}

static int open_routes(struct build *b, struct routes **ret, struct err *e)
{
    const char *names[FAPILOG_SINKS_MAX];
    struct config *c = b->c;
    *ret = NULL;
    for (uint32_t i = 0; i < c->sinks_count; i++)
        names[i] = c->sink[i]->common.name;
    return c->routes.count ? routes_open(&c->routes, names, c->sinks_count, ret, warn, b, e) : 0;
}

static bool is_sink(const struct config *c, const char *name)
{
    for (uint32_t i = 0; i < c->sinks_count; i++)
        if (strcmp(c->sink[i]->common.name, name) == 0)
            return true;
    return false;
}

/* The sinks that get what the collector has to say. */
static void check_diagnostics(struct build *b)
{
    const struct config *c = b->c;
    const struct opt_list *names = &c->settings.diagnostics_sinks;
    bool has_any = names->count;
    for (uint32_t i = 0; i < names->count; i++)
        if (!is_sink(c, names->item[i]))
            build_problem(b, -EINVAL, "%s: diagnostics_sinks: there is no sink '%s'",
                          config_source(c, "diagnostics_sinks"), names->item[i]);
    for (uint32_t i = 0; i < c->sinks_count; i++)
        has_any |= !c->sink[i]->ops->remote;
    if (!has_any && (c->settings.diagnostics == DIAGNOSTICS_RECORDS || c->settings.diagnostics == DIAGNOSTICS_BOTH))
        build_warn(b, "diagnostics: every sink is remote, so none gets records of the collector; name some in "
                   "diagnostics_sinks");
}

void build_check(struct build *b)
{
    struct config *c = b->c;
    struct err why = {0};
    struct routes *routes = NULL;
    struct stages *chain = calloc(1, sizeof *chain); /* the pipeline only asks how many there are */
    int r = chain ? open_routes(b, &routes, &why) : err_set(&why, -ENOMEM, "out of memory");
    if (r == 0) {
        chain->count = build_stages_total(b);
        const struct pipeline_settings settings = {
            .stages = chain->count ? chain : NULL,
            .routes = routes,
            .route_config = routes ? &c->routes : NULL,
        };
        r = pipeline_check(c->sink, c->sinks_count, &settings, &why);
    }
    if (r == 0 && build_stages_total(b) > STAGES_MAX)
        r = err_set(&why, -E2BIG, "stages: with adaptive there may be %d, not %u", STAGES_MAX - 1, c->stages_count);
    if (r < 0)
        build_problem(b, r, "%s", why.text);
    check_diagnostics(b);
    routes_close(routes);
    free(chain);
}
