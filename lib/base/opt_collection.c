/* Lists and maps as option values. Plain form: entries separated by commas, blanks around them cut off.
 * JSON form: an array of strings, or an object whose values are strings, numbers, true or false; what an
 * entry holds is then free. */
#include "lib/base/opt.h"
#include "lib/base/bytes_text.h"
#include "lib/base/opt_collection.h"
#include "lib/base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void opt_list_free(struct opt_list *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        free(l->item[i]);
    free(l->item);
    *l = (struct opt_list){0};
}

void opt_map_free(struct opt_map *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        free(m->item[i].key);
        free(m->item[i].value);
    }
    free(m->item);
    *m = (struct opt_map){0};
}

const char *opt_map_get(const struct opt_map *m, const char *key)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (strcmp(m->item[i].key, key) == 0)
            return m->item[i].value;
    return NULL;
}

/* Takes the text over, also on failure. */
static int list_add(struct opt_list *l, char *text)
{
    int r = text ? 0 : -ENOMEM;
    if (r == 0 && l->count == OPT_LIST_MAX)
        r = -E2BIG;
    char **more = r < 0 ? NULL : realloc(l->item, (l->count + 1) * sizeof *more);
    if (!more) {
        free(text);
        return r < 0 ? r : -ENOMEM;
    }
    l->item = more;
    l->item[l->count++] = text;
    return 0;
}

static int map_add(struct opt_map *m, char *key, char *value)
{
    int r = key && value ? 0 : -ENOMEM;
    if (r == 0 && m->count == OPT_LIST_MAX)
        r = -E2BIG;
    if (r == 0 && opt_map_get(m, key))
        r = -EEXIST;
    struct opt_pair *more = r < 0 ? NULL : realloc(m->item, (m->count + 1) * sizeof *more);
    if (!more) {
        free(key);
        free(value);
        return r < 0 ? r : -ENOMEM;
    }
    m->item = more;
    m->item[m->count++] = (struct opt_pair){key, value};
    return 0;
}

static const char *skip_blank(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

static char *copy_trimmed(const char *from, const char *to)
{
    from = skip_blank(from);
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    return strndup(from, to > from ? (size_t)(to - from) : 0);
}

/* ---- JSON ---- */

/* Four hexadecimal digits; false where they are not all there. */
static bool take_unit(const char **p, unsigned *ret)
{
    uint8_t bytes[2];
    if (!hex_read(*p, 2, bytes))
        return false;
    *ret = (unsigned)bytes[0] << 8 | bytes[1];
    *p += 4;
    return true;
}

/* \uXXXX, or two of them for a character beyond U+FFFF; p stands behind the 'u'. NUL has no place in an
 * option's text. */
static int json_unicode(const char **p, char **out)
{
    unsigned c, low;
    if (!take_unit(p, &c) || c == 0 || (c >= 0xdc00 && c < 0xe000))
        return -EINVAL;
    if (c >= 0xd800 && c < 0xdc00) {
        if ((*p)[0] != '\\' || (*p)[1] != 'u')
            return -EINVAL;
        *p += 2;
        if (!take_unit(p, &low) || low < 0xdc00 || low > 0xdfff)
            return -EINVAL;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = utf8_put(*out, c);
    return 0;
}

static int json_escape_in(const char **p, char **out)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char c = *(*p)++;
    if (c == 'u')
        return json_unicode(p, out);
    const char *at = c ? strchr(names, c) : NULL;
    if (!at)
        return -EINVAL;
    *(*out)++ = bytes[at - names];
    return 0;
}

static int json_string(const char **p, char **ret)
{
    if (**p != '"')
        return -EINVAL;
    ++*p;
    char *text = malloc(strlen(*p) + 1), *out = text; /* no escape grows */
    int r = text ? 0 : -ENOMEM;
    while (r == 0 && **p != '"') {
        const unsigned char c = (unsigned char)*(*p)++;
        if (c < 0x20)
            r = -EINVAL;
        else if (c == '\\')
            r = json_escape_in(p, &out);
        else
            *out++ = (char)c;
    }
    if (r < 0) {
        free(text);
        return r;
    }
    ++*p;
    *out = '\0';
    *ret = text;
    return 0;
}

/* A string, or a number, true or false as it stands. */
static int json_scalar(const char **p, char **ret)
{
    if (**p == '"')
        return json_string(p, ret);
    const size_t len = strcspn(*p, ",]}: \t\r\n");
    double n;
    char *text = strndup(*p, len);
    if (!text)
        return -ENOMEM;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0 && opt_parse_real(text, &n) < 0) {
        free(text);
        return -EINVAL;
    }
    *p += len;
    *ret = text;
    return 0;
}

/* After an entry: 1 another one follows, 0 the end. */
static int json_more(const char **p, char close)
{
    *p = skip_blank(*p);
    const char c = **p;
    if (c != ',' && c != close)
        return -EINVAL;
    *p = skip_blank(*p + 1);
    return c == ',';
}

static int json_list(const char *p, struct opt_list *ret)
{
    int r = 1;
    p = skip_blank(p + 1);
    if (*p == ']') {
        p = skip_blank(p + 1);
        r = 0;
    }
    while (r > 0) {
        char *text = NULL;
        r = json_scalar(&p, &text);
        if (r == 0)
            r = list_add(ret, text);
        if (r == 0)
            r = json_more(&p, ']');
    }
    return r == 0 && *p ? -EINVAL : r;
}

