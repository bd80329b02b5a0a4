/* settings.h - what is neither a sink nor a stage nor a route. */
#ifndef COLLECTOR_CONFIG_SETTINGS_H
#define COLLECTOR_CONFIG_SETTINGS_H

#include "collector/delivery/pipeline.h"
#include "collector/ingest/settings.h"
#include "lib/base/opt.h"

#include <stdbool.h>

/* Where the collector's own messages go. */
enum diagnostics { DIAGNOSTICS_STDERR, DIAGNOSTICS_NONE, DIAGNOSTICS_RECORDS, DIAGNOSTICS_BOTH };

struct settings {
    const char *rings; /* NULL: the default directory */
    struct ingest_settings ingest;
    uint64_t shutdown_timeout_ns;
    struct pipeline_settings delivery;
    uint32_t io; /* enum io_kind */
    const char *user; /* see collector/daemon/user.h; NULL: who started the collector */
    const char *admin; /* see collector/admin/admin.h */
    bool admin_allow_remote;
    struct opt_list plugins; /* see collector/plugin/plugin.h */
    uint32_t diagnostics; /* enum diagnostics */
    struct opt_list diagnostics_sinks; /* names; none: every local one */
};
extern const struct opt settings_opts[];

/* What holds for all routes; struct route_config has copies. */
struct config_routing {
    bool enabled; /* false: every sink gets every record, whatever the rules say */
    bool overlap;
    struct opt_list fallback;
};
extern const struct opt routing_opts[];

#endif
