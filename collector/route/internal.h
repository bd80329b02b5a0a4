/* internal.h - rules as they are compiled, and what is remembered of names. */
#ifndef COLLECTOR_ROUTE_INTERNAL_H
#define COLLECTOR_ROUTE_INTERNAL_H

#include "collector/route/route.h"
#include "lib/where/where.h"

enum { ROUTE_REMEMBERED = 256, ROUTE_WORDS = (ROUTES_MAX + 63) / 64 };

struct compiled_rule {
    uint32_t levels;                /* bit = level number */
    const struct opt_list *loggers; /* empty: any */
    const struct opt_list *services;
    struct where *where;            /* NULL: none */
    uint32_t sinks;                 /* bit = index of a sink */
};

/* Which rules a logger of a process can meet at all: one bit per rule. A logger's address alone does not identify
 * it, since segments come and go; the segment's uuid beside it does. */
struct remembered_logger {
    const struct fapilog_logger_info *logger;
    uint64_t uuid[2];
    uint64_t rules[ROUTE_WORDS];
};

struct routes {
    struct compiled_rule *rule;
    uint32_t count, words;
    bool overlap;
    uint32_t fallback;
    uint32_t all;       /* every sink */
    struct remembered_logger *remembered;
    /* Owned copies of what the rules' conditions look at. */
    struct opt_list *lists;
};


#endif