static int json_pair(const char **p, struct opt_map *ret)
{
    char *key = NULL, *value = NULL;
    int r = json_string(p, &key);
    if (r < 0)
        return r;
    *p = skip_blank(*p);
    r = **p == ':' ? 0 : -EINVAL;
    if (r == 0) {
        *p = skip_blank(*p + 1);
        r = json_scalar(p, &value);
    }
    if (r < 0) {
        free(key);
        return r;
    }
    return map_add(ret, key, value);
}

static int json_map(const char *p, struct opt_map *ret)
{
    int r = 1;
    p = skip_blank(p + 1);
    if (*p == '}') {
        p = skip_blank(p + 1);
        r = 0;
    }
    while (r > 0) {
        r = json_pair(&p, ret);
        if (r == 0)
            r = json_more(&p, '}');
    }
    return r == 0 && *p ? -EINVAL : r;
}

/* ---- both forms ---- */

static int plain_list(const char *p, struct opt_list *ret)
{
    int r = 0;
    while (*p && r == 0) {
        const size_t len = strcspn(p, ",");
        char *text = copy_trimmed(p, p + len);
        if (text && !*text) {
            free(text);
            return -EINVAL;
        }
        r = list_add(ret, text);
        p += len + (p[len] == ',');
    }
    return r;
}

static int plain_map(const char *p, struct opt_map *ret)
{
    int r = 0;
    while (*p && r == 0) {
        const size_t len = strcspn(p, ",");
        const char *equals = memchr(p, '=', len);
        if (!equals)
            return -EINVAL;
        char *key = copy_trimmed(p, equals), *value = copy_trimmed(equals + 1, p + len);
        if (key && !*key) {
            free(key);
            free(value);
            return -EINVAL;
        }
        r = map_add(ret, key, value);
        p += len + (p[len] == ',');
    }
    return r;
}

int opt_parse_list(const char *text, struct opt_list *ret)
{
    struct opt_list l = {0};
    text = skip_blank(text);
    const int r = *text == '[' ? json_list(text, &l) : plain_list(text, &l);
    if (r < 0)
        opt_list_free(&l);
    else
        *ret = l;
    return r;
}

int opt_parse_map(const char *text, struct opt_map *ret)
{
    struct opt_map m = {0};
    text = skip_blank(text);
    const int r = *text == '{' ? json_map(text, &m) : plain_map(text, &m);
    if (r < 0)
        opt_map_free(&m);
    else
        *ret = m;
    return r;
}

/* ---- printing ---- */

static bool is_plain(const char *text, bool is_key)
{
    const size_t len = strlen(text);
    if (strpbrk(text, ",\"\\") || (is_key && (!len || strchr(text, '='))))
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20)
            return false;
    return !len || (!isspace((unsigned char)text[0]) && !isspace((unsigned char)text[len - 1]) &&
                    !strchr("[{", text[0]));
}

struct out {
    char *to;
    size_t used, size;
};

static void put(struct out *o, char c)
{
    if (o->used < o->size)
        o->to[o->used] = c;
    o->used++;
}

static void put_text(struct out *o, const char *text)
{
    while (*text)
        put(o, *text++);
}

static void put_json(struct out *o, const char *text)
{
    put(o, '"');
    for (; *text; text++) {
        char code[8];
        if ((unsigned char)*text < 0x20) {
            (void)snprintf(code, sizeof code, "\\u%04x", (unsigned char)*text);
            put_text(o, code);
            continue;
        }
        if (*text == '"' || *text == '\\')
            put(o, '\\');
        put(o, *text);
    }
    put(o, '"');
}

static int out_end(struct out *o)
{
    const size_t used = o->used;
    put(o, '\0');
    if (o->size)
        o->to[o->size - 1] = '\0';
    return (int)used;
}

int opt_list_print(const struct opt_list *l, char *ret, size_t size)
{
    struct out o = {ret, 0, size};
    bool plain = true;
    for (uint32_t i = 0; i < l->count; i++)
        plain &= is_plain(l->item[i], false) && *l->item[i];
    put_text(&o, plain ? "" : "[");
    for (uint32_t i = 0; i < l->count; i++) {
        put_text(&o, i ? "," : "");
        plain ? put_text(&o, l->item[i]) : put_json(&o, l->item[i]);
    }
    put_text(&o, plain ? "" : "]");
    return out_end(&o);
}

int opt_map_print(const struct opt_map *m, char *ret, size_t size)
{
    struct out o = {ret, 0, size};
    bool plain = true;
    for (uint32_t i = 0; i < m->count; i++)
        plain &= is_plain(m->item[i].key, true) && is_plain(m->item[i].value, false);
    put_text(&o, plain ? "" : "{");
    for (uint32_t i = 0; i < m->count; i++) {
        put_text(&o, i ? "," : "");
        plain ? put_text(&o, m->item[i].key) : put_json(&o, m->item[i].key);
        put_text(&o, plain ? "=" : ":");
        plain ? put_text(&o, m->item[i].value) : put_json(&o, m->item[i].value);
    }
    put_text(&o, plain ? "" : "}");
    return out_end(&o);
}

bool opt_list_has(const struct opt_list *l, const char *text)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (strcmp(l->item[i], text) == 0)
            return true;
    return false;
}
