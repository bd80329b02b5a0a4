#include "collector/format/pretty_map.h"

#include "collector/format/json_text.h"
#include "collector/format/text.h"
#include "collector/format/values.h"
#include "lib/base/check.h"

enum {
    PATH_MAX_BYTES = 64, /* longer paths end there; what is below is shown as JSON */
    GROWTH = 24,         /* most bytes that one byte of JSON becomes: {"":1} shows its whole path again */
};

struct path {
    char text[PATH_MAX_BYTES];
    uint32_t len;
};

size_t pretty_map_bound(const struct fapilog_field *f)
{
    const size_t sum = value_bound(f);
    if (f->type != FAPILOG_TYPE_JSON)
        return sum;
    return sum + (size_t)f->len * GROWTH + (size_t)f->name.len * JSON_ESCAPE_FACTOR + 4 * (size_t)PATH_MAX_BYTES;
}

/* Appends the name, fit for a terminal, behind a dot where there is something before it. False: no room. */
static bool path_add(struct path *p, struct fapilog_text name)
{
    char clean[PATH_MAX_BYTES * JSON_ESCAPE_FACTOR];
    unsigned ignored = 0;
    if (name.len > PATH_MAX_BYTES)
        return false;
    const uint32_t len = (uint32_t)(text_clean(name.data, name.len, clean, &ignored) - clean);
    const uint32_t dot = p->len > 0;
    if (p->len + dot + len > PATH_MAX_BYTES)
        return false;
    p->text[p->len] = '.'; /* overwritten where it is not wanted */
    memcpy(p->text + p->len + dot, clean, len);
    p->len += dot + len;
    return true;
}

static char *put_leaf(const struct format *f, const struct path *path, const char *json, const char *end, char *out,
                      unsigned *flags)
{
    const size_t len = (size_t)(end - json);
    out = pretty_name(f, (struct fapilog_text){path->text, path->len}, out, flags);
    if (*json == '"' && !memchr(json, '\\', len))
        return pretty_string((struct fapilog_text){json + 1, (uint32_t)len - 2}, out, flags);
    return text_clean(json, len, out, flags);
}

/* p stands at a value; returns the end of what was written. */
static char *put_tree(const struct format *f, struct path *path, const char *p, char *out, unsigned *flags)
{
    if (*p != '{' || p[1] == '}')
        return put_leaf(f, path, p, json_text_skip(p), out, flags);
    while (*p != '}') {
        const char *const key_end = json_text_skip(++p); /* behind the brace or the comma */
        const char *const value = key_end + 1;
        const uint32_t len = path->len;
        const char *const end = json_text_skip(value);
        if (path_add(path, (struct fapilog_text){p + 1, (uint32_t)(key_end - p) - 2})) {
            out = put_tree(f, path, value, out, flags);
        } else {
            static const char open[] = "{";
            out = put_leaf(f, path, open, open + 1, out, flags);
            out = text_clean(p, (size_t)(end - p), out, flags);
            *out++ = '}';
        }
        path->len = len;
        p = end;
    }
    return out;
}

char *pretty_map_write(const struct format *f, const struct gather_entry *e, char *out, unsigned *flags)
{
    /* The JSON is made behind all that it can become. e->name may be longer than the field's own name, but
     * not than it escaped, or than the name of a role. */
    const struct fapilog_field *const field = e->field;
    char *const json = out + (size_t)field->len * GROWTH + (size_t)field->name.len * JSON_ESCAPE_FACTOR +
                       3 * (size_t)PATH_MAX_BYTES;
    char *const end = json_text_write(field->v.data, field->len, VALUE_SORTED, json, flags);
    *end = '\0';
    struct path path = {.len = 0};
    if (*json == '{' && path_add(&path, e->name))
        return put_tree(f, &path, json, out, flags);
    out = pretty_name(f, e->name, out, flags);
    return text_clean(json, (size_t)(end - json), out, flags);
}
