#include "tools/dump/options.h"

#include "collector/format/printf_text.h"
#include "lib/base/opt.h"
#include "lib/where/times.h"
#include "tools/dump/output.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { LAST_MAX = 100000 };

static const char help_text[] =
    "Usage: fapilog-dump [OPTION]... [PATH]...\n"
    "Show the records in rings, live, dead or damaged, without disturbing them.\n"
    "PATH is a segment, a directory of segments, or a native file or its directory;\n"
    "or spools (STATE/spool, or STATE/spool/NAME of a sink), dead letters\n"
    "(STATE/dead), shown as one JSON line each; or with --stats the ledger (STATE),\n"
    "whose books must balance.\n"
    "\n"
    "  --rings DIR       ring directory (default: $FAPILOG_RING_DIR, the user's own)\n"
    "  --follow, -f      go on with new records and new processes\n"
    "  --format FORMAT   pretty (default on a terminal), json (default elsewhere),\n"
    "                    fapilog, dagstack, logfmt, raw\n"
    "  --level LEVEL     only this level and above\n"
    "  --logger PREFIX   only this logger and those below it\n"
    "  --where EXPR      only what matches: 'order_id == 42 && symbol ~ \"AC\"'\n"
    "                    (~ is: has this in it; all of it in the man page)\n"
    "  --since TIME      from this time on: RFC 3339, a date, 14:00 (of today),\n"
    "  --until TIME      today, yesterday, seconds since the epoch, or relative:\n"
    "                    -5m; UTC without an offset\n"
    "  --last N, -n N    the last N of them; with --follow, and then what comes\n"
    "  --stats           a table of processes and lanes, with what they have lost,\n"
    "                    instead of records\n"
    "  --verify          check all structures; exit 1 when something is damaged, or a\n"
    "                    directory holds nothing to check\n"
    "  --help, -h        this text\n"
    "  --version         the version\n"
    "\n"
    "Examples:\n"
    "  fapilog-dump --level ERROR --since -5m      errors of the last five minutes\n"
    "  fapilog-dump --where 'pid == 4711' -n 20    what it said last, also when dead\n"
    "  fapilog-dump --stats                        who drops? does a collector lag?\n"
    "                                              how far back do the rings go?\n"
    "  fapilog-dump --verify FILE                  is it damaged?\n"
    "  fapilog-dump /run/fapilog/*                 as root: rings of all users\n"
    "  fapilog-dump --stats STATE/spool            what waits for servers; STATE is\n"
    "      the state_dir of fapilog-collector --check with the collector's options\n"
    "  fapilog-dump STATE/dead                     what servers refused, and why\n"
    "\n"
    "Exit codes: 0 done, 1 failed, damage found, or nothing to check, 2 wrong usage.\n";

void options_help(void)
{
    (void)fputs(help_text, stdout);
}

static int time_option(const char *name, const char *text, int64_t now_ns, int64_t *ret, struct err *e)
{
    char ago[64];
    int64_t ignored;
    if (times_parse(text, now_ns, ret) == 0)
        return 0;
    (void)snprintf(ago, sizeof ago, "-%s", text);
    const bool is_near = times_parse(ago, now_ns, &ignored) == 0;
    return err_set(e, -EINVAL, "--%s: '%s' is no time%s%s%s Write 2026-11-21T08:15:00Z, 2026-11-21, 08:15 (of "
                   "today, UTC), today, yesterday, seconds since the epoch, or -5m", name, text,
                   is_near ? "; did you mean '" : "", is_near ? ago : "", is_near ? "'?" : ".");
}

static int last_option(const char *text, uint32_t *ret, struct err *e)
{
    uint64_t n = 0;
    for (const char *s = text; *s; s++)
        n = *s >= '0' && *s <= '9' && n <= LAST_MAX ? n * 10 + (uint64_t)(*s - '0') : LAST_MAX + 1;
    if (n < 1 || n > LAST_MAX)
        return err_set(e, -EINVAL, "--last: '%s' is no number from 1 to %d", text, LAST_MAX);
    *ret = (uint32_t)n;
    return 0;
}

static int where_option(int r, struct err *e)
{
    return r < 0 ? err_wrap(e, r, "--where") : 0;
}

