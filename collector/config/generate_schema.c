#include "collector/config/config.h"
#include "collector/config/generate.h"

#include <string.h>

/* Members of one object: commas go in front of all but the first. */
struct object {
    FILE *f;
    unsigned count;
};

static void text(FILE *f, const char *s)
{
    (void)fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            (void)fputc('\\', f);
        (void)fputc(*s, f);
    }
    (void)fputc('"', f);
}

static void member(struct object *o, const char *name)
{
    (void)fputs(o->count++ ? ",\n" : "\n", o->f);
    text(o->f, name);
    (void)fputs(": ", o->f);
}

static void words(FILE *f, const struct opt_word *w)
{
    (void)fputs("\"enum\": [", f);
    for (const struct opt_word *first = w; w->text; w++) {
        (void)fputs(w == first ? "" : ", ", f);
        text(f, w->text);
        if (strcmp(w->text, "true") == 0 || strcmp(w->text, "false") == 0) /* what YAML makes of the bare word */
            (void)fprintf(f, ", %s", w->text);
    }
    (void)fputs("]", f);
}

/* A value may always lie elsewhere: {env: NAME} or {file: PATH}. */
static void type(FILE *f, const struct opt *row)
{
    switch (row->type) {
    case OPT_BOOL: (void)fputs("\"type\": [\"boolean\", \"string\", \"object\"]", f); break;
    case OPT_UINT: (void)fputs("\"type\": [\"integer\", \"string\", \"object\"]", f); break;
    case OPT_REAL: (void)fprintf(f, "\"type\": [\"number\", \"object\"], \"minimum\": %.17g, \"maximum\": %.17g",
                                 row->real_min,
                                 row->real_max); break;
    case OPT_WORD: words(f, row->words); break;
    case OPT_LIST: (void)fputs("\"type\": [\"array\", \"string\", \"object\"], \"items\": {\"type\": [\"string\", "
                               "\"number\"]}", f);
        break;
    case OPT_MAP: (void)fputs("\"type\": [\"object\", \"string\"]", f); break;
    default: (void)fputs("\"type\": [\"string\", \"number\", \"boolean\", \"object\"]", f);
    }
}

/* of: the sink whose options they are, as it may have defaults of its own; or NULL. */
static void properties(struct object *o, const struct opt *row, const struct sink_ops *of)
{
    for (; row->type != OPT_END_ROW; row++) {
        const char *names[] = {row->name, row->alias};
        const char *def = of ? sink_default_text(of, row) : row->default_text;
        for (size_t i = 0; i < 2 && names[i]; i++) {
            char allowed[300];
            member(o, names[i]);
            (void)fputs("{\"description\": ", o->f);
            text(o->f, row->help);
            if (def && *def) {
                (void)fputs(", \"default\": ", o->f);
                text(o->f, def);
            }
            (void)fputs(", \"$comment\": ", o->f);
            text(o->f, opt_allowed(row, allowed, sizeof allowed));
            (void)fputs(", ", o->f);
            type(o->f, row);
            (void)fputs("}", o->f);
        }
    }
}

static void sinks(FILE *f)
{
    (void)fputs("{\"type\": \"object\", \"additionalProperties\": {\"anyOf\": [\n"
                "{\"type\": \"string\", \"pattern\": \"^[A-Za-z][A-Za-z0-9+._-]*:\"},\n"
                "{\"type\": \"object\", \"required\": [\"uri\"], \"properties\": {\"uri\": {\"type\": \"string\"}}}",
                    f);
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        struct object o = {f, 0};
        (void)fputs(",\n{\"type\": \"object\", \"required\": [\"type\"], \"additionalProperties\": false, "
                    "\"description\": ", f);
        text(f, (*ops)->summary);
        (void)fputs(", \"properties\": {", f);
        member(&o, "type");
        (void)fputs("{\"enum\": [", f);
        text(f, (*ops)->scheme);
        for (const char *const *alias = (*ops)->aliases; alias && *alias; alias++) {
            (void)fputs(", ", f);
            text(f, *alias);
        }
        (void)fputs("]}", f);
        if (!opt_find((*ops)->opts, "uri")) {
            member(&o, "uri");
            (void)fputs("{\"type\": \"string\"}", f);
        }
        properties(&o, (*ops)->opts, *ops);
        properties(&o, sink_common_opts, *ops);
        if ((*ops)->remote)
            properties(&o, sink_delivery_opts, *ops);
        (void)fputs("}}", f);
    }
    (void)fputs("]}}", f);
}

static void stages(FILE *f)
{
    struct object o = {f, 0};
    (void)fputs("{\"type\": \"array\", \"items\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", "
                "\"maxProperties\": 1, "
                "\"minProperties\": 1, \"additionalProperties\": false, \"properties\": {", f);
    member(&o, "enrich");
    (void)fputs("{\"type\": \"array\", \"items\": {\"type\": \"string\"}}", f);
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++) {
        struct object own = {f, 0};
        const char *const none[] = {NULL};
        const char *name = (*ops)->kind;
        for (const char *const *alias = (*ops)->aliases ? (*ops)->aliases : none; name; name = *alias++,
             own.count = 0) {
            member(&o, name);
            (void)fputs("{\"description\": ", f);
            text(f, (*ops)->summary);
            (void)fputs(", \"type\": [\"object\", \"null\", \"boolean\"], \"additionalProperties\": false, "
                        "\"properties\": {", f);
            properties(&own, (*ops)->opts, NULL);
            (void)fputs("}}", f);
        }
    }
    (void)fputs("}}]}}", f);
}

static void object(FILE *f, const struct opt *rows)
{
    struct object o = {f, 0};
    (void)fputs("{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {", f);
    properties(&o, rows, NULL);
    (void)fputs("}}", f);
}

void generate_schema(FILE *f)
{
    static const char level[] = "{\"type\": [\"string\", \"integer\", \"boolean\"]}";
    struct object o = {f, 0};
    (void)fputs("{\"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
                "\"title\": \"fapilog-collector " FAPILOG_VERSION "\", \"type\": \"object\",\n"
                "\"additionalProperties\": false, \"patternProperties\": {\"^x-\": {}}, \"properties\": {", f);
    member(&o, "preset");
    (void)fputs("{\"type\": \"string\"}", f);
    properties(&o, settings_opts, NULL);
    member(&o, "level");
    (void)fputs(level, f);
    member(&o, "levels");
    (void)fprintf(f, "{\"type\": \"object\", \"additionalProperties\": %s}", level);
    member(&o, "adaptive");
    object(f, pressure_opts);
    member(&o, "stages");
    stages(f);
    member(&o, "sinks");
    sinks(f);
    member(&o, "routes");
    (void)fputs("{\"type\": \"array\", \"items\": ", f);
    object(f, route_opts);
    (void)fputs("}", f);
    member(&o, "routing");
    object(f, routing_opts);
    (void)fputs("}}\n", f);
}
