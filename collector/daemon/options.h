/* options.h - what the command line and the environment ask for. */
#ifndef COLLECTOR_DAEMON_OPTIONS_H
#define COLLECTOR_DAEMON_OPTIONS_H

#include "collector/delivery/pipeline.h"
#include "collector/ingest/settings.h"
#include "lib/base/err.h"
#include "lib/base/opt.h"

#include <fapilog/abi.h>

#include <stdbool.h>
#include <stdio.h>

struct settings {
    struct ingest_settings ingest;
    uint64_t shutdown_timeout_ns;
    struct pipeline_settings delivery;
    uint32_t io; /* enum io_kind */
};
extern const struct opt settings_opts[];

struct option_sink {
    char *uri;
    const char *source; /* "--sink" or "FAPILOG_SINKS" */
};

struct options {
    const char *rings; /* NULL: the default directory */
    struct option_sink sink[FAPILOG_SINKS_MAX];
    unsigned sinks_count;
    struct settings settings;
    struct level_setting level[FAPILOG_LEVEL_RULES_MAX];
    unsigned levels_count;
    bool drain;
    bool check;
    bool verbose;
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_HELP_SINK, OPTIONS_VERSION };

/* 0.. an enum options_result; negative: wrong usage. ret_topic: the sink of --help SINK. */
int options_parse(struct options *o, int argc, char **argv, const char **ret_topic, struct err *e);
void options_done(struct options *o);

void options_help(FILE *f);
/* -EINVAL when there is no such sink. */
int options_help_sink(FILE *f, const char *scheme, struct err *e);

#endif
