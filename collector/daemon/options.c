#include "collector/daemon/options.h"

#include "collector/io/io.h"
#include "collector/sinks/sink.h"
#include "lib/base/check.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct opt_word io_words[] = {
    { "auto", IO_AUTO }, { "uring", IO_URING }, { "plain", IO_PLAIN }, { NULL, 0 },
};

const struct opt settings_opts[] = {
    OPT_NUM_(OPT_DURATION, struct settings, ingest.flush_interval_ns, "flush_interval", "100ms",
             1000 * 1000, 60ull * 1000 * 1000 * 1000, 0, "Longest time that a record waits in its ring."),
    OPT_NUM_(OPT_DURATION, struct settings, ingest.merge_window_ns, "merge_window", "2ms", 0,
             1000ull * 1000 * 1000, 0, "Younger records wait for the other threads', so that files are in order."),
    OPT_NUM_(OPT_SIZE, struct settings, ingest.lane_budget_bytes, "lane_budget", "64 KB", 4096, 1ull << 30, 0,
             "Bytes taken from one thread before the others have their turn."),
    OPT_NUM_(OPT_DURATION, struct settings, shutdown_timeout_ns, "shutdown_timeout", "5s", 0,
             3600ull * 1000 * 1000 * 1000, 0, "Time that SIGTERM leaves for draining the rings."),
    OPT_NUM_(OPT_UINT, struct settings, delivery.window, "window_batches", "8", WINDOW_MIN, WINDOW_MAX, 0,
             "Batches under way at once: how far one sink may be ahead of another."),
    OPT_TEXT_(struct settings, delivery.state_dir, "state_dir", NULL, 0,
              "Directory of spools and dead letters; without: the ring directory."),
    OPT_NUM_(OPT_UINT, struct settings, ingest.keep_dead, "keep_dead", "0", 0, 100000, 0,
             "Rings of dead processes kept (as .dead) after they are drained."),
    OPT_NUM_(OPT_UINT, struct settings, ingest.segments_max, "segments_max", "16384", 1, 1u << 20, 0,
             "Rings accepted from one user."),
    OPT_NUM_(OPT_UINT, struct settings, ingest.lanes_max, "lanes_max", "262144", 1, 1u << 24, 0,
             "Thread lanes accepted from one user."),
    OPT_NUM_(OPT_SIZE, struct settings, ingest.bytes_max, "bytes_max", "256 GB", 1 << 20, 1ull << 46, 0,
             "Bytes of rings accepted from one user."),
    OPT_WORD_(struct settings, io, "io", "auto", io_words, 0, "How to do input and output."),
    OPT_END,
};

enum { KEY_RINGS = 256, KEY_SINK, KEY_SET, KEY_DRAIN, KEY_CHECK, KEY_VERSION, KEY_VERBOSE };

static const struct option long_options[] = {
    { "rings", required_argument, NULL, KEY_RINGS }, { "sink", required_argument, NULL, KEY_SINK },
    { "set", required_argument, NULL, KEY_SET },     { "drain", no_argument, NULL, KEY_DRAIN },
    { "check", no_argument, NULL, KEY_CHECK },       { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, KEY_VERSION },   { "verbose", no_argument, NULL, KEY_VERBOSE },
    { NULL, 0, NULL, 0 },
};

static int in_context(int r, const char *context, struct err *e)
{
    return r < 0 ? err_wrap(e, r, "%s", context) : r;
}

static int add_sink(struct options *o, const char *uri, size_t len, const char *source, struct err *e)
{
    if (o->sinks_count == ARRAY_COUNT(o->sink))
        return err_set(e, -EINVAL, "%s: more than %zu sinks", source, ARRAY_COUNT(o->sink));
    char *copy = strndup(uri, len);
    if (!copy)
        return err_set(e, -ENOMEM, "out of memory");
    o->sink[o->sinks_count++] = (struct option_sink){ copy, source };
    return 0;
}

static int sinks_from_environment(struct options *o, struct err *e)
{
    static const char blank[] = " \t\r\n";
    const char *text = getenv("FAPILOG_SINKS");
    int r = 0;
    while (text && r == 0) {
        text += strspn(text, blank);
        const size_t len = strcspn(text, blank);
        if (!len)
            break;
        r = add_sink(o, text, len, "FAPILOG_SINKS", e);
        text += len;
    }
    return r;
}

