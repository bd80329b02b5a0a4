#include "tools/cat/ndjson.h"

#include "lib/base/check.h"
#include "lib/base/opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTED_MAX = 64 }; /* numbers of one line */

static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(key, *names) == 0)
            return true;
    }
    return false;
}

static bool take_message(struct ndjson *n, const char *key, const json_t *value)
{
    static const char *const names[] = {"message", "msg", "body", "MESSAGE", NULL};

    if (n->message.data || !json_is_string(value) || !is_one_of(key, names))
        return false;
    n->message = (struct fapilog_text){json_string_value(value), (uint32_t)json_string_length(value)};
    return true;
}

/* journalctl -o json: a message that is no UTF-8, or has control characters in it, as a list of its bytes. */
static bool take_message_bytes(struct ndjson *n, const char *key, const json_t *value)
{
    const size_t len = json_array_size(value); /* 0 also where it is none */
    if (n->message.data || strcmp(key, "MESSAGE") != 0 || !len || n->owned_count == ARRAY_COUNT(n->owned))
        return false;
    char *text = malloc(len);
    for (size_t i = 0; text && i < len; i++) {
        const json_t *const byte = json_array_get(value, i);
        const json_int_t v = json_is_integer(byte) ? json_integer_value(byte) : -1;
        if (v < 0 || v > UINT8_MAX) {
            free(text);
            return false;
        }
        text[i] = (char)(uint8_t)v;
    }
    if (!text)
        return false; /* it stays what it is, a field */
    n->owned[n->owned_count++] = text;
    n->message = (struct fapilog_text){text, (uint32_t)len};
    return true;
}

static bool take_level(struct ndjson *n, const char *key, const json_t *value)
{
    static const char *const names[] = {"level", "severity", "severity_text", NULL};
    uint8_t level;

    if (n->level || !json_is_string(value) || !is_one_of(key, names) ||
        opt_parse_level(json_string_value(value), &level) < 0 || level >= FAPILOG_LEVEL_OFF)
        return false; /* OFF is a threshold: no record has it */
    n->level = level;
    return true;
}

/* journalctl -o json: the numbers of syslog, as text; others write them as numbers. */
static bool take_priority(struct ndjson *n, const char *key, const json_t *value)
{
    static const uint8_t levels[] = {FAPILOG_LEVEL_CRITICAL, FAPILOG_LEVEL_CRITICAL, FAPILOG_LEVEL_CRITICAL,
                                     FAPILOG_LEVEL_ERROR, FAPILOG_LEVEL_WARNING, FAPILOG_LEVEL_INFO,
                                     FAPILOG_LEVEL_INFO, FAPILOG_LEVEL_DEBUG};
    const char *text = json_string_value(value);
    const json_int_t priority = json_is_integer(value) ? json_integer_value(value)
                                : text && text[0] && !text[1] ? text[0] - '0' : -1;
    if (n->level || strcmp(key, "PRIORITY") != 0 || priority < 0 || priority > 7)
        return false;
    n->level = levels[priority];
    return true;
}

static int set_value(struct ndjson *n, struct fapilog_field *f, json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        f->type = FAPILOG_TYPE_STRING;
        f->v.data = json_string_value(value);
        f->len = (uint32_t)json_string_length(value);
        return 0;
    case JSON_INTEGER:
        f->type = FAPILOG_TYPE_I64;
        f->v.i64 = json_integer_value(value);
        return 0;
    case JSON_REAL:
        f->type = FAPILOG_TYPE_F64;
        f->v.f64 = json_real_value(value);
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        f->type = FAPILOG_TYPE_BOOL;
        f->v.u64 = json_is_true(value);
        return 0;
    case JSON_NULL:
        f->type = FAPILOG_TYPE_NULL;
        return 0;
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return -ENOMEM;
    CHECK(n->owned_count < ARRAY_COUNT(n->owned));
    n->owned[n->owned_count++] = text;
    f->type = FAPILOG_TYPE_JSON;
    f->v.data = text;
    f->len = (uint32_t)strlen(text);
    return 0;
}

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* A number that no 64-bit type holds would be refused with all of its line: in a copy, such numbers stand
 * in quotes. NULL with *error as json_loadb() leaves it. */
static json_t *load_with_large_numbers(const char *line, size_t len, json_error_t *error)
{
    json_t *root = NULL;
    char *copy = malloc(len + 2 * QUOTED_MAX);

    if (!copy)
        return NULL;
    memcpy(copy, line, len);
    for (int i = 0; !root && i < QUOTED_MAX && json_error_code(error) == json_error_numeric_overflow; i++) {
        size_t end = (size_t)error->position, start = end;
        while (start > 0 && is_of_number(copy[start - 1]))
            start--;
        memmove(copy + end + 2, copy + end, len - end);
        memmove(copy + start + 1, copy + start, end - start);
        copy[start] = copy[end + 1] = '"';
        len += 2;
        root = json_loadb(copy, len, JSON_ALLOW_NUL, error);
    }
    free(copy);
    return root;
}

static int add_field(struct ndjson *n, const char *key, json_t *value)
{
    CHECK(n->fields_count < FAPILOG_FIELDS_MAX);
    struct fapilog_field *f = &n->fields[n->fields_count];
    *f = (struct fapilog_field){.name = {key, (uint32_t)strlen(key)}};
    const int r = set_value(n, f, value);
    n->fields_count += r == 0;
    return r;
}

int ndjson_parse(struct ndjson *n, const char *line, size_t len, struct err *e)
{
    json_error_t error;
    const char *key;
    json_t *value;

    ndjson_clear(n);
    n->root = json_loadb(line, len, JSON_ALLOW_NUL, &error);
    if (!n->root && json_error_code(&error) == json_error_numeric_overflow)
        n->root = load_with_large_numbers(line, len, &error);
    if (!n->root)
        return err_set(e, -EINVAL, "not JSON: %s at byte %d", error.text, error.position);
    if (!json_is_object(n->root))
        return err_set(e, -EINVAL, "JSON, but not an object");
    json_object_foreach(n->root, key, value) {
        if (take_message(n, key, value) || take_message_bytes(n, key, value) || take_level(n, key, value) ||
            take_priority(n, key, value))
            continue;
        const bool is_last = n->fields_count == FAPILOG_FIELDS_MAX - 1;
        if (!n->rest && is_last && !(n->rest = json_object()))
            return err_set(e, -ENOMEM, "out of memory");
        if ((n->rest ? json_object_set(n->rest, key, value) : add_field(n, key, value)) < 0)
            return err_set(e, -ENOMEM, "out of memory");
    }
    return n->rest && add_field(n, "_rest", n->rest) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

void ndjson_clear(struct ndjson *n)
{
    json_decref(n->root);
    json_decref(n->rest);
    for (uint32_t i = 0; i < n->owned_count; i++)
        free(n->owned[i]);
    *n = (struct ndjson){0};
}
