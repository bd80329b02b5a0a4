/* plugin.h - loads sinks, stages and formats that were built outside of this tree (<fapilog/plugin.h>) and puts them
 * beside those that are built in: sink_find(), stage_find(), format_find() and all that walks the lists, the
 * configuration, --help and the schema among them, know no difference. */
#ifndef COLLECTOR_PLUGIN_PLUGIN_H
#define COLLECTOR_PLUGIN_PLUGIN_H

#include "lib/base/err.h"
#include "lib/base/opt.h"

/* Each entry is a file, or a directory of which every *.so is loaded, in the order of their names. What has been loaded
 * before is left alone, so this may be called again. All paths are absolute; files and directories must belong to root
 * or to the collector's user and be writable by nobody else. The first that cannot be loaded ends it: of a plug-in
 * either everything is registered or nothing. */
int plugins_load(const struct opt_list *paths, struct err *e);

#endif
