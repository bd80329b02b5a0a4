/* The rows as a table in Markdown. */
#include "collector/config/generate.h"

#include <stdio.h>

static void values(FILE *f, const struct opt *row)
{
    static const char *const types[] = {
        [OPT_TEXT] = "text", [OPT_BOOL] = "true, false", [OPT_UINT] = "number", [OPT_SIZE] = "size",
        [OPT_DURATION] = "duration", [OPT_LEVEL] = "level", [OPT_REAL] = "number", [OPT_LIST] = "list",
        [OPT_MAP] = "map",
    };
    if (row->type != OPT_WORD) {
        (void)fputs(types[row->type], f);
        return;
    }
    for (const struct opt_word *w = row->words; w->text; w++)
        (void)fprintf(f, "%s%s", w == row->words ? "" : ", ", w->text);
}

void generate_table(FILE *f, const struct opt *row)
{
    (void)fputs("| option | values | default | meaning |\n|---|---|---|---|\n", f);
    for (; row->type != OPT_END_ROW; row++) {
        (void)fprintf(f, "| `%s`", row->name);
        if (row->alias)
            (void)fprintf(f, ", `%s`", row->alias);
        (void)fputs(" | ", f);
        values(f, row);
        if (row->default_text && *row->default_text)
            (void)fprintf(f, " | `%s` | %s |\n", row->default_text, row->help);
        else
            (void)fprintf(f, " | %s | %s |\n", row->flags & OPT_REQUIRED ? "required" : "", row->help);
    }
}
