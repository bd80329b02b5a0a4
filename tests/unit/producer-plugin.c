/* A shared object with call sites of its own, for test-producer-process, and several of one shape but for a letter, for
 * producer-reload. */
#include <fapilog/fapilog.h>

#ifndef NAME
#define NAME "the plugin"
#endif

__attribute__((visibility("default"))) void plugin_log(fapilog_t *log, int i);

void plugin_log(fapilog_t *log, int i)
{
    FAPILOG_INFO(log, "from " NAME, FL("i", i), FL_STACK("at"));
}