static int set_level(struct options *o, const char *prefix, const char *value, struct err *e)
{
    if (o->levels_count == ARRAY_COUNT(o->level))
        return err_set(e, -EINVAL, "more than %zu level rules", ARRAY_COUNT(o->level));
    struct level_setting *l = &o->level[o->levels_count];
    if (strlen(prefix) >= sizeof l->prefix)
        return err_set(e, -EINVAL, "level.%s: the logger's name has over %zu bytes", prefix,
                       sizeof l->prefix - 1);
    if (!strcasecmp(value, "off"))
        l->level = FAPILOG_LEVEL_OFF;
    else if (opt_parse_level(value, &l->level) < 0)
        return err_set(e, -EINVAL, "level%s%s: '%s' is not a level", *prefix ? "." : "", prefix, value);
    (void)snprintf(l->prefix, sizeof l->prefix, "%s", prefix);
    o->levels_count++;
    return 0;
}

static int set_key(struct options *o, const char *text, struct err *e)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return err_set(e, -EINVAL, "--set %s: must be KEY=VALUE", text);
    char key[128];
    if ((size_t)(equals - text) >= sizeof key)
        return err_set(e, -EINVAL, "--set %s: no such key", text);
    (void)snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    const char *value = equals + 1;
    if (!strcmp(key, "level"))
        return in_context(set_level(o, "", value, e), "--set", e);
    if (!strncmp(key, "level.", 6))
        return in_context(set_level(o, key + 6, value, e), "--set", e);
    const struct opt *row = opt_find(settings_opts, key);
    if (!row) {
        const char *near = opt_suggest(settings_opts, key);
        return err_set(e, -EINVAL, "--set %s: no such key%s%s%s", key, near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    return in_context(opt_set(row, &o->settings, value, e), "--set", e);
}

static int take_option(struct options *o, int key, struct err *e)
{
    switch (key) {
    case KEY_RINGS:
        o->rings = optarg;
        return *optarg ? 0 : err_set(e, -EINVAL, "--rings: needs a directory");
    case KEY_SINK:
        return add_sink(o, optarg, strlen(optarg), "--sink", e);
    case KEY_SET:
        return set_key(o, optarg, e);
    case KEY_DRAIN:
        o->drain = true;
        return 0;
    case KEY_CHECK:
        o->check = true;
        return 0;
    case KEY_VERBOSE:
        o->verbose = true;
        return 0;
    default:
        CHECK(!"an option without a case");
    }
}

static int bad_option(int argc, char **argv, int key, struct err *e)
{
    /* optind has moved past an unknown long option, but not past an unknown letter of a group. */
    const char *what = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (key == ':')
        return err_set(e, -EINVAL, "%s: needs a value", what);
    const char *near = opt_suggest_long(long_options, what);
    return err_set(e, -EINVAL, "%s: no such option%s%s%s", what, near ? "; did you mean '--" : "", near ? near : "",
                   near ? "'?" : "");
}

static int parse_arguments(struct options *o, int argc, char **argv, const char **ret_topic, struct err *e)
{
    opterr = 0;
    optind = 0; /* parsed again by tests: 0 makes glibc start over */
    for (;;) {
        const int key = getopt_long(argc, argv, ":h", long_options, NULL);
        if (key == -1)
            break;
        if (key == 'h') {
            *ret_topic = optind < argc ? argv[optind] : NULL;
            return *ret_topic ? OPTIONS_HELP_SINK : OPTIONS_HELP;
        }
        if (key == KEY_VERSION)
            return OPTIONS_VERSION;
        const int r = key == '?' || key == ':' ? bad_option(argc, argv, key, e) : take_option(o, key, e);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return err_set(e, -EINVAL, "%s: unexpected argument", argv[optind]);
    return OPTIONS_RUN;
}

int options_parse(struct options *o, int argc, char **argv, const char **ret_topic, struct err *e)
{
    memset(o, 0, sizeof *o);
    *ret_topic = NULL;
    int r = opt_defaults(settings_opts, &o->settings, e);
    CHECK(r == 0);
    const char *io = getenv("FAPILOG_IO");
    if (io && *io)
        r = in_context(opt_set(opt_find(settings_opts, "io"), &o->settings, io, e), "FAPILOG_IO", e);
    if (r == 0)
        r = parse_arguments(o, argc, argv, ret_topic, e);
    /* The command line replaces what the environment names. */
    if (r == OPTIONS_RUN && o->sinks_count == 0)
        r = sinks_from_environment(o, e);
    return r;
}

void options_done(struct options *o)
{
    for (unsigned i = 0; i < o->sinks_count; i++)
        free(o->sink[i].uri);
    opt_free(settings_opts, &o->settings);
}
