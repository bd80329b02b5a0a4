#include "tests/conformance/sink_options.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 512 };

static unsigned complain(const struct opt *row, const char *what, const char *more)
{
    fprintf(stderr, "option %s: %s %s\n", row->name, what, more);
    return 1;
}

unsigned options_defaults_parse_and_print_back(const struct opt *rows, size_t cfg_size)
{
    void *a = calloc(1, cfg_size), *b = calloc(1, cfg_size);
    char text[VALUE_MAX], again[VALUE_MAX];
    struct err e = {0};
    unsigned bad = 0;
    CHECK(a && b);
    if (opt_defaults(rows, a, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        bad++;
    }
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        if (opt_print(row, a, text, sizeof text) < 0)
            bad += complain(row, "default cannot be printed", "");
        if (!*text)
            continue;
        if (opt_set(row, b, text, &e) < 0)
            bad += complain(row, "printed default is refused:", e.text);
        else if (opt_print(row, b, again, sizeof again) < 0 || strcmp(text, again) != 0)
            bad += complain(row, "default changes by being printed:", text);
    }
    opt_free(rows, a);
    opt_free(rows, b);
    free(a);
    free(b);
    return bad;
}

static unsigned refuse(const struct opt *row, void *cfg, const char *value)
{
    struct err e = {0};
    if (opt_set(row, cfg, value, &e) == 0)
        return complain(row, "accepts", value);
    if (strncmp(e.text, row->name, strlen(row->name)) != 0)
        return complain(row, "is not named by its error:", e.text);
    return 0;
}

static unsigned check_bounds(const struct opt *row, void *cfg)
{
    char text[64];
    const char *unit = row->type == OPT_DURATION ? "ns" : "";
    unsigned bad = 0;
    struct err e = {0};
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof text, "%" PRIu64 "%s", i ? row->max : row->min, unit);
        if (opt_set(row, cfg, text, &e) < 0)
            bad += complain(row, "refuses its bound", text);
    }
    if (row->min > 0) {
        (void)snprintf(text, sizeof text, "%" PRIu64 "%s", row->min - 1, unit);
        bad += refuse(row, cfg, text);
    }
    (void)snprintf(text, sizeof text, "%" PRIu64 "%s", row->max + 1, unit);
    bad += refuse(row, cfg, text);
    return bad + refuse(row, cfg, "-1");
}

unsigned options_refuse_what_is_outside(const struct opt *rows, size_t cfg_size)
{
    void *cfg = calloc(1, cfg_size);
    char text[64];
    unsigned bad = 0;
    CHECK(cfg);
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++)
        switch (row->type) {
        case OPT_UINT: case OPT_SIZE: case OPT_DURATION:
            bad += check_bounds(row, cfg);
            bad += refuse(row, cfg, "soon") + refuse(row, cfg, "");
            break;
        case OPT_BOOL: case OPT_WORD:
            bad += refuse(row, cfg, "maybe") + refuse(row, cfg, "");
            break;
        case OPT_LEVEL:
            bad += refuse(row, cfg, "0") + refuse(row, cfg, "32") + refuse(row, cfg, "LOUD");
            break;
        case OPT_REAL:
            (void)snprintf(text, sizeof text, "%.17g", row->real_max * 2 + 1);
            bad += refuse(row, cfg, text) + refuse(row, cfg, "soon") + refuse(row, cfg, "");
            break;
        case OPT_LIST:
            bad += refuse(row, cfg, ",") + refuse(row, cfg, "[\"a\"");
            break;
        case OPT_MAP:
            bad += refuse(row, cfg, "a") + refuse(row, cfg, "a=1,a=2") + refuse(row, cfg, "{\"a\"}");
            break;
        default:
            break;
        }
    opt_free(rows, cfg);
    free(cfg);
    return bad;
}

static bool is_name(const char *name)
{
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

unsigned options_are_named_and_explained(const struct opt *rows)
{
    unsigned bad = 0;
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        if (!is_name(row->name) || (row->alias && !is_name(row->alias)))
            bad += complain(row, "is not a name", row->alias ? row->alias : "");
        if (!row->help || strlen(row->help) < 5 || row->help[strlen(row->help) - 1] != '.')
            bad += complain(row, "has no help that ends in a full stop", "");
        for (const struct opt *other = rows; other != row; other++)
            if (opt_find(other, row->name) == other || (row->alias && opt_find(other, row->alias) == other))
                bad += complain(row, "has the name of", other->name);
    }
    return bad;
}

void options_doc_line(const struct opt *row, char *ret, size_t size)
{
    static const char *const kinds[] = {
        [OPT_TEXT] = "text", [OPT_BOOL] = "true, false", [OPT_UINT] = "number", [OPT_SIZE] = "size",
        [OPT_DURATION] = "duration", [OPT_LEVEL] = "level", [OPT_REAL] = "number", [OPT_LIST] = "list",
        [OPT_MAP] = "map",
    };
    const bool has_default = row->default_text && *row->default_text;
    struct buf values = {0};
    if (row->type == OPT_WORD)
        for (const struct opt_word *w = row->words; w->text; w++)
            CHECK(buf_printf(&values, "%s%s", w == row->words ? "" : ", ", w->text) == 0);
    else
        CHECK(buf_printf(&values, "%s", kinds[row->type]) == 0);
    (void)snprintf(ret, size, "| `%s`%s%s%s | %s | %s%s%s | %s |", row->name, row->alias ? ", `" : "",
                   row->alias ? row->alias : "", row->alias ? "`" : "", buf_cstr(&values),
                   has_default ? "`" : "",
                   has_default ? row->default_text : row->flags & OPT_REQUIRED ? "required" : "",
                   has_default ? "`" : "", row->help);
    buf_done(&values);
}

unsigned options_are_documented(const struct opt *rows, const char *page)
{
    char line[1024];
    unsigned bad = 0;
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        options_doc_line(row, line, sizeof line);
        if (!strstr(page, line))
            bad += complain(row, "is not in the page; expected:\n", line);
    }
    return bad;
}
