#include "collector/route/route.h"

#include "collector/route/internal.h"
#include "lib/base/clock.h"
#include "lib/base/edit_distance.h"
#include "lib/base/level_mask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SINKS_MAX = FAPILOG_SINKS_MAX, NEAR = 2, ROUTE_PLACE_MAX = 450 };
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

struct compile {
    const struct names *names;
    const struct routes_listener *listener;
    char place[ROUTE_PLACE_MAX]; /* in front of what is wrong: "fapilog.yaml:12: routes[0]." */
    struct err *e;
    int code; /* of what is wrong first; 0: nothing */
};

static void refuse(struct compile *c, int code, const struct err *why)
{
    struct err told;
    (void)err_set(&told, code, "%s%s", c->place, why->text);
    if (c->code == 0)
        c->code = err_set(c->e, code, "%s", told.text);
    if (c->listener && c->listener->refuse)
        c->listener->refuse(c->listener->arg, code, told.text);
}

static void refuse_sink(struct compile *c, const char *key, const char *name)
{
    const struct names *n = c->names;
    struct err why;
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
    (void)err_set(&why, -EINVAL, "%s: '%s' is no sink%s%s%s (there are: %s)", key, name,
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", used ? all : "none");
    refuse(c, -EINVAL, &why);
}

/* Named twice is named once. */
static uint32_t sinks_of(struct compile *c, const struct opt_list *list, const char *key)
{
    const struct names *n = c->names;
    uint32_t sinks = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t at = 0;
        while (at < n->count && strcmp(n->name[at], list->item[i]) != 0)
            at++;
        if (at == n->count)
            refuse_sink(c, key, list->item[i]);
        else
            sinks |= UINT32_C(1) << at;
    }
    return sinks;
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

static void rule_compile(struct compile *c, struct routes *r, const struct route_rule *from)
{
    struct compiled_rule *const rule = &r->rule[r->count];
    struct opt_list *const lists = &r->lists[r->count * 2];
    struct err why = {0};
    r->count++; /* routes_close() frees what there is of it */
    rule->sinks = sinks_of(c, &from->to, "to");
    int result = from->to.count ? 0 : err_set(&why, -EINVAL, "to: the rule names no sink");
    if (result < 0)
        refuse(c, result, &why);
    result = level_mask_parse(&from->levels, "levels", &rule->levels, &why);
    if (result < 0)
        refuse(c, result, &why);
    if (from->levels.count == 0)
        rule->levels = LEVEL_MASK_ALL;
    result = from->where && *from->where ? where_parse(from->where, (int64_t)clock_real_ns(), &rule->where, &why) : 0;
    if (result == 0 && (list_copy(&lists[0], &from->loggers) < 0 || list_copy(&lists[1], &from->services) < 0))
        result = err_set(&why, -ENOMEM, "loggers, services: out of memory");
    if (result < 0)
        refuse(c, result, &why);
    rule->loggers = &lists[0];
    rule->services = &lists[1];
}

/* What is wrong with one rule hides no other's. */
static int rules_compile(struct compile *c, struct routes *r, const struct route_config *cfg)
{
    for (uint32_t i = 0; i < cfg->count; i++) {
        const char *const source = cfg->rule[i].source;
        (void)snprintf(c->place, sizeof c->place, "%s%sroutes[%u].", source ? source : "", source ? ": " : "", i);
        rule_compile(c, r, &cfg->rule[i]);
    }
    c->place[0] = '\0';
    r->fallback = sinks_of(c, &cfg->fallback, "routing.fallback");
    return c->code;
}

/* Said once, since it is more often a slip than meant. */
static void warn_of_unused(const struct routes *r, const struct names *n, const struct routes_listener *listener)
{
    uint32_t used = r->fallback;
    for (uint32_t i = 0; i < r->count; i++)
        used |= r->rule[i].sinks;
    for (uint32_t i = 0; i < n->count && listener && listener->warn && r->count; i++)
        if (!(used >> i & 1)) {
            char text[256];
            (void)snprintf(text, sizeof text, "sink %s gets no records: no route and no fallback names it", n->name[i]);
            listener->warn(listener->arg, text);
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

static int refuse_all(struct compile *c, int code, const char *text)
{
    struct err why;
    (void)err_set(&why, code, "routes: %s", text);
    refuse(c, code, &why);
    return code;
}

int routes_open(const struct route_config *cfg, const char *const *names, uint32_t names_count, struct routes **ret,
                const struct routes_listener *listener, struct err *e)
{
    const struct names n = {names, names_count};
    struct compile c = {.names = &n, .listener = listener, .e = e};
    char text[100];
    (void)snprintf(text, sizeof text, "at most %d rules and %d sinks (given: %u, %u)", ROUTES_MAX, SINKS_MAX,
                   cfg->count, names_count);
    if (cfg->count > ROUTES_MAX || names_count > SINKS_MAX)
        return refuse_all(&c, -E2BIG, text);
    struct routes *const r = routes_allocate(cfg);
    if (!r)
        return refuse_all(&c, -ENOMEM, "out of memory");
    r->overlap = cfg->overlap;
    r->words = (cfg->count + 63) / 64;
    r->all = names_count == 32 ? UINT32_MAX : (UINT32_C(1) << names_count) - 1;
    const int result = rules_compile(&c, r, cfg);
    if (result < 0) {
        routes_close(r);
        return result;
    }
    warn_of_unused(r, &n, listener);
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
