/* route.h - which sinks a record goes to. Rules are tried in order; each names conditions that must all hold
 * and the sinks that then get the record. A record that matches no rule goes to the fallback sinks, and is
 * dropped and counted when there are none. With `overlap` (the default) every matching rule counts, and a
 * sink that several name gets the record once; without it the first rule decides. No rules at all: every
 * sink gets every record. What a sink's own min_severity and levels refuse, it does not get in any case. */
#ifndef COLLECTOR_ROUTE_ROUTE_H
#define COLLECTOR_ROUTE_ROUTE_H

#include <fapilog/reader.h>

#include "lib/base/err.h"
#include "lib/base/opt.h"

enum { ROUTES_MAX = 256 };

/* One rule as configured; rows in route_opts. */
struct route_rule {
    struct opt_list levels;   /* names, a name stands for its range; "*" or empty: any */
    struct opt_list loggers;  /* names with all below them ("orders" is also "orders.matching"), or patterns (*, ?) */
    struct opt_list services; /* names of services, or patterns */
    const char *where;        /* an expression of lib/where; NULL: none */
    struct opt_list to;       /* names of sinks */
    const char *source;       /* "fapilog.yaml:12", for messages; not an option */
};
extern const struct opt route_opts[];

struct route_config {
    struct route_rule *rule;
    uint32_t count;
    bool overlap;
    struct opt_list fallback; /* names of sinks */
};

struct routes;

/* Who wants to hear of each problem, with its place, and of what is more often a slip than meant: a sink that no
 * rule and no fallback names. Either may be NULL. */
struct routes_listener {
    void (*refuse)(void *arg, int code, const char *text);
    void (*warn)(void *arg, const char *text);
    void *arg;
};

/* Sinks are told apart by their index in `names`. -EINVAL for a rule that names no sink, or one that is not
 * there (with a suggestion); all rules are looked at, and `e` gets what is wrong first. The listener may be NULL. */
int routes_open(const struct route_config *cfg, const char *const *names, uint32_t names_count, struct routes **ret,
                const struct routes_listener *listener, struct err *e);
void routes_close(struct routes *r); /* NULL allowed */
/* One bit per sink; 0: dropped, to be counted as unrouted. Loggers and services are looked up once and cached;
 * only `where` rules look at the record itself. */
uint32_t routes_match(struct routes *r, const struct fapilog_record *rec);

#endif