static int option_set(struct options *o, int c, const char *arg, int64_t now_ns, struct err *e)
{
    switch (c) {
    case 'r': o->rings = arg; return 0;
    case 'f': o->follow = true; return 0;
    case 'F': o->format = arg; return output_format_check(arg, e);
    case 'l':
        if (opt_parse_level(arg, &o->level) < 0)
            return err_set(e, -EINVAL,
                           "--level: '%s' is no level: TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, "
                           "AUDIT, SECURITY or 1..31",
                           arg);
        return 0;
    case 'L': o->logger = arg; return 0;
    case 'w':
        where_free(o->where);
        o->where = NULL;
        where_message_text = printf_text_make;
        return where_option(where_parse(arg, now_ns, &o->where, e), e);
    case 's': return time_option("since", arg, now_ns, &o->since_ns, e);
    case 'u': return time_option("until", arg, now_ns, &o->until_ns, e);
    case 'n': return last_option(arg, &o->last, e);
    case 'S': o->stats = true; return 0;
    case 'V': o->verify = true; return 0;
    case 'h': o->help = true; return 0;
    case 'v': o->version = true; return 0;
    default: return -EINVAL;
    }
}

static int option_refuse(int c, const char *given, const struct option *rows, struct err *e)
{
    const char *near = c == '?' ? opt_suggest_long(rows, given) : NULL;
    if (c == ':')
        return err_set(e, -EINVAL, "%s: needs a value (see --help)", given);
    return err_set(e, -EINVAL, "%s: no such option%s%s%s (see --help)", given, near ? "; did you mean '--" : "",
                   near ? near : "", near ? "'?" : "");
}

/* Tables and verdicts are about whole files. */
static int options_agree(const struct options *o, struct err *e)
{
    const bool selects = o->level || o->logger || o->where || o->last || o->since_ns != INT64_MIN ||
                         o->until_ns != INT64_MAX;
    if (o->stats && o->verify)
        return err_set(e, -EINVAL, "--stats and --verify exclude each other");
    if (o->verify && (o->follow || o->format))
        return err_set(e, -EINVAL, "--verify and %s exclude each other", o->follow ? "--follow" : "--format");
    if (selects && (o->stats || o->verify))
        return err_set(e, -EINVAL, "%s looks at all records: --level, --logger, --where, --since, --until and "
                       "--last do not go with it", o->stats ? "--stats" : "--verify");
    return 0;
}

int options_parse(int argc, char **argv, int64_t now_ns, struct options *ret, struct err *e)
{
    static const struct option rows[] = {
        {"rings", required_argument, NULL, 'r'},  {"follow", no_argument, NULL, 'f'},
        {"format", required_argument, NULL, 'F'}, {"level", required_argument, NULL, 'l'},
        {"logger", required_argument, NULL, 'L'}, {"where", required_argument, NULL, 'w'},
        {"last", required_argument, NULL, 'n'},
        {"since", required_argument, NULL, 's'},  {"until", required_argument, NULL, 'u'},
        {"stats", no_argument, NULL, 'S'},        {"verify", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
    int r = 0;
    opterr = 0;
    optind = 0; /* scan from the start, whoever scanned before */
    for (int c; r == 0 && (c = getopt_long(argc, argv, ":hfn:", rows, NULL)) != -1;) {
        if (c == '?' || c == ':')
            r = option_refuse(c, argv[optind > 1 ? optind - 1 : 1], rows, e);
        else
            r = option_set(&o, c, optarg, now_ns, e);
    }
    if (r == 0)
        r = options_agree(&o, e);
    if (r < 0) {
        options_done(&o);
        return r;
    }
    o.paths = argv + optind;
    o.paths_count = argc - optind;
    *ret = o;
    return 0;
}

void options_done(struct options *o)
{
    where_free(o->where);
    o->where = NULL;
}

/* "orders" selects "orders" and "orders.matching", not "ordersx". */
static bool logger_is_below(const struct fapilog_record *r, const char *prefix)
{
    const struct fapilog_text name = r->logger ? r->logger->name : (struct fapilog_text){"", 0};
    const size_t len = strlen(prefix);
    if (!len)
        return true;
    return name.len >= len && memcmp(name.data, prefix, len) == 0 &&
           (name.len == len || name.data[len] == '.' || prefix[len - 1] == '.');
}

bool options_select(const struct options *o, const struct fapilog_record *r)
{
    return r->level >= o->level && r->time_ns >= o->since_ns && r->time_ns <= o->until_ns &&
           (!o->logger || logger_is_below(r, o->logger)) && (!o->where || where_matches(o->where, r));
}
