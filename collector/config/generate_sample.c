#include "collector/config/config.h"
#include "collector/config/generate.h"

#include <string.h>

/* Texts in quotes: `***` alone would be an alias, and what begins with a bracket a list. */
static void default_write(FILE *f, const struct opt *row, const char *def)
{
    const char *text = def ? def : "";
    if (row->type == OPT_LIST)
        (void)fprintf(f, "[%s]", text);
    else if (row->type == OPT_MAP)
        (void)fputs("{}", f);
    else if (*text && row->type != OPT_TEXT)
        (void)fputs(text, f);
    else {
        (void)fputc('"', f);
        for (; *text; text++)
            (void)fprintf(f, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
        (void)fputc('"', f);
    }
}

/* of: the sink whose options they are, as it may have defaults of its own; or NULL. */
static void rows(FILE *f, const char *indent, const struct opt *row, const struct sink_ops *of)
{
    for (; row->type != OPT_END_ROW; row++) {
        char allowed[300];
        const char *def = of ? sink_default_text(of, row) : row->default_text;
        const bool is_required = row->flags & OPT_REQUIRED;
        (void)fprintf(f, "#%s# %s %s%s\n", indent, row->help, opt_allowed(row, allowed, sizeof allowed),
                      is_required ? "; required" : "");
        if (row->flags & OPT_SECRET)
            (void)fprintf(f, "#%s%s: {env: NAME} # or {file: PATH}\n", indent, row->name);
        else {
            (void)fprintf(f, "#%s%s: ", indent, row->name);
            default_write(f, row, def);
            (void)fputc('\n', f);
        }
    }
}

static void stages(FILE *f)
{
    static const char *const groups[] = {"filters", "enrichers", "redactors", "processors"};
    (void)fputs("\n# What happens to a record before the sinks, in the order of groups: filters, enrichers, "
                "redactors,\n"
                "# processors. `- KIND: false` takes out a stage of the preset.\n#stages:\n", f);
    for (unsigned g = 0; g < STAGE_GROUP_COUNT; g++)
        for (const struct stage_ops *const *ops = stage_list; *ops; ops++)
            if ((*ops)->group == (enum stage_group)g) {
                (void)fprintf(f, "\n# %s: %s\n#  - %s:\n", groups[g], (*ops)->summary, (*ops)->kind);
                rows(f, "      ", (*ops)->opts, NULL);
            }
}

/* Those of the options of every sink and of every remote one for which this one has a default of its own. */
static void own_defaults(FILE *f, const struct sink_ops *ops)
{
    for (const struct sink_default *d = ops->defaults; d && d->name; d++) {
        const struct opt *row = opt_find(sink_common_opts, d->name);
        row = row ? row : opt_find(sink_delivery_opts, d->name);
        if (row)
            rows(f, "    ", (const struct opt[]){*row, OPT_END}, ops);
    }
}

static void sinks(FILE *f)
{
    (void)fputs("\n# Where records go: a name, and a URI or a map. {env: NAME} and {file: PATH} stand for any value.\n"
                "sinks:\n  console: {type: console, mode: auto}\n", f);
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        (void)fprintf(f, "\n# %s\n#  my_%s:\n#    type: %s\n", (*ops)->summary, (*ops)->scheme, (*ops)->scheme);
        rows(f, "    ", (*ops)->opts, *ops);
        own_defaults(f, *ops);
    }
    (void)fputs("\n# Every sink also has:\n", f);
    for (const struct opt *row = sink_common_opts + 1; row->type != OPT_END_ROW; row++) /* without its name: the key */
        rows(f, "    ", (const struct opt[]){*row, OPT_END}, NULL);
    (void)fputs("\n# Every sink that speaks to a server also has, where it says nothing else above:\n", f);
    rows(f, "    ", sink_delivery_opts, NULL);
}

void generate_sample(FILE *f)
{
    (void)fputs("# Configuration of fapilog-collector " FAPILOG_VERSION ", with every option at its default.\n"
                "# fapilog-collector --config FILE --check says whether it is valid, and where each value comes "
                "from.\n\n"
                "# A set of values to begin with: dev, production, serverless, hardened, minimal.\n#preset: "
                "production\n\n"
                "# Keys that begin with x- are yours, for anchors; `<<: *disk` in a sink then gives it these options.\n"
                "#x-disk: &disk {sync: interval, max_files: 10}\n\n", f);
    rows(f, "", settings_opts, NULL);
    (void)fputs("\n# Level from which services log, for all and by logger.\n#level: INFO\n#levels: {orders.matching: "
                "DEBUG}\n", f);
    (void)fputs("\n# What is shed when more comes in than goes out; see docs/stages/pressure.md.\n#adaptive:\n", f);
    rows(f, "  ", pressure_opts, NULL);
    stages(f);
    sinks(f);
    (void)fputs("\n# Which sinks a record goes to; without rules, to all.\n#routes:\n#  - to: [console]\n", f);
    for (const struct opt *row = route_opts; row->type != OPT_END_ROW; row++)
        if (strcmp(row->name, "to") != 0)
            rows(f, "    ", (const struct opt[]){*row, OPT_END}, NULL);
    (void)fputs("#routing:\n", f);
    rows(f, "  ", routing_opts, NULL);
}
