#include "collector/stage/redact/json_mask.h"

#include "collector/stage/redact/json_string.h"
#include "lib/base/check.h"

#include <string.h>

struct walk {
    const struct json_mask_rules *rules;
    struct name_path *path;
    const struct json_mask_memory *memory;
    const char *p, *end;
    char *out;        /* NULL: measuring */
    size_t bytes;     /* written, or to be written */
    uint32_t depth, keys;
    bool cut, has_indices, in_key;
    bool is_changed, is_beyond, is_out_of_memory;
    char *scratch;    /* for one string without its escapes */
};

static bool walk_value(struct walk *w);

static void put(struct walk *w, const char *text, size_t len)
{
    if (w->out)
        memcpy(w->out + w->bytes, text, len);
    w->bytes += len;
}

static void put_mask(struct walk *w, struct fapilog_text mask)
{
    put(w, "\"", 1);
    put(w, mask.data, mask.len);
    put(w, "\"", 1);
}

static void skip_space(struct walk *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
        w->p++;
}

static bool take(struct walk *w, char c)
{
    skip_space(w);
    if (w->p == w->end || *w->p != c)
        return false;
    w->p++;
    return true;
}

/* Steps over a value of any depth without a stack; false where there is no end to it. */
static bool skip_value(struct walk *w)
{
    uint32_t open = 0;
    skip_space(w);
    do {
        if (w->p == w->end)
            return false;
        const char c = *w->p;
        if (c == '"') {
            if (!json_string_skip(&w->p, w->end))
                return false;
        } else if (c == '{' || c == '[') {
            open++;
            w->p++;
        } else if (c == '}' || c == ']') {
            if (open == 0)
                return false;
            open--;
            w->p++;
        } else if (open == 0) {
            const char *const from = w->p;
            while (w->p < w->end && !strchr(" \t\r\n,:]}", *w->p))
                w->p++;
            return w->p > from;
        } else {
            w->p++;
        }
    } while (open > 0);
    return true;
}

/* The value at p gives way to a text, unless it is that text already. */
static bool mask_value(struct walk *w, struct fapilog_text mask)
{
    skip_space(w);
    const char *const from = w->p;
    if (!skip_value(w))
        return false;
    const size_t len = (size_t)(w->p - from);
    const bool is_masked = len == mask.len + 2u && from[0] == '"' && memcmp(from + 1, mask.data, mask.len) == 0;
    w->is_changed |= !is_masked;
    put_mask(w, mask);
    return true;
}

/* Too deep, too much, or not to be judged. */
static bool beyond(struct walk *w)
{
    const char *const from = w->p;
    w->is_beyond = true;
    if (w->cut)
        return mask_value(w, w->rules->mask);
    if (!skip_value(w))
        return false;
    put(w, from, (size_t)(w->p - from));
    return true;
}

/* A string as it may go out: what its looks or its length demand is done to it. */
static bool walk_string(struct walk *w)
{
    const char *const from = w->p;
    struct spans spans = {0};
    if (!json_string_skip(&w->p, w->end))
        return false;
    const size_t len = (size_t)(w->p - from);
    const size_t plain = json_string_decode(from + 1, len - 2, w->scratch);
    int hit = w->rules->values ? values_find(w->rules->values, w->scratch, (uint32_t)plain, &spans) : 0;
    if (hit < 0) {
        spans.overflow = true;
        hit = 1;
    }
    const struct fapilog_text mask = w->rules->mask;
    const uint32_t max = w->in_key ? UINT32_MAX : w->rules->max_string;
    const uint32_t keep = json_string_prefix(w->scratch, (uint32_t)plain, max);
    if (!hit && keep == plain) {
        put(w, from, len);
        return true;
    }
    w->is_changed = true;
    const size_t masked = spans_bytes(&spans, (uint32_t)plain, mask.len);
    char *const text = w->memory->alloc(w->memory->arg, masked + 1);
    if (!text) {
        w->is_out_of_memory = true;
        return false;
    }
    if (hit)
        spans_write(&spans, w->scratch, (uint32_t)plain, mask.data, mask.len, text);
    else
        memcpy(text, w->scratch, plain);
    const uint32_t rest = json_string_prefix(text, (uint32_t)masked, max);
    put(w, "\"", 1);
    w->bytes += json_string_encode(text, rest, w->out ? w->out + w->bytes : NULL);
    if (rest < masked)
        put(w, JSON_STRING_CUT, sizeof JSON_STRING_CUT - 1);
    put(w, "\"", 1);
    return true;
}

