#include "collector/route/route.h"

#include "collector/route/internal.h"
#include "lib/base/clock.h"
#include "lib/base/edit_distance.h"
#include "lib/base/level_mask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SINKS_MAX = FAPILOG_SINKS_MAX, NEAR = 2 };
_Static_assert(FAPILOG_SINKS_MAX <= 32, "one bit per sink");

const struct opt route_opts[] = {
    OPT_LIST_(struct route_rule, levels, "levels", "", 0,
              "Levels that the rule is for; a name stands for its range; * or none: all."),
    OPT_LIST_(struct route_rule, loggers, "loggers", "", 0,
              "Loggers with all below them, or patterns (*, ?); none: all."),
    OPT_LIST_(struct route_rule, services, "services", "", 0, "Services, or patterns (*, ?); none: all."),
    OPT_TEXT_(struct route_rule, where, "where", "", 0,
              "Expression that the record must meet, as of fapilog-dump --where; none: all."),
    OPT_LIST_ALIAS_(struct route_rule, to, "to", "sinks", "", OPT_REQUIRED, "Names of the sinks that get the record."),
    OPT_END,
};

struct names {
    const char *const *name;
    uint32_t count;
};

static int refuse_sink(const char *key, const char *name, const struct names *n, struct err *e)
{
    char all[512] = "";
    const char *near = NULL;
    const unsigned limit = strlen(name) > 2 * NEAR ? NEAR : 0; /* of short names each is near to each */
    size_t used = 0;
    for (uint32_t i = 0; i < n->count; i++) {
        if (!near && limit && edit_distance(n->name[i], name) <= limit)
            near = n->name[i];
        if (used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", n->name[i]);
    }
    return err_set(e, -EINVAL, "%s: '%s' is no sink%s%s%s (there are: %s)", key, name, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "", used ? all : "none");
}

/* Named twice is named once. */
static int sinks_of(const struct opt_list *list, const struct names *n, const char *key, uint32_t *ret, struct err *e)
{
    *ret = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t at = 0;
        while (at < n->count && strcmp(n->name[at], list->item[i]) != 0)
            at++;
        if (at == n->count)
            return refuse_sink(key, list->item[i], n, e);
        *ret |= UINT32_C(1) << at;
    }
    return 0;
}

static int list_copy(struct opt_list *to, const struct opt_list *from)
{
    if (!from->count)
        return 0;
    to->item = calloc(from->count, sizeof *to->item);
    if (!to->item)
        return -ENOMEM;
    for (; to->count < from->count; to->count++) {
        to->item[to->count] = strdup(from->item[to->count]);
        if (!to->item[to->count])
            return -ENOMEM;
    }
    return 0;
}

static int rule_compile(struct routes *r, const struct route_rule *from, const struct names *n, struct err *e)
{
    struct compiled_rule *const rule = &r->rule[r->count];
    struct opt_list *const lists = &r->lists[r->count * 2];
    r->count++; /* routes_close() frees what there is of it */
    int result = sinks_of(&from->to, n, "to", &rule->sinks, e);
    if (result == 0 && !rule->sinks)
        result = err_set(e, -EINVAL, "to: the rule names no sink");
    if (result == 0)
        result = level_mask_parse(&from->levels, "levels", &rule->levels, e);
    if (from->levels.count == 0)
        rule->levels = LEVEL_MASK_ALL;
    if (result == 0 && from->where && *from->where)
        result = where_parse(from->where, (int64_t)clock_real_ns(), &rule->where, e);
    if (result == 0 && (list_copy(&lists[0], &from->loggers) < 0 || list_copy(&lists[1], &from->services) < 0))
        result = err_set(e, -ENOMEM, "routes: out of memory");
    rule->loggers = &lists[0];
    rule->services = &lists[1];
    return result;
}

static int rules_compile(struct routes *r, const struct route_config *cfg, const struct names *n, struct err *e)
{
    for (uint32_t i = 0; i < cfg->count; i++) {
        const char *const source = cfg->rule[i].source;
        const int result = rule_compile(r, &cfg->rule[i], n, e);
        if (result < 0) {
            const struct err why = *e;
            return err_set(e, result, "%s%sroutes[%u].%s", source ? source : "", source ? ": " : "", i, why.text);
        }
    }
    return sinks_of(&cfg->fallback, n, "routing.fallback", &r->fallback, e);
}

/* Said once, since it is more often a slip than meant. */
static void warn_of_unused(const struct routes *r, const struct names *n, void (*warn)(void *arg, const char *text),
                           void *arg)
{
    uint32_t used = r->fallback;
    for (uint32_t i = 0; i < r->count; i++)
        used |= r->rule[i].sinks;
    for (uint32_t i = 0; i < n->count && warn && r->count; i++)
        if (!(used >> i & 1)) {
            char text[256];
            (void)snprintf(text, sizeof text, "sink %s gets no records: no route and no fallback names it", n->name[i]);
            warn(arg, text);
        }
}

static struct routes *routes_allocate(const struct route_config *cfg)
{
    struct routes *const r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->rule = calloc(cfg->count + 1, sizeof *r->rule);
    r->lists = calloc(cfg->count * 2 + 1, sizeof *r->lists);
    r->remembered = calloc(ROUTE_REMEMBERED, sizeof *r->remembered);
    if (r->rule && r->lists && r->remembered)
        return r;
    routes_close(r);
    return NULL;
}

int routes_open(const struct route_config *cfg, const char *const *names, uint32_t names_count, struct routes **ret,
                void (*warn)(void *arg, const char *text), void *arg, struct err *e)
{
    const struct names n = {names, names_count};
    if (cfg->count > ROUTES_MAX || names_count > SINKS_MAX)
        return err_set(e, -E2BIG, "routes: at most %d rules and %d sinks (given: %u, %u)", ROUTES_MAX, SINKS_MAX,
                       cfg->count, names_count);
    struct routes *const r = routes_allocate(cfg);
    if (!r)
        return err_set(e, -ENOMEM, "routes: out of memory");
    r->overlap = cfg->overlap;
    r->words = (cfg->count + 63) / 64;
    r->all = names_count == 32 ? UINT32_MAX : (UINT32_C(1) << names_count) - 1;
    const int result = rules_compile(r, cfg, &n, e);
    if (result < 0) {
        routes_close(r);
        return result;
    }
    warn_of_unused(r, &n, warn, arg);
    *ret = r;
    return 0;
}

void routes_close(struct routes *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->count; i++) {
        where_free(r->rule[i].where);
        opt_list_free(&r->lists[i * 2]);
        opt_list_free(&r->lists[i * 2 + 1]);
    }
    free(r->rule);
    free(r->lists);
    free(r->remembered);
    free(r);
}
