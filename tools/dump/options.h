/* options.h - the command line of fapilog-dump. */
#ifndef TOOLS_DUMP_OPTIONS_H
#define TOOLS_DUMP_OPTIONS_H

#include "lib/where/where.h"

#include <stdint.h>

struct options {
    const char *rings;   /* NULL: the default ring directory, unless there are paths */
    char *const *paths;
    int paths_count;
    const char *format;  /* NULL: pretty on a terminal, json otherwise */
    const char *logger;  /* prefix of dotted names, NULL: all */
    uint8_t level;       /* least; 0: all */
    uint32_t last;       /* only so many, the youngest; 0: all */
    bool follow, stats, verify, help, version;
    int64_t since_ns, until_ns; /* INT64_MIN, INT64_MAX: open */
    struct where *where; /* NULL: all */
};

/* 0, or -EINVAL with the reason in e. */
int options_parse(int argc, char **argv, int64_t now_ns, struct options *ret, struct err *e);
void options_done(struct options *o);
void options_help(void); /* to stdout */

/* Whether a record passes level, logger, times and --where. */
bool options_select(const struct options *o, const struct fapilog_record *r);

#endif
