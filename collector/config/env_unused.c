/* Variables that nobody took. Most belong to services; those that look like ours are told of. */
#include "collector/config/build.h"
#include "collector/config/env_reference.h"
#include "lib/base/check.h"
#include "lib/base/edit_distance.h"

#include <string.h>
#include <strings.h>

enum { NEAR = 2 }; /* edits */

/* What services read, and what only tests set. */
static const char *const of_services[] = {
    "RING_DIR", "LEVEL", "ON_FULL", "LANE_SIZE", "LANES", "SERVICE", "ENV", "VERSION", "FAULT",
};

static const char *const of_ours[] = {
    "CONFIG", "RING_DIR", "PRESET", "SINKS", "LEVELS", "CORE__SINKS", "CORE__LOG_LEVEL", "CORE__PROTECTED_LEVELS",
    "CORE__FILTERS", "CORE__ENRICHERS", "CORE__REDACTORS", "CORE__PROCESSORS", "SINK_ROUTING__ENABLED",
    "SINK_ROUTING__RULES", "SINK_ROUTING__OVERLAP", "SINK_ROUTING__FALLBACK_SINKS", "HTTP__ENDPOINT", "FILE__DIRECTORY",
};

static bool is_of_services(const char *name)
{
    bool is = false;
    for (size_t i = 0; i < ARRAY_COUNT(of_services); i++)
        is |= strcasecmp(name, of_services[i]) == 0;
    return is;
}

static const char *nearest(const char *name, unsigned limit)
{
    const char *near = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(of_ours); i++)
        if (edit_distance(of_ours[i], name) <= limit)
            near = of_ours[i];
    for (const struct opt *row = settings_opts; row->type != OPT_END_ROW && !near; row++)
        if (edit_distance(row->name, name) <= limit)
            near = row->name;
    return near;
}

static void upper(const char *text, char *ret, size_t size)
{
    size_t i = 0;
    for (; text[i] && i + 1 < size; i++)
        ret[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
    ret[i] = '\0';
}

/* The prefix is one of this sink or stage, or nearly: what was said about it. */
static bool told(struct build *b, const struct env_var *v, const char *kind, const struct tables *t,
                 const struct env_prefixes *prefixes)
{
    for (const char *const *p = prefixes->item; *p; p++) {
        char begin[ENV_NAME_MAX], shown[ENV_NAME_MAX];
        const size_t len = strlen(*p);
        const char *rest = env_rest(v, *p);
        if (rest) {
            const char *near = tables_suggest(t, rest);
            upper(near ? near : "", shown, sizeof shown);
            build_warn(b, "%s has no effect: %s has no such option%s%s%s%s", v->name, kind, near
                       ? "; did you mean " : "",
                       near ? *p : "", shown, near ? "?" : "");
            return true;
        }
        /* A misspelt prefix has its "__" not far away. */
        const char *end = strstr(v->name + 8, "__");
        for (const char *next = end; next && (size_t)(next + 2 - v->name) <= len + NEAR; next = strstr(next + 2, "__"))
            end = next;
        if (!end || (size_t)(end + 2 - v->name) >= sizeof begin)
            continue;
        (void)snprintf(begin, sizeof begin, "%.*s", (int)(end + 2 - v->name), v->name);
        if (edit_distance(begin, *p) <= NEAR) {
            build_warn(b, "%s has no effect; did you mean %s%s?", v->name, *p, end + 2);
            return true;
        }
    }
    return false;
}

static bool told_of_sinks(struct build *b, const struct env_var *v)
{
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        const struct tables t = {{(*ops)->opts, sink_common_opts, sink_delivery_opts}, {NULL}, (*ops)->remote ? 3 : 2};
        struct env_prefixes p;
        char kind[80];
        env_prefixes(&p, "FAPILOG_SINK_CONFIG__", (*ops)->scheme, (*ops)->aliases, (*ops)->env_prefixes);
        (void)snprintf(kind, sizeof kind, "the sink %s", (*ops)->scheme);
        if (told(b, v, kind, &t, &p))
            return true;
    }
    return false;
}

static bool told_of_stages(struct build *b, const struct env_var *v)
{
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++) {
        const struct tables t = {{(*ops)->opts}, {NULL}, 1};
        struct env_prefixes p;
        char kind[80];
        stage_prefixes(&p, *ops);
        (void)snprintf(kind, sizeof kind, "the stage %s", (*ops)->kind);
        bool is_option = false;
        for (const char *const *prefix = p.item; *prefix; prefix++)
            is_option |= env_rest(v, *prefix) && opt_find((*ops)->opts, env_rest(v, *prefix));
        if (is_option)
            build_warn(b, "%s has no effect: there is no stage %s", v->name, (*ops)->kind);
        if (is_option || told(b, v, kind, &t, &p))
            return true;
    }
    return false;
}

static bool told_of_adaptive(struct build *b, const struct env_var *v)
{
    const struct tables t = {{pressure_opts}, {NULL}, 1};
    const struct env_prefixes p = {.item = {"FAPILOG_ADAPTIVE__"}};
    return told(b, v, "adaptive", &t, &p);
}

static bool told_of_the_reference(struct build *b, const struct env_var *v)
{
    const char *const instead = env_reference(v->name + strlen("FAPILOG_"));
    if (instead)
        build_warn(b, "%s has no effect: %s", v->name, instead);
    return instead != NULL;
}

void env_unused(struct build *b)
{
    for (unsigned i = 0; i < b->env.count; i++) {
        const struct env_var *v = &b->env.var[i];
        const char *name = v->name + strlen("FAPILOG_");
        char shown[ENV_NAME_MAX];
        if (v->is_used || is_of_services(name) || told_of_the_reference(b, v) || told_of_sinks(b, v) ||
            told_of_stages(b, v) || told_of_adaptive(b, v))
            continue;
        const char *near = nearest(name, strlen(name) < 6 ? 1 : NEAR);
        upper(near ? near : "", shown, sizeof shown);
        if (near)
            build_warn(b, "%s has no effect; did you mean FAPILOG_%s?", v->name, shown);
    }
}
