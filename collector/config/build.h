/* build.h - a configuration while it is put together. Private to this folder. What is wrong is collected, so
 * that somebody who wrote three mistakes hears of three. */
#ifndef COLLECTOR_CONFIG_BUILD_H
#define COLLECTOR_CONFIG_BUILD_H

#include "collector/config/config.h"
#include "collector/config/env.h"
#include "collector/config/node.h"
#include "lib/base/buf.h"

/* The rows of one thing, and the structures that they fill. */
struct tables {
    const struct opt *rows[4];
    void *cfg[4];
    unsigned count;
};

struct build {
    const struct config_args *args;
    struct config *c;
    struct tree *file, *preset;
    struct tree *rules; /* of FAPILOG_SINK_ROUTING__RULES */
    struct env env;
    struct buf problems;
    unsigned problems_count;
    int code; /* of the first problem */
    bool set_used[CONFIG_SETS_MAX];
};

/* The roots of preset and file, lowest first; NULL where there is none. */
enum { LAYERS = 2 };
const struct node *build_layer(const struct build *b, unsigned i);

void build_problem(struct build *b, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void build_problem_at(struct build *b, int code, const struct node *n, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void build_warn(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* `path` stands in front of an option's name: "sinks.archive.". */
struct tables tables_of_sink(struct sink *s);
struct tables tables_of_stage(struct stage *s);
const struct opt *tables_find(const struct tables *t, const char *name, void **ret_cfg);
const char *tables_suggest(const struct tables *t, const char *name); /* or NULL */

void build_text(struct build *b, const struct tables *t, const char *path, const char *name, const char *value,
                const char *source);
void build_member(struct build *b, const struct tables *t, const char *path, const struct node *n);
/* The variables that begin with one of the prefixes. */
void build_environment(struct build *b, const struct tables *t, const char *path, const char *const *prefixes);
/* --set PATH.NAME=VALUE */
void build_sets(struct build *b, const struct tables *t, const char *path);

/* "fapilog.yaml:12", "preset production". Returns ret. */
const char *source_of(const struct node *n, char ret[NODE_PLACE_MAX]);
void sources_set(struct config *c, const char *path, const char *name, const char *source);
/* A variable that an option below the path comes from, or NULL. */
const char *sources_variable(const struct config *c, const char *path);
void sources_free(struct config *c);

/* A value as text that opt_set() takes. */
int node_value(const struct opt *row, const struct node *n, char **ret, struct err *e);

void build_settings(struct build *b);
void build_levels(struct build *b);
void build_adaptive(struct build *b);
void build_stages(struct build *b);
uint32_t build_stages_total(const struct build *b); /* with the one that sheds */
void build_sinks(struct build *b);
void build_routes(struct build *b);
/* A variable for one option of several sinks or stages. */
struct env_shared {
    const char *variable, *option;
};
/* Those that are set, before what belongs to one of them alone; `shared` ends with variable NULL. */
void build_shared(struct build *b, const struct tables *t, const char *path, const struct env_shared *shared);
/* What single values cannot tell: that routes name sinks that are there, that sinks, stages and routes fit together. */
void build_check(struct build *b);

void build_check_outputs(struct build *b);

void stage_prefixes(struct env_prefixes *ret, const struct stage_ops *ops);
/* Warns of variables that look like misspelt ones of ours. */
void env_unused(struct build *b);

/* "" for a preset that is not there. */
const char *preset_text(const char *name);
const char *preset_names(char *ret, size_t size);

#endif
