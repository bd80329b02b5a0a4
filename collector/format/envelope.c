#include "collector/format/envelope.h"

#include "collector/format/json_text.h"

enum { STACK_BYTES_MAX = 20000, FRAMES_MAX = 50, FRAME_EXTRA = 64, ERROR_TEXT_MAX = 160 };

#define NAME(s) (struct fapilog_text){s, sizeof(s) - 1}

static bool is_name(struct fapilog_text name, struct fapilog_text want)
{
    return name.len == want.len && memcmp(name.data, want.data, want.len) == 0;
}

static bool is_error_name(struct fapilog_text name)
{
    return is_name(name, NAME("error.type")) || is_name(name, NAME("error.message")) ||
           is_name(name, NAME("error.cause")) || is_name(name, NAME("error.stack")) ||
           is_name(name, NAME("error.frames"));
}

enum envelope_part envelope_part(const struct gather_entry *e)
{
    if (e->name.len >= 10 && is_error_name(e->name))
        return ENVELOPE_EXCEPTION;
    if (e->name.len != 4)
        return ENVELOPE_NONE;
    if (e->field->type == FAPILOG_TYPE_JSON && is_name(e->name, NAME("data")))
        return ENVELOPE_DATA;
    const bool is_list = e->field->type == FAPILOG_TYPE_JSON || e->field->type == FAPILOG_TYPE_STRING;
    return is_list && is_name(e->name, NAME("tags")) ? ENVELOPE_TAGS : ENVELOPE_NONE;
}

static const struct fapilog_field *find_in(const struct fapilog_field *fields, uint32_t count,
                                           struct fapilog_text name)
{
    for (uint32_t i = count; i-- > 0;) {
        if (is_name(fields[i].name, name))
            return &fields[i];
    }
    return NULL;
}

/* The call wins over the context, the context over the logger. */
static const struct fapilog_field *find(const struct fapilog_record *r, struct fapilog_text name)
{
    const struct fapilog_field *f = find_in(r->fields, r->fields_count, name);
    if (!f && r->context)
        f = find_in(r->context->fields, r->context->fields_count, name);
    if (!f && r->logger)
        f = find_in(r->logger->fields, r->logger->fields_count, name);
    return f;
}

/* ---- exception ---- */

static char *put_error_name(const struct fapilog_record *r, const struct fapilog_field *f, char *out,
                            unsigned *flags)
{
    const int64_t number = f->v.i64;
    const char *name = NULL;
    if (f->type == FAPILOG_TYPE_ERRNO && number > 0 && number < 4096)
        name = strerrorname_np((int)number);
    if (!name)
        return value_json(r, f, VALUE_SORTED, out, flags);
    return value_quoted((struct fapilog_text){name, (uint32_t)strlen(name)}, out, flags);
}

static char *put_error_text(const struct fapilog_field *f, char *out, unsigned *flags)
{
    const int64_t number = f->v.i64;
    const char *text = number > 0 && number < 4096 ? strerrordesc_np((int)number) : NULL;
    if (!text)
        text = "unknown error";
    return value_quoted((struct fapilog_text){text, (uint32_t)strnlen(text, 64)}, out, flags);
}

/* All frames as one text, or the text that was given, within its limit. */
static char *put_stack(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    if (f->type == FAPILOG_TYPE_STACK) {
        *out++ = '"';
        for (uint32_t i = 0; i < f->len / 8; i++) {
            if (i > 0)
                out = put_lit(out, "\\n");
            out = value_frame(r, value_stack_address(f, i), json_escape, out, flags);
        }
        *out++ = '"';
        return out;
    }
    if (f->type != FAPILOG_TYPE_STRING || f->len <= STACK_BYTES_MAX)
        return value_json(r, f, VALUE_SORTED, out, flags);
    uint32_t len = STACK_BYTES_MAX - 3;
    for (unsigned i = 0; i < 3 && ((uint8_t)f->v.data[len] & 0xc0) == 0x80; i++) /* start of a character */
        len--;
    *out++ = '"';
    out = json_escape(f->v.data, len, out, flags);
    return put_lit(out, "...\"");
}

/* What is known of a return address: where it lies in which file. */
static char *put_frames(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    if (f->type != FAPILOG_TYPE_STACK)
        return value_json(r, f, VALUE_SORTED, out, flags);
    *out++ = '[';
    for (uint32_t i = 0; i < f->len / 8 && i < FRAMES_MAX; i++) {
        if (i > 0)
            *out++ = ',';
        out = put_lit(out, "{\"code\":null,\"file\":\"");
        char *const frame = out;
        out = value_frame(r, value_stack_address(f, i), json_escape, out, flags);
        char *plus = out - 1; /* of path+0xoffset; an address of no known module has none */
        while (plus > frame && *plus != '+')
            plus--;
        if (*plus == '+') {
            char offset[24];
            const size_t len = (size_t)(out - plus);
            memcpy(offset, plus, len);
            out = put_lit(plus, "\",\"function\":\"");
            memcpy(out, offset, len);
            out = put_lit(out + len, "\",\"line\":null}");
        } else {
            char address[24];
            const size_t len = (size_t)(out - frame);
            memcpy(address, frame, len);
            out = put_lit(frame, "\",\"function\":\"");
            memcpy(out, address, len);
            out = put_lit(out + len, "\",\"line\":null}");
        }
    }
    *out++ = ']';
    return out;
}

