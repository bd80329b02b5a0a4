/* config.h - one configuration out of all places that options come from, complete and checked before anything
 * is opened. Sources of a value, low to high: default, preset, file, environment, URI, command line.
 *
 *   struct config_args -> config_load() -> struct config -> what the daemon opens
 *                                                        -> config_print(): every value and its source
 *
 * A reload loads again with the same arguments, asks config_diff() what has changed, and takes over with
 * config_adopt() what has not. See docs/configuration.md. */
#ifndef COLLECTOR_CONFIG_CONFIG_H
#define COLLECTOR_CONFIG_CONFIG_H

#include "collector/config/settings.h"
#include "collector/route/route.h"
#include "collector/sinks/sink.h"
#include "collector/stage/pressure.h"
#include "collector/stage/stage.h"
#include "lib/base/err.h"

#include <fapilog/abi.h>

#include <stdio.h>

enum { CONFIG_SETS_MAX = 256 };

struct config;

/* What the command line says; the rest is in the environment and the file. Nothing is copied. */
struct config_args {
    const char *rings, *file, *preset, *user; /* NULL: not given */
    const char *sink[FAPILOG_SINKS_MAX]; /* URIs */
    unsigned sinks_count;
    const char *set[CONFIG_SETS_MAX]; /* KEY=VALUE */
    unsigned sets_count;
    bool refuses_empty_file; /* a reload: somebody may be about to write it */
    /* Called when there is a setting `user`, before anything foreign (plug-ins) is loaded: `look` is the configuration
     * without them. NULL: nobody is to be called, as in a reload. */
    int (*enter)(void *arg, const struct config *look, struct err *e);
    void *enter_arg;
};

struct config_sources;

struct config {
    char *preset, *file; /* NULL: none */
    bool is_file_empty; /* see tree_is_empty() */
    struct settings settings;
    struct level_setting level[FAPILOG_LEVEL_RULES_MAX];
    unsigned levels_count;
    struct pressure_config adaptive;
    struct stage *stage[STAGES_MAX]; /* in the order given; each with a name */
    uint32_t stages_count;
    struct sink *sink[FAPILOG_SINKS_MAX]; /* each with a name */
    uint32_t sinks_count;
    struct config_routing routing;
    struct route_config routes; /* as routes_open() wants it; no rules when routing is not enabled */
    struct config_sources *sources;
    char *warning[32]; /* for people: what was ignored, what looks misspelt */
    unsigned warnings_count;
};

/* Needs no clean-up when it fails. The text has a line for each thing that is wrong, as far as there is room. */
int config_load(const struct config_args *args, struct config *ret, struct err *e);
void config_free(struct config *c);
bool config_has_remote_sink(const struct config *c); /* they keep state in a directory */
/* Only the plug-ins that it names, so that --help and the schema have what is in them. */
int config_load_plugins(const struct config_args *args, struct err *e);
/* Usage errors of one KEY=VALUE, as far as they can be told without the sinks and stages. */
int config_check_set(const char *text, struct err *e);

/* Where the value of a key comes from: "flush_interval", "sinks.archive.path", "stages.level.min", "routes[0]";
 * "default" when nobody gave it. */
const char *config_source(const struct config *c, const char *key);
/* What a message says behind "source: ": the same text, without the key in front of it where the source is the
 * key's own argument, for "--user: user: " says it twice. */
const char *config_behind_source(const char *source, const char *why);
/* All values in effect with their sources, secrets as ***. */
void config_print(const struct config *c, FILE *f);

enum config_change {
    CONFIG_SAME,
    CONFIG_LIVE,    /* only options that a reload may change without reopening */
    CONFIG_CHANGED, /* the same name, but it has to be opened anew */
    CONFIG_ADDED,
};

struct config_diff {
    enum config_change sink[FAPILOG_SINKS_MAX]; /* of the new configuration */
    int sink_from[FAPILOG_SINKS_MAX];           /* index in the old one, -1: added */
    enum config_change stage[STAGES_MAX];
    int stage_from[STAGES_MAX];
    bool are_stages_reordered;
    bool settings, levels, routes, adaptive; /* any change in them */
};

void config_diff(const struct config *before, const struct config *after, struct config_diff *ret);
/* For people, before config_adopt(): "sinks added: other; opened anew: log (path); routes changed; sinks kept: a, b".
 * Names only, no values; what finds no room in `size` is left out. */
void config_diff_text(const struct config *before, const struct config *after, const struct config_diff *d, char *ret,
                      size_t size);
/* Sinks and stages that are CONFIG_SAME or CONFIG_LIVE move, open as they are, from `before` into `after`, with the new
 * values of live options; the unopened ones that stood there go to `before`, to be freed with it. Cannot fail; called
 * again, it takes everything back. */
void config_adopt(struct config *before, struct config *after, const struct config_diff *d);

#endif