static bool exponent_parse(const char *p, const char *end, int64_t *ret)
{
    const bool is_negative = p < end && *p == '-';
    int64_t v = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v < INT32_MAX ? v * 10 + (*p - '0') : v; /* no text has as many digits for it to matter */
    }
    *ret = is_negative ? -v : v;
    return true;
}

/* What is in front of the point of a number in any notation, exactly: 410 of 4.107e2 as of 410.7. False: it is
 * negative, no number, or has more than the 19 digits of the longest card. */
static bool number_whole(const char *p, const char *end, uint64_t *ret)
{
    const uint64_t full = UINT64_C(1000000000000000000);
    const char *e = p;
    int64_t exponent = 0;
    uint64_t v = 0;
    while (e < end && *e != 'e' && *e != 'E')
        e++;
    if (e < end && !exponent_parse(e + 1, end, &exponent))
        return false;
    const char *const point = memchr(p, '.', (size_t)(e - p));
    int64_t left = (point ? point : e) - p + exponent;
    for (; p < e; p++) {
        if (p == point)
            continue;
        if (*p < '0' || *p > '9' || (left > 0 && v >= full))
            return false;
        if (left-- > 0)
            v = v * 10 + (uint64_t)(*p - '0');
    }
    for (; left > 0 && v; left--, v *= 10)
        if (v >= full)
            return false;
    *ret = v;
    return true;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* By the letter of RFC 8259: a fraction and an exponent have digits, a whole number begins with no zero. */
static bool is_number(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    const char *from = p;
    p = skip_digits(p, end);
    if (p == from || (*from == '0' && p - from > 1))
        return false;
    if (p < end && *p == '.') {
        from = ++p;
        p = skip_digits(p, end);
        if (p == from)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        from = p;
        p = skip_digits(p, end);
        if (p == from)
            return false;
    }
    return p == end;
}

static bool is_word(const char *p, const char *end)
{
    static const struct fapilog_text words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((size_t)(end - p) == words[i].len && memcmp(p, words[i].data, words[i].len) == 0)
            return true;
    return false;
}

/* Anything else is no JSON, and what it is nobody has looked at: password=hunter2. */
static bool walk_scalar(struct walk *w)
{
    const char *const from = w->p;
    uint64_t v;
    while (w->p < w->end && !strchr(" \t\r\n,:]}", *w->p))
        w->p++;
    if (!is_word(from, w->p) && !is_number(from, w->p))
        return false;
    if (w->rules->values && number_whole(from, w->p, &v) && values_hit_number(w->rules->values, v)) {
        w->is_changed = true;
        put_mask(w, w->rules->mask);
    } else {
        put(w, from, (size_t)(w->p - from));
    }
    return true;
}

static bool walk_member(struct walk *w)
{
    const struct name_mark mark = name_path_mark(w->path);
    enum name_action action = NAME_PASS;
    skip_space(w);
    const char *const from = w->p;
    if (w->p == w->end || *w->p != '"' || !json_string_skip(&w->p, w->end))
        return false;
    const char *const behind = w->p;
    const uint32_t len = (uint32_t)json_string_decode(from + 1, (size_t)(behind - from - 2), w->scratch);
    const bool fits = !w->rules->names || name_path_push(w->path, (struct fapilog_text){w->scratch, len});
    if (fits && w->rules->names)
        action = names_decide(w->rules->names, w->path);
    w->p = from;
    w->in_key = true; /* a key can be as secret as a value: {"ann@example.org":1} */
    const bool has_key = walk_string(w);
    w->in_key = false;
    if (!has_key || !take(w, ':'))
        return false;
    put(w, ":", 1);
    bool ok;
    if (!fits || ++w->keys > w->rules->max_keys) {
        skip_space(w);
        ok = beyond(w);
    } else if (action != NAME_PASS) {
        ok = mask_value(w, action == NAME_BLOCK ? w->rules->block : w->rules->mask);
    } else {
        ok = walk_value(w);
    }
    name_path_back(w->path, mark);
    return ok;
}

static bool walk_object(struct walk *w)
{
    put(w, "{", 1);
    w->p++;
    if (!take(w, '}')) {
        do {
            if (!walk_member(w))
                return false;
            skip_space(w);
            if (w->p < w->end && *w->p == ',')
                put(w, ",", 1);
        } while (take(w, ','));
        if (!take(w, '}'))
            return false;
    }
    put(w, "}", 1);
    return true;
}

static bool walk_element(struct walk *w, uint32_t index)
{
    if (!w->has_indices)
        return walk_value(w);
    const struct name_mark mark = name_path_mark(w->path);
    skip_space(w);
    if (!name_path_push_index(w->path, index))
        return beyond(w);
    const enum name_action action = names_decide(w->rules->names, w->path);
    const bool ok = action == NAME_PASS ? walk_value(w) :
                    mask_value(w, action == NAME_BLOCK ? w->rules->block : w->rules->mask);
    name_path_back(w->path, mark);
    return ok;
}

static bool walk_array(struct walk *w)
{
    put(w, "[", 1);
    w->p++;
    if (!take(w, ']')) {
        uint32_t index = 0;
        do {
            if (!walk_element(w, index++))
                return false;
            skip_space(w);
            if (w->p < w->end && *w->p == ',')
                put(w, ",", 1);
        } while (take(w, ','));
        if (!take(w, ']'))
            return false;
    }
    put(w, "]", 1);
    return true;
}

static bool walk_value(struct walk *w)
{
    skip_space(w);
    if (w->p == w->end)
        return false;
    const bool is_nest = *w->p == '{' || *w->p == '[';
    if (is_nest && w->depth >= w->rules->max_depth)
        return beyond(w);
    w->depth++;
    const bool ok = *w->p == '{' ? walk_object(w) : *w->p == '[' ? walk_array(w) :
                    *w->p == '"' ? walk_string(w) : walk_scalar(w);
    w->depth--;
    return ok;
}

static bool walk_all(struct walk *w, const char *text, size_t len)
{
    w->p = text;
    w->end = text + len;
    w->bytes = 0;
    w->depth = w->keys = 0;
    w->is_changed = w->is_beyond = false;
    if (!walk_value(w))
        return false;
    skip_space(w);
    return w->p == w->end;
}

enum json_mask_result json_mask(const struct json_mask_rules *rules, struct name_path *p, struct fapilog_text text,
                                bool cut, const struct json_mask_memory *memory, struct fapilog_text *ret)
{
    const struct name_mark mark = name_path_mark(p);
    struct walk w = {.rules = rules, .path = p, .memory = memory, .cut = cut,
                     .has_indices = rules->names && names_want_indices(rules->names)};
    char *const copy = memory->alloc(memory->arg, 2 * (size_t)text.len + 2);
    if (!copy)
        return JSON_MASK_NO_MEMORY;
    w.scratch = copy + text.len + 1;
    if (text.len)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    bool ok = walk_all(&w, copy, text.len);
    if (ok && w.is_changed) {
        w.out = memory->alloc(memory->arg, w.bytes);
        const size_t bytes = w.bytes;
        if (!w.out || !walk_all(&w, copy, text.len)) /* the same text, so only memory can be what is missing */
            w.is_out_of_memory = true;
        else
            CHECK(w.bytes == bytes);
        *ret = (struct fapilog_text){w.out, (uint32_t)bytes};
    }
    name_path_back(p, mark);
    if (w.is_out_of_memory)
        return JSON_MASK_NO_MEMORY;
    if (!ok)
        return JSON_MASK_BAD;
    if (w.is_beyond && !cut) {
        if (!w.is_changed)
            *ret = text;
        return JSON_MASK_TOO_DEEP;
    }
    return w.is_changed ? JSON_MASK_CHANGED : JSON_MASK_SAME;
}
