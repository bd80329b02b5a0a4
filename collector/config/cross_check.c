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

static void refuse(void *arg, int code, const char *text)
{
    build_problem(arg, code, "%s", text);
}

/* What is wrong with them is told as it is found. */
static int open_routes(struct build *b, struct routes **ret)
{
    const struct routes_listener listener = {.refuse = refuse, .warn = warn, .arg = b};
    const char *names[FAPILOG_SINKS_MAX];
    struct config *c = b->c;
    *ret = NULL;
    for (uint32_t i = 0; i < c->sinks_count; i++)
        names[i] = c->sink[i]->common.name;
    return c->routes.count ? routes_open(&c->routes, names, c->sinks_count, ret, &listener, NULL) : 0;
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

/* Where an option of a sink was given, with its value; NULL: it is the default. */
static const char *given(const struct config *c, struct sink *s, const char *option, char *value, size_t size)
{
    char path[400];
    void *cfg;
    const struct opt *row = sink_option(s, option, &cfg);
    (void)snprintf(path, sizeof path, "sinks.%s.%s", s->common.name, option);
    const char *source = config_source(c, path);
    if (!row || opt_print(row, cfg, value, size) < 0 || strcmp(source, "default") == 0)
        return NULL;
    return source;
}

/* A default gives way, but of two values that somebody has asked for both must hold. */
static void check_bound(struct build *b, struct sink *s, const char *option, bool is_beyond, const char *part,
                        const char *bound)
{
    char value[64], most[64];
    const char *source = given(b->c, s, option, value, sizeof value);
    const char *from = given(b->c, s, bound, most, sizeof most);
    if (is_beyond && source && from)
        build_problem(b, -EINVAL, "%s: sinks.%s.%s: %s is more than %s%s, which is %s (%s)", source, s->common.name,
                      option, value, part, bound, most, from);
}

/* What a request cannot hold by its protocol would never take effect. */
static void check_limit(struct build *b, struct sink *s, const char *option, uint64_t wanted, uint64_t most,
                        const char *of_what)
{
    char value[64];
    const char *source = given(b->c, s, option, value, sizeof value);
    if (most && wanted > most && source)
        build_problem(b, -EINVAL, "%s: sinks.%s.%s: %s; a request of %s holds at most %llu %s", source, s->common.name,
                      option, value, s->ops->scheme, (unsigned long long)most, of_what);
}

static void check_delivery(struct build *b)
{
    for (uint32_t i = 0; i < b->c->sinks_count; i++) {
        struct sink *s = b->c->sink[i];
        const struct sink_delivery *d = &s->delivery;
        struct sink_limits most = {0};
        if (!s->ops->remote)
            continue;
        if (s->ops->remote->limits)
            s->ops->remote->limits(s, &most);
        check_limit(b, s, "batch_size", d->batch_size, most.records, "records");
        check_limit(b, s, "batch_bytes", d->batch_bytes, most.bytes, "bytes");
        check_bound(b, s, "retry_base_delay", d->retry_base_delay_ns > d->retry_max_delay_ns, "", "retry_max_delay");
        check_bound(b, s, "spool_segment_bytes", d->spool_segment_bytes > d->spool_max_bytes / SINK_SPOOL_FILES_MIN,
                    "a quarter of ", "spool_max_bytes");
    }
}

static int try_pipeline(struct build *b, struct routes *routes, struct err *e)
{
    struct config *c = b->c;
    struct stages *chain = calloc(1, sizeof *chain); /* the pipeline only asks how many there are */
    if (!chain)
        return err_set(e, -ENOMEM, "out of memory");
    chain->count = build_stages_total(b);
    const struct pipeline_settings settings = {
        .stages = chain->count ? chain : NULL,
        .routes = routes,
        .route_config = routes ? &c->routes : NULL,
    };
    int r = pipeline_check(c->sink, c->sinks_count, &settings, e);
    if (r == 0 && chain->count > STAGES_MAX)
        r = err_set(e, -E2BIG, "stages: with adaptive there may be %d, not %u", STAGES_MAX - 1, c->stages_count);
    free(chain);
    return r;
}

static void check_pipeline(struct build *b)
{
    struct err why = {0};
    struct routes *routes;
    if (open_routes(b, &routes) < 0)
        return;
    const int r = try_pipeline(b, routes, &why);
    if (r < 0)
        build_problem(b, r, "%s", why.text);
    else
        build_check_outputs(b);
    routes_close(routes);
}

static bool searches(const struct stage *s)
{
    static const char *const kinds[] = {"redact", "value_mask", "url_credentials"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i], s->ops->kind) == 0)
            return true;
    return false;
}

static bool cuts(const struct stage *s)
{
    char text[32];
    const struct opt *const row = opt_find(s->ops->opts, "max_string_length");
    return row && opt_print(row, s->cfg, text, sizeof text) > 0 && strcmp(text, "none") != 0;
}

/* Of a card number that was cut nothing tells that it is one. What looks at names alone loses nothing. */
static void check_cuts(struct build *b)
{
    const struct stage *cutter = NULL;
    for (uint32_t i = 0; i < b->c->stages_count; i++) {
        const struct stage *s = b->c->stage[i];
        if (cutter && searches(s))
            build_warn(b, "stages: %s cuts texts before %s searches them, which then finds no secret that was cut in "
                       "two; put it behind", cutter->name, s->name);
        if (cuts(s))
            cutter = s;
    }
}

void build_check(struct build *b)
{
    check_cuts(b);
    if (!b->c->sinks_count) {
        build_problem(b, -EINVAL, "sinks: there is none; name one, or leave sinks out for the console");
        return;
    }
    check_pipeline(b);
    check_diagnostics(b);
    check_delivery(b);
}
