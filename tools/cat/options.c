#include "tools/cat/options.h"

#include "lib/base/opt.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: fapilog-cat [OPTION]... [FILE]...\n"
    "\n"
    "Logs each line of the files (or of standard input) as one record, empty lines too. Lines end in LF\n"
    "or CR LF. Waits for room in the ring while a collector is alive; without one, what does not fit is\n"
    "dropped and counted.\n"
    "\n"
    "  --rings DIR      ring directory (default: $FAPILOG_RING_DIR, else /run/fapilog/<uid>, ...)\n"
    "  --service NAME   service of the records (default: fapilog-cat)\n"
    "  --level LEVEL    TRACE, DEBUG, INFO (default), WARNING, ERROR, CRITICAL, AUDIT, SECURITY\n"
    "  --field K=V      adds a text field to every record; may be repeated, up to 64 times\n"
    "  --json           lines are JSON objects: \"message\" (msg, body, MESSAGE) and \"level\" (severity,\n"
    "                   PRIORITY) are taken as such, all other members become fields; any other line is\n"
    "                   logged as it is\n"
    "  --wait           waits for a collector as long as it takes, instead of dropping what does not fit\n"
    "  --quiet          no summary of cut or unreadable lines on standard error\n"
    "  --help, -h       this text\n"
    "  --version        the version\n"
    "\n"
    "A FILE of - is standard input. What does not fit a record (1 MiB) is cut and marked.\n"
    "Exit status: 0 all is logged, 1 something was dropped or could not be read, 2 wrong usage.\n";

static enum cat_parse answer(const char *text)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return CAT_EXIT_OK;
    fprintf(stderr, "fapilog-cat: write to stdout: %s\n", strerror(errno));
    return CAT_EXIT_FAILED;
}

/* What was given may be anything, and must not steer the terminal: '?' for control characters. */
static void put_clean(const char *text)
{
    for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
        const bool is_c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        (void)fputc(*p < ' ' || *p == 0x7f || is_c1 ? '?' : *p, stderr);
        p += is_c1;
    }
}

void cat_complain(const char *about, const char *format, ...)
{
    va_list args;
    (void)fputs("fapilog-cat: ", stderr);
    put_clean(about);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
}

static enum cat_parse usage(const char *what, const char *value)
{
    fprintf(stderr, "fapilog-cat: %s%s", what, value ? ": " : "");
    put_clean(value ? value : "");
    fputs("\nTry 'fapilog-cat --help'.\n", stderr);
    return CAT_EXIT_USAGE;
}

static enum cat_parse refuse(int c, const char *given, const struct option *options)
{
    const char *near = c == '?' ? opt_suggest_long(options, given) : NULL;
    cat_complain(given, ": %s%s%s%s\nTry 'fapilog-cat --help'.\n", c == ':' ? "needs a value" : "no such option",
                 near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "");
    return CAT_EXIT_USAGE;
}

static bool add_field(struct cat_options *o, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || o->fields_count == FAPILOG_FIELDS_MAX)
        return false;
    o->fields[o->fields_count++] = (struct fapilog_field){
        .name = {text, (uint32_t)(equals - text)},
        .type = FAPILOG_TYPE_STRING,
        .len = (uint32_t)strlen(equals + 1),
        .v.data = equals + 1,
    };
    return true;
}

enum cat_parse cat_options_parse(struct cat_options *o, int argc, char **argv)
{
    enum { RINGS = 256, SERVICE, LEVEL, FIELD, JSON, QUIET, WAIT, VERSION };
    static const struct option options[] = {
        {"rings", required_argument, NULL, RINGS}, {"service", required_argument, NULL, SERVICE},
        {"level", required_argument, NULL, LEVEL}, {"field", required_argument, NULL, FIELD},
        {"json", no_argument, NULL, JSON},         {"quiet", no_argument, NULL, QUIET},
        {"help", no_argument, NULL, 'h'},          {"version", no_argument, NULL, VERSION},
        {"wait", no_argument, NULL, WAIT},
        {0},
    };

    *o = (struct cat_options){.service = "fapilog-cat", .level = FAPILOG_LEVEL_INFO};
    opterr = 0;
    optind = 0; /* scan from the start, whoever scanned before */
    for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (c) {
        case RINGS: o->rings = optarg; break;
        case SERVICE: o->service = optarg; break;
        case JSON: o->json = true; break;
        case QUIET: o->quiet = true; break;
        case WAIT: o->wait = true; break;
        case LEVEL:
            if (opt_parse_level(optarg, &o->level) < 0)
                return usage("--level: wants TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, AUDIT, SECURITY or a number "
                             "from 1 to 30", optarg);
            if (o->level >= FAPILOG_LEVEL_OFF)
                return usage("--level: OFF (31) is no level of a record", optarg);
            break;
        case FIELD:
            if (!add_field(o, optarg))
                return usage(o->fields_count == FAPILOG_FIELDS_MAX ? "--field: at most 64" : "--field: wants KEY=VALUE",
                             optarg);
            break;
        case 'h': return answer(help);
        case VERSION: return answer("fapilog-cat " FAPILOG_VERSION "\n");
        default: return refuse(c, argv[optind > 1 ? optind - 1 : 1], options);
        }
    }
    o->files = argv + optind;
    return CAT_RUN;
}
