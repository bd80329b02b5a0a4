#include "bench/harness/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put(struct json *j, const char *text, size_t len)
{
    const int r = buf_append(&j->out, text, len);
    if (r < 0 && j->failed == 0)
        j->failed = r;
}

static void put_quoted(struct json *j, const char *text)
{
    put(j, "\"", 1);
    for (const char *c = text; *c; c++) {
        char esc[8];
        if (*c == '"' || *c == '\\') {
            put(j, "\\", 1);
            put(j, c, 1);
        } else if ((unsigned char)*c < 0x20) {
            put(j, esc, (size_t)snprintf(esc, sizeof esc, "\\u%04x", (unsigned char)*c));
        } else {
            put(j, c, 1);
        }
    }
    put(j, "\"", 1);
}

static void put_key(struct json *j, const char *key)
{
    if (j->comma)
        put(j, ", ", 2);
    j->comma = true;
    if (key) {
        put_quoted(j, key);
        put(j, ": ", 2);
    }
}

void json_open(struct json *j, const char *key, char bracket)
{
    put_key(j, key);
    put(j, &bracket, 1);
    j->comma = false;
}

void json_close(struct json *j, char bracket)
{
    put(j, &bracket, 1);
    j->comma = true;
}

void json_text(struct json *j, const char *key, const char *text)
{
    put_key(j, key);
    put_quoted(j, text);
}

void json_int(struct json *j, const char *key, int64_t value)
{
    char text[32];
    put_key(j, key);
    put(j, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
}

void json_num(struct json *j, const char *key, double value)
{
    char text[40];
    if (!isfinite(value)) {
        json_null(j, key);
        return;
    }
    put_key(j, key);
    put(j, text, (size_t)snprintf(text, sizeof text, "%.6g", value));
}

void json_null(struct json *j, const char *key)
{
    put_key(j, key);
    put(j, "null", 4);
}
