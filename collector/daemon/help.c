#include "collector/daemon/options.h"
#include "collector/format/format.h"
#include "collector/sinks/sink.h"
#include "collector/stage/pressure.h"

#include <errno.h>
#include <string.h>

enum { COLUMNS = 98, NAME_COLUMNS = 20 };

/* The text beside the name, or below a long one; its further lines below its first. */
static void print_wrapped(FILE *f, const char *name, const char *text)
{
    const int margin = NAME_COLUMNS + 3;
    int column = margin;
    (void)fprintf(f, "  %-*s", NAME_COLUMNS, name);
    if (strlen(name) > NAME_COLUMNS)
        (void)fprintf(f, "\n  %-*s", NAME_COLUMNS, "");
    while (*text) {
        const int word = (int)strcspn(text, " ");
        if (column > margin && column + word > COLUMNS) {
            (void)fprintf(f, "\n  %-*s", NAME_COLUMNS, "");
            column = margin;
        }
        (void)fprintf(f, " %.*s", word, text);
        column += word + 1;
        text += word + (text[word] == ' ');
    }
    (void)fputc('\n', f);
}

/* of: the sink whose options they are, as it may have defaults of its own; or NULL. */
static void print_rows(FILE *f, const struct opt *rows, const struct sink_ops *of)
{
    for (; rows->type != OPT_END_ROW; rows++) {
        char allowed[200];
        char facts[400];
        const char *text = of ? sink_default_text(of, rows) : rows->default_text;
        const char *def = text && *text ? text : "none";
        const bool is_required = rows->flags & OPT_REQUIRED;
        (void)snprintf(facts, sizeof facts, "%s%s; %s%s%s", is_required ? "required" : "default ",
                       is_required ? "" : def, opt_allowed(rows, allowed, sizeof allowed),
                       rows->alias ? "; also " : "", rows->alias ? rows->alias : "");
        print_wrapped(f, rows->name, rows->help);
        print_wrapped(f, "", facts);
    }
}

void options_help(FILE *f)
{
    (void)fputs(
        "usage: fapilog-collector [--config FILE] [--preset NAME] [--rings DIR] [--sink URI]...\n"
        "                         [--set KEY=VALUE]... [OPTION]...\n"
        "\n"
        "Reads the rings of all services in DIR and writes their records to the sinks.\n"
        "\n"
        "  --rings DIR      where the rings are (default: $FAPILOG_RING_DIR, else /run/fapilog/UID,\n"
        "                   else $XDG_RUNTIME_DIR/fapilog, else /tmp/fapilog-UID)\n"
        "  --config FILE    a configuration in YAML (default: $FAPILOG_CONFIG, else none)\n"
        "  --preset NAME    values to begin with: dev, production, serverless, hardened, minimal or none\n"
        "  --sink URI       where records go; may be repeated (default: $FAPILOG_SINKS, else those of\n"
        "                   the file, else the console)\n"
        "  --set KEY=VALUE  a setting, see below, or sinks.NAME.OPTION, stages.NAME.OPTION\n"
        "  --user NAME[:GROUP]\n"
        "                   started as root: read configuration, secrets and certificates, then go on as\n"
        "                   this user, for good\n"
        "  --drain          deliver all that the rings hold, then exit\n"
        "  --replay PATH    send dead letters again, a file or all of a directory, to the sink of their\n"
        "                   name or to the one of --sink, then exit\n"
        "  --check          validate everything, print what would run and where each value comes\n"
        "                   from, exit\n"
        "  --sample         print a commented configuration with every option, exit\n"
        "  --schema         print a JSON schema of the configuration for editors, exit\n"
        "  --verbose        say what happens\n"
        "  --help, -h [SINK or STAGE]\n"
        "                   this text, or the options of a sink or stage\n"
        "  --version        the version\n"
        "\n"
        "A value is taken from, low to high: its default, the preset, the file, the environment\n"
        "(FAPILOG_KEY), the URI, the command line. SIGTERM and SIGINT drain and stop, a second one\n"
        "stops at once; SIGHUP reopens files and reloads the configuration; SIGUSR1 rotates.\n"
        "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
        "\n"
        "Settings:\n"
        "  level[.LOGGER]       Level from which services log, at run time.\n"
        "                       a level name or off\n",
        f);
    print_rows(f, settings_opts, NULL);
    (void)fputs("\nRouting, as routing.KEY:\n", f);
    print_rows(f, routing_opts, NULL);
    (void)fputs("\nUnder pressure, as adaptive.KEY:\n", f);
    print_rows(f, pressure_opts, NULL);
    (void)fputs("\nStages:\n", f);
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++)
        print_wrapped(f, (*ops)->kind, (*ops)->summary);
    (void)fputs("\nSinks:\n", f);
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++)
        print_wrapped(f, (*ops)->scheme, (*ops)->summary);
    (void)fputs("\nFormats, as in --sink file:/path?format=NAME:\n ", f);
    for (const struct format_ops *const *ops = format_list; *ops; ops++)
        (void)fprintf(f, " %s", (*ops)->name);
    (void)fputc('\n', f);
}

static int help_stage(FILE *f, const char *topic, struct err *e)
{
    const struct stage_ops *ops = stage_find(topic);
    if (!ops) {
        char schemes[400];
        return err_set(e, -EINVAL, "%s: no such sink or stage (sinks: %s; for stages see --help)", topic,
                       sink_schemes(schemes, sizeof schemes));
    }
    (void)fprintf(f, "%s: %s\n\nOptions, as in stages: [%s: {option: value}]\n", ops->kind, ops->summary, ops->kind);
    print_rows(f, ops->opts, NULL);
    return 0;
}

int options_help_topic(FILE *f, const char *topic, struct err *e)
{
    const struct sink_ops *ops = sink_find(topic);
    if (!ops)
        return help_stage(f, topic, e);
    (void)fprintf(f, "%s: %s\n\nOptions, as in %s:...?option=value\n", ops->scheme, ops->summary, ops->scheme);
    print_rows(f, ops->opts, ops);
    (void)fputs("\nOptions of every sink:\n", f);
    print_rows(f, sink_common_opts, ops);
    if (ops->remote) {
        (void)fputs("\nOptions of every sink that speaks to a server:\n", f);
        print_rows(f, sink_delivery_opts, ops);
    }
    return 0;
}
