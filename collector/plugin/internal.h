/* internal.h - what the parts of the loader share. */
#ifndef COLLECTOR_PLUGIN_INTERNAL_H
#define COLLECTOR_PLUGIN_INTERNAL_H

#include "collector/format/format.h"
#include "collector/sinks/sink.h"
#include "collector/stage/stage.h"

#include <fapilog/plugin.h>

#include <sys/types.h>

struct plugin_block;

struct plugin {
    struct plugin *next;
    const struct fapilog_plugin *api;
    const char *path;
    void *handle;
    int fd;   /* kept open: its number is part of the name by which the dynamic linker knows it */
    dev_t dev;
    ino_t ino;
    struct plugin_block *blocks; /* all that plugin_alloc() gave */
};

/* Zeroed memory that lives as long as the plug-in is loaded; NULL: none left. */
void *plugin_alloc(struct plugin *p, size_t bytes);
void plugin_free(struct plugin *p);
/* "SUMMARY (plug-in NAME VERSION, PATH)"; NULL: no memory. */
const char *plugin_summary(struct plugin *p, const char *summary);

/* All of its kinds, or none. */
int plugin_register(struct plugin *p, struct err *e);
/* `what` is for messages: "sink shout". */
int plugin_check_name(const char *what, const char *name, const char *summary, struct err *e);
int plugin_options(struct plugin *p, const char *what, const struct fapilog_option *rows, uint32_t config_size,
                   const struct opt **ret, struct err *e);
int plugin_sink(struct plugin *p, const struct fapilog_sink_kind *k, const struct sink_ops **ret, struct err *e);
int plugin_stage(struct plugin *p, const struct fapilog_stage_kind *k, const struct stage_ops **ret, struct err *e);
int plugin_format(struct plugin *p, const struct fapilog_format_kind *k, const struct format_ops **ret, struct err *e);

int plugin_emit(struct fapilog_stage *s, const struct fapilog_record *r);

/* What a plug-in's function returned, with its words. */
int plugin_result(int r, const struct fapilog_error *from, struct err *e);

/* ---- host.c ---- */

extern const struct fapilog_host plugin_host;

struct plugin_request {
    struct fapilog_request api;
    struct sink_request *q;
    struct plugin_request *next;
    struct fapilog_entry entry[];
};

struct plugin_sink_state {
    struct fapilog_sink api; /* first: what the plug-in hands back is this */
    struct sink *sink;
    struct fapilog_watch *watches;
    struct plugin_request *requests;
    uint64_t window_ns;
    unsigned said, swallowed;
    _Alignas(max_align_t) char state[];
};

void plugin_end_watches(struct plugin_sink_state *st);

#endif
