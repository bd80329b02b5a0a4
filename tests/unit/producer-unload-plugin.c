/* A plug-in that logs, for producer-unload: all of it, from opening to closing. */
#include <fapilog/fapilog.h>

__attribute__((visibility("default"))) void plugin_run(const char *text);

void plugin_run(const char *text)
{
    fapilog_t *log = fapilog_open("plugin", NULL);
    FAPILOG_SCOPE(FL("bound", 1));
    FAPILOG_INFO(log, "from a plug-in", FL("text", text));
    fapilog_close(log);
}
