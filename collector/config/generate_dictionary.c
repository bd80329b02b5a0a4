/* The rows as words for a fuzzer. */
#include "collector/config/config.h"
#include "collector/config/generate.h"
#include "lib/base/check.h"

#include <stdio.h>

static void word(FILE *f, const char *text)
{
    (void)fputc('"', f);
    for (; *text; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            (void)fprintf(f, "\\x%02x", (unsigned char)*text);
        else
            (void)fputc(*text, f);
    (void)fputs("\"\n", f);
}

static void words(FILE *f, const struct opt *row)
{
    for (; row->type != OPT_END_ROW; row++) {
        char key[100];
        (void)snprintf(key, sizeof key, "%s: ", row->name);
        word(f, key);
        if (row->alias)
            word(f, row->alias);
        if (row->default_text && *row->default_text)
            word(f, row->default_text);
        for (const struct opt_word *w = row->type == OPT_WORD ? row->words : NULL; w && w->text; w++)
            word(f, w->text);
    }
}

void generate_dictionary(FILE *f)
{
    static const char *const fixed[] = {
        "preset: ", "level: ", "levels: ", "stages:\n  - ", "sinks:\n  ", "routes:\n  - ", "routing: ", "adaptive: ",
        "type: ", "uri: ", "enrich: [", "{env: ", "{file: ", "&a ", "*a", "<<: ", "'", "\"", "| \n", "> \n", "--- ",
        "!!str ", "? ", "[]", "{}", "~", "production", "CREDENTIALS",
    };
    for (size_t i = 0; i < ARRAY_COUNT(fixed); i++)
        word(f, fixed[i]);
    words(f, settings_opts);
    words(f, routing_opts);
    words(f, pressure_opts);
    words(f, route_opts);
    words(f, sink_common_opts);
    words(f, sink_delivery_opts);
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        word(f, (*ops)->scheme);
        words(f, (*ops)->opts);
    }
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++) {
        word(f, (*ops)->kind);
        words(f, (*ops)->opts);
    }
}