static char *write_exception(const struct fapilog_record *r, char *out, unsigned *flags)
{
    const struct fapilog_field *const cause = find(r, NAME("error.cause"));
    const struct fapilog_field *const message = find(r, NAME("error.message"));
    const struct fapilog_field *const type = find(r, NAME("error.type"));
    const struct fapilog_field *const stack = find(r, NAME("error.stack"));
    const struct fapilog_field *frames = find(r, NAME("error.frames"));
    if (!frames && stack && stack->type == FAPILOG_TYPE_STACK)
        frames = stack;
    out = put_lit(out, "\"exception\":{");
    if (cause) {
        out = put_error_name(r, cause, put_lit(out, "\"error.cause\":"), flags);
        *out++ = ',';
    }
    if (frames) {
        out = put_frames(r, frames, put_lit(out, "\"error.frames\":"), flags);
        *out++ = ',';
    }
    if (message) {
        out = value_json(r, message, VALUE_SORTED, put_lit(out, "\"error.message\":"), flags);
        *out++ = ',';
    } else if (type && type->type == FAPILOG_TYPE_ERRNO) {
        out = put_error_text(type, put_lit(out, "\"error.message\":"), flags);
        *out++ = ',';
    }
    if (stack) {
        out = put_stack(r, stack, put_lit(out, "\"error.stack\":"), flags);
        *out++ = ',';
    }
    if (type) {
        out = put_error_name(r, type, put_lit(out, "\"error.type\":"), flags);
        *out++ = ',';
    }
    if (out[-1] == ',')
        out--;
    return put_lit(out, "},");
}

/* ---- tags ---- */

