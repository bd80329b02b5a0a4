/* Whether the parts of a configuration fit together, as far as that can be told before anything is opened. */
#include "collector/config/build.h"
#include "collector/delivery/pipeline.h"

#include <errno.h>
#include <stdlib.h>

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
    routes_close(routes);
    free(chain);
}
