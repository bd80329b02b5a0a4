/* A shared object with call sites of its own, for test-producer-process. */
#include <fapilog/fapilog.h>

__attribute__((visibility("default"))) void plugin_log(fapilog_t *log, int i);

void plugin_log(fapilog_t *log, int i)
{
    FAPILOG_INFO(log, "from the plugin", FL("i", i));
}