/* Behind a string that starts at p. */
static const char *skip_string(const char *p)
{
    for (p++; *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

/* A string of what is no string: its JSON text, escaped once more. */
static char *put_as_string(const char *from, const char *end, char *out, unsigned *flags)
{
    if (*from != '"')
        return value_quoted((struct fapilog_text){from, (uint32_t)(end - from)}, out, flags);
    memcpy(out, from, (size_t)(end - from));
    return out + (end - from);
}

static char *tags_of_list(const char *p, char *out, unsigned *flags)
{
    *out++ = '[';
    for (p++; *p != ']';) {
        const char *const end = json_text_skip(p);
        out = put_as_string(p, end, out, flags);
        p = end;
        if (*p == ',')
            *out++ = *p++;
    }
    *out++ = ']';
    return out;
}

/* text: a JSON string. White space around the commas is no part of a tag; there are no empty tags. */
static char *tags_of_text(const char *text, char *out)
{
    const char *const end = skip_string(text) - 1;
    bool is_first = true;
    *out++ = '[';
    for (const char *p = text + 1; p <= end; p++) {
        const char *stop = p;
        while (stop < end && *stop != ',')
            stop++;
        const char *from = p, *to = stop;
        while (from < to && *from == ' ')
            from++;
        while (to > from && to[-1] == ' ')
            to--;
        p = stop;
        if (from == to)
            continue;
        if (!is_first)
            *out++ = ',';
        is_first = false;
        *out++ = '"';
        memcpy(out, from, (size_t)(to - from));
        out += to - from;
        *out++ = '"';
    }
    *out++ = ']';
    return out;
}

/* The value is made behind the place where the list goes: a list is at most three times as long, as when each
 * of its members is quoted and escaped. */
static char *write_tags(const struct fapilog_record *r, char *out, unsigned *flags)
{
    const struct fapilog_field *const f = find(r, NAME("tags"));
    out = put_lit(out, ",\"tags\":");
    if (!f)
        return put_lit(out, "[]");
    const size_t bound = value_bound(f) + VALUE_SLACK;
    char *const value = out + 3 * bound;
    char *const end = value_json(r, f, VALUE_SORTED, value, flags);
    if (*value == '[' && f->type == FAPILOG_TYPE_JSON)
        return tags_of_list(value, out, flags);
    if (*value == '"')
        return tags_of_text(value, out);
    *out++ = '[';
    out = put_as_string(value, end, out, flags);
    *out++ = ']';
    return out;
}

/* ---- data ---- */

/* The next byte of the text in a JSON string; false at its end. Control characters are all that \u stands for,
 * as json_text_write() leaves everything else as it is. */
static bool next_byte(const char **p, uint8_t *ret)
{
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    uint8_t unit[2];
    if (**p == '"')
        return false;
    if (**p != '\\') {
        *ret = (uint8_t)*(*p)++;
        return true;
    }
    const char c = (*p)[1];
    const char *const known = strchr(escapes, c);
    if (c == 'u' && hex_read(*p + 2, 2, unit)) {
        *ret = unit[1];
        *p += 6;
        return true;
    }
    *ret = known && c >= 'a' ? (uint8_t)known[1] : (uint8_t)c;
    *p += 2;
    return true;
}

/* < 0 when the key, a JSON string at p, comes before the name. */
static int key_compare(const char *p, struct fapilog_text name)
{
    uint32_t i = 0;
    uint8_t c;
    for (p++; next_byte(&p, &c); i++) {
        if (i == name.len)
            return 1;
        if (c != (uint8_t)name.data[i])
            return c - (uint8_t)name.data[i];
    }
    return i < name.len ? -1 : 0;
}

static char *put_entry(const struct fapilog_record *r, const struct gather_entry *e, char *out, unsigned *flags)
{
    out = value_quoted(e->name, out, flags);
    *out++ = ':';
    out = value_json(r, e->field, VALUE_SORTED, out, flags);
    *out++ = ',';
    return out;
}

/* The member at p, with its comma. */
static char *put_member(const char **p, char *out)
{
    const char *const end = json_text_skip(skip_string(*p) + 1);
    memcpy(out, *p, (size_t)(end - *p));
    out += end - *p;
    *out++ = ',';
    *p = end + (*end == ',');
    return out;
}

/* Both lists are sorted. Of equal names the call's field wins over the map, the map over what is bound. */
static char *merge_data(const struct gather *g, const struct fapilog_record *r, const char *p, char *out,
                        unsigned *flags)
{
    out = put_lit(out, "\"data\":{");
    p++;
    for (unsigned i = 0; i < g->count || *p != '}';) {
        const struct gather_entry *const e = i < g->count ? &g->entry[i] : NULL;
        if (e && envelope_part(e) != ENVELOPE_NONE) {
            i++;
            continue;
        }
        int order = !e ? -1 : *p == '}' ? 1 : 0;
        if (order == 0)
            order = key_compare(p, e->name);
        if (order < 0) {
            out = put_member(&p, out);
        } else if (order > 0) {
            out = put_entry(r, e, out, flags);
            i++;
        } else if (e->source == GATHER_CALL) {
            (void)put_member(&p, out); /* overwritten by what comes next */
            out = put_entry(r, e, out, flags);
            i++;
        } else {
            out = put_member(&p, out);
            i++;
        }
    }
    if (out[-1] == ',')
        out--;
    return put_lit(out, "},");
}

static size_t others_bound(const struct fapilog_record *r)
{
    return plan_fields_bound(r, value_bound);
}

/* The map is made behind the place where the merged list goes, as that takes its members from there. */
static char *write_data(struct plan_state *state, const struct fapilog_record *r, char *out, unsigned *flags)
{
    const struct fapilog_field *const f = find(r, NAME("data"));
    static const struct fapilog_field none = {.type = FAPILOG_TYPE_JSON, .len = 2, .v.data = "{}"};
    gather_fields(&state->gather, r, GATHER_BYTES);
    char *map = out + others_bound(r) + VALUE_SLACK;
    char *const value = put_lit(map, "{\"data\":");
    char *const end = value_json(r, f ? f : &none, VALUE_SORTED, value, flags);
    *end = '}';
    end[1] = '\0';
    if (*value == '{')
        map = value;
    return merge_data(&state->gather, r, map, out, flags);
}

char *envelope_write(struct plan_state *state, const struct fapilog_record *r, unsigned part, char *out,
                     unsigned *flags)
{
    switch (part) {
    case ENVELOPE_EXCEPTION: return write_exception(r, out, flags);
    case ENVELOPE_TAGS:      return write_tags(r, out, flags);
    default:                 return write_data(state, r, out, flags);
    }
}

size_t envelope_field_bound(const struct fapilog_record *r, const struct fapilog_field *f)
{
    if (f->name.len == 4 && is_name(f->name, NAME("data")))
        return 2 * others_bound(r) + 4 * (size_t)VALUE_SLACK;
    if (f->name.len == 4 && is_name(f->name, NAME("tags")))
        return 4 * (value_bound(f) + VALUE_SLACK);
    if (!is_error_name(f->name))
        return 0;
    return value_bound(f) + ERROR_TEXT_MAX + (f->type == FAPILOG_TYPE_STACK ? f->len / 8 * (size_t)FRAME_EXTRA : 0);
}
