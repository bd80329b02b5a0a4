/* options.h - what the command line asks for. What it says of the configuration goes to collector/config. */
#ifndef COLLECTOR_DAEMON_OPTIONS_H
#define COLLECTOR_DAEMON_OPTIONS_H

#include "collector/config/config.h"
#include "collector/daemon/privileges.h"
#include "lib/base/err.h"

#include <stdbool.h>
#include <stdio.h>

struct options {
    struct config_args args; /* points into argv */
    const char *replay; /* dead letters to send again; NULL: not asked for */
    bool drain;
    bool check;
    bool verbose;
    struct privileges privileges; /* main() has args.enter fill it in */
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_HELP_TOPIC,
    OPTIONS_VERSION,
    OPTIONS_SCHEMA,
    OPTIONS_SAMPLE,
};

/* 0.. an enum options_result; negative: wrong usage. ret_topic: the sink or stage of --help. */
int options_parse(struct options *o, int argc, char **argv, const char **ret_topic, struct err *e);

void options_help(FILE *f);
/* -EINVAL when there is no such sink or stage. */
int options_help_topic(FILE *f, const char *topic, struct err *e);

#endif
