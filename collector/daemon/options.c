#include "collector/daemon/options.h"

#include "lib/base/check.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum {
    KEY_RINGS = 256, KEY_CONFIG, KEY_PRESET, KEY_SINK, KEY_SET, KEY_DRAIN, KEY_CHECK, KEY_SCHEMA, KEY_SAMPLE,
    KEY_REPLAY, KEY_USER, KEY_VERSION, KEY_VERBOSE,
};

static const struct option long_options[] = {
    { "rings", required_argument, NULL, KEY_RINGS },   { "config", required_argument, NULL, KEY_CONFIG },
    { "preset", required_argument, NULL, KEY_PRESET }, { "sink", required_argument, NULL, KEY_SINK },
    { "set", required_argument, NULL, KEY_SET },       { "drain", no_argument, NULL, KEY_DRAIN },
    { "replay", required_argument, NULL, KEY_REPLAY }, { "user", required_argument, NULL, KEY_USER },
    { "check", no_argument, NULL, KEY_CHECK },         { "schema", no_argument, NULL, KEY_SCHEMA },
    { "sample", no_argument, NULL, KEY_SAMPLE },       { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, KEY_VERSION },     { "verbose", no_argument, NULL, KEY_VERBOSE },
    { NULL, 0, NULL, 0 },
};

static int take_text(const char **to, const char *what, const char *needs, struct err *e)
{
    *to = optarg;
    return *optarg ? 0 : err_set(e, -EINVAL, "%s: needs %s", what, needs);
}

static int add_sink(struct config_args *a, struct err *e)
{
    if (a->sinks_count == ARRAY_COUNT(a->sink))
        return err_set(e, -EINVAL, "--sink: more than %zu sinks", ARRAY_COUNT(a->sink));
    a->sink[a->sinks_count++] = optarg;
    return 0;
}

static int add_set(struct config_args *a, struct err *e)
{
    if (a->sets_count == ARRAY_COUNT(a->set))
        return err_set(e, -EINVAL, "--set: more than %zu", ARRAY_COUNT(a->set));
    a->set[a->sets_count++] = optarg;
    return config_check_set(optarg, e);
}

static int take_option(struct options *o, int key, struct err *e)
{
    switch (key) {
    case KEY_RINGS:
        return take_text(&o->args.rings, "--rings", "a directory", e);
    case KEY_CONFIG:
        return take_text(&o->args.file, "--config", "a file", e);
    case KEY_PRESET:
        return take_text(&o->args.preset, "--preset", "a name", e);
    case KEY_SINK:
        return add_sink(&o->args, e);
    case KEY_SET:
        return add_set(&o->args, e);
    case KEY_DRAIN:
        o->drain = true;
        return 0;
    case KEY_REPLAY:
        return take_text(&o->replay, "--replay", "dead letters: a file or a directory", e);
    case KEY_USER:
        return take_text(&o->args.user, "--user", "a user: NAME, NAME:GROUP or numbers", e);
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

/* What is answered without looking further, or -1. */
static int answer(int key, int argc, char **argv, const char **ret_topic)
{
    switch (key) {
    case 'h':
        *ret_topic = optind < argc ? argv[optind] : NULL;
        return *ret_topic ? OPTIONS_HELP_TOPIC : OPTIONS_HELP;
    case KEY_VERSION: return OPTIONS_VERSION;
    case KEY_SCHEMA: return OPTIONS_SCHEMA;
    case KEY_SAMPLE: return OPTIONS_SAMPLE;
    default: return -1;
    }
}

int options_parse(struct options *o, int argc, char **argv, const char **ret_topic, struct err *e)
{
    memset(o, 0, sizeof *o);
    *ret_topic = NULL;
    opterr = 0;
    optind = 0; /* parsed again by tests: 0 makes glibc start over */
    for (;;) {
        const int key = getopt_long(argc, argv, ":h", long_options, NULL);
        if (key == -1)
            break;
        const int answered = answer(key, argc, argv, ret_topic);
        if (answered >= 0)
            return answered;
        const int r = key == '?' || key == ':' ? bad_option(argc, argv, key, e) : take_option(o, key, e);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return err_set(e, -EINVAL, "%s: unexpected argument", argv[optind]);
    if (o->replay && o->drain)
        return err_set(e, -EINVAL, "--replay: cannot be combined with --drain: it ends by itself");
    return OPTIONS_RUN;
}
