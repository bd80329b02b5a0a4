/* safe_text.h - texts of other processes, made harmless for tables and JSON. */
#ifndef TOOLS_DUMP_SAFE_TEXT_H
#define TOOLS_DUMP_SAFE_TEXT_H

#include "collector/format/text.h"
#include "lib/base/json_escape.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum { SAFE_TEXT_BYTES_MAX = 160 };

typedef char safe_text[SAFE_TEXT_BYTES_MAX * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK];
typedef char safe_path[PATH_MAX * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK];

/* Texts come from another process: nothing of them may steer the terminal. Both return ret. */
static inline const char *safe_clean(const char *text, size_t len, safe_text ret)
{
    unsigned flags = 0;
    *text_clean(text, len < SAFE_TEXT_BYTES_MAX ? len : SAFE_TEXT_BYTES_MAX, ret, &flags) = '\0';
    return ret;
}

static inline const char *safe_quoted(const char *text, size_t len, safe_text ret)
{
    unsigned flags = 0;
    *json_escape(text, len < SAFE_TEXT_BYTES_MAX ? len : SAFE_TEXT_BYTES_MAX, ret, &flags) = '\0';
    return ret;
}

/* Paths are not cut. */
static inline const char *safe_clean_path(const char *path, safe_path ret)
{
    unsigned flags = 0;
    *text_clean(path, strnlen(path, PATH_MAX), ret, &flags) = '\0';
    return ret;
}

static inline const char *safe_quoted_path(const char *path, safe_path ret)
{
    unsigned flags = 0;
    *json_escape(path, strnlen(path, PATH_MAX), ret, &flags) = '\0';
    return ret;
}

#endif
