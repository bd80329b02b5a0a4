/* Plug-ins that must be refused; -DKIND=n chooses the mistake. */
#include <fapilog/plugin.h>

enum {
    OTHER_MAJOR = 1, NEWER_MINOR, NO_SYMBOL, UNRESOLVED, CLASH, BAD_DEFAULT, OUTSIDE, COMMON_NAME, SHORT_STRUCT,
    NO_FORMAT, CLASH_AT_LAST,
};

struct config {
    uint64_t size;
};

static const struct fapilog_option options[] = {
    { .type = FAPILOG_OPTION_SIZE, .name = KIND == COMMON_NAME ? "min_severity" : "size",
      .default_text = KIND == BAD_DEFAULT ? "2 GB" : "1 MB", .min = 1, .max = 1 << 30, .help = "A size.",
      .offset = KIND == OUTSIDE ? 8 : 0 },
    { .type = FAPILOG_OPTION_END },
};

static int sink_open(struct fapilog_sink *s, struct fapilog_error *e) { (void)s, (void)e; return 0; }
static void sink_send(struct fapilog_sink *s, struct fapilog_request *q) { (void)s, (void)q; }

static const struct fapilog_sink_kind sink = {
    .size = KIND == SHORT_STRUCT ? 8 : sizeof sink, .name = KIND == CLASH ? "file" : "broken", .summary = "A sink.",
    .format = KIND == NO_FORMAT ? "morse" : "json", .options = options, .config_size = sizeof(struct config),
    .open = sink_open, .send = sink_send, .cancel = sink_send,
};

static const struct fapilog_sink_kind *const sinks[] = { &sink, KIND == CLASH_AT_LAST ? &sink : NULL, NULL };

#if KIND == 4 /* UNRESOLVED */
int nobody_has_this(void);
int call_it(void);
int call_it(void) { return nobody_has_this(); }
#endif

#if KIND == 3 /* NO_SYMBOL */
const struct fapilog_plugin fapilog_plugin_of_another_name;
const struct fapilog_plugin fapilog_plugin_of_another_name = {
#else
FAPILOG_PLUGIN_EXPORT_ const struct fapilog_plugin fapilog_plugin = {
#endif
    .size = sizeof(struct fapilog_plugin), .major = FAPILOG_PLUGIN_MAJOR + (KIND == OTHER_MAJOR),
    .minor = FAPILOG_PLUGIN_MINOR + (KIND == NEWER_MINOR), .name = "broken", .version = "1", .sinks = sinks,
};
