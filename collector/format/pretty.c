/* pretty.c - one line for people:
 *
 *     2026-11-21 08:37:04.123456 | INFO     | orders.matching: order accepted order_id=42 note='two words'
 *
 * followed, for each STACK and a text named error.stack, by its frames on indented lines. With colours the
 * level is coloured, time and logger are dim. */
#include "collector/format/enriched.h"
#include "collector/format/level.h"
#include "collector/format/plan.h"
#include "collector/format/pretty_map.h"
#include "collector/format/printf_text.h"
#include "collector/format/text.h"

enum { PRETTY_FIXED_BOUND = 512 };

struct pretty_state {
    struct time_text time;
    struct gather gather;
};

static int pretty_open(struct format *f, struct err *e)
{
    struct pretty_state *const s = f->state;
    (void)e;
    s->time = (struct time_text){.local = f->cfg.local_time, .separator = ' '};
    return 0;
}

static size_t pretty_bound(struct format *f, const struct fapilog_record *r)
{
    (void)f;
    size_t texts = r->message.len;
    if (r->logger)
        texts += r->logger->name.len;
    const struct fapilog_site *const source = fapilog_record_source(r);
    if (source)
        texts += (size_t)source->file.len + source->function.len;
    size_t sum = PRETTY_FIXED_BOUND + texts * JSON_ESCAPE_FACTOR + plan_fields_bound(r, pretty_map_bound);
    if (plan_message_is_format(r))
        sum += printf_text_bound(r);
    return sum;
}

static const char *level_colour(uint8_t level)
{
    switch (level_name(level).data[0] | level_name(level).data[1] << 8) {
    case 'T' | 'R' << 8: return "\x1b[2;37m";
    case 'D' | 'E' << 8: return "\x1b[90m";
    case 'I' | 'N' << 8: return "\x1b[34m";
    case 'W' | 'A' << 8: return "\x1b[33m";
    case 'E' | 'R' << 8: return "\x1b[31m";
    case 'C' | 'R' << 8: return "\x1b[1;31m";
    case 'A' | 'U' << 8: return "\x1b[35m";
    default:             return "\x1b[1;35m";
    }
}

static char *put_code(const struct format *f, const char *code, char *out)
{
    if (!f->cfg.colour)
        return out;
    const size_t len = strlen(code);
    memcpy(out, code, len);
    return out + len;
}
#define RESET "\x1b[0m"
#define DIM "\x1b[2m"

static char *put_head(struct format *f, const struct fapilog_record *r, char *out, unsigned *flags)
{
    struct pretty_state *const s = f->state;
    const struct fapilog_text level = level_name(r->level);
    out = put_code(f, DIM, out);
    out = time_text_write_bare(&s->time, r->time_ns, 6, out);
    out = put_code(f, RESET, out);
    out = put_lit(out, " | ");
    out = put_code(f, level_colour(r->level), out);
    memcpy(out, "        ", LEVEL_NAME_MAX);
    memcpy(out, level.data, level.len);
    out = put_code(f, RESET, out + LEVEL_NAME_MAX);
    out = put_lit(out, " | ");
    if (r->logger && r->logger->name.len > 0) {
        out = put_code(f, DIM, out);
        out = text_clean(r->logger->name.data, r->logger->name.len, out, flags);
        out = put_lit(out, ": ");
        out = put_code(f, RESET, out);
    }
    return out;
}

char *pretty_string(struct fapilog_text text, char *out, unsigned *flags)
{
    char *const end = text_bare(text.data, text.len, out);
    return end ? end : text_quoted(text.data, text.len, '\'', out, flags);
}

char *pretty_name(const struct format *f, struct fapilog_text name, char *out, unsigned *flags)
{
    *out++ = ' ';
    out = put_code(f, DIM, out);
    out = text_clean(name.data, name.len, out, flags);
    *out++ = '=';
    return put_code(f, RESET, out);
}

static char *put_value(const struct fapilog_field *f, char *out, unsigned *flags)
{
    char c;
    switch (f->type) {
    case FAPILOG_TYPE_STRING:
        return pretty_string((struct fapilog_text){f->v.data, f->len}, out, flags);
    case FAPILOG_TYPE_CHAR:
        c = (char)f->v.u64;
        return pretty_string((struct fapilog_text){&c, 1}, out, flags);
    case FAPILOG_TYPE_ERRNO:
        *out++ = '\'';
        (void)value_plain(f, NUM_POINT, &out);
        *out++ = '\'';
        return out;
    default:
        return value_plain(f, NUM_POINT, &out) ? out : put_lit(out, "null");
    }
}

static char *put_field(const struct format *f, const struct gather_entry *e, char *out, unsigned *flags)
{
    if (e->field->type == FAPILOG_TYPE_STACK)
        return out; /* follows on its own lines */
    if (e->field->type == FAPILOG_TYPE_JSON)
        return pretty_map_write(f, e, out, flags);
    out = pretty_name(f, e->name, out, flags);
    return put_value(e->field, out, flags);
}

/* What other languages have as their trace: lines. */
static bool is_stack_text(const struct gather_entry *e)
{
    static const char name[] = "error.stack";
    return e->field->type == FAPILOG_TYPE_STRING && e->name.len == sizeof name - 1 &&
           memcmp(e->name.data, name, sizeof name - 1) == 0;
}

/* An empty line has no indent: so each byte of the text takes JSON_ESCAPE_FACTOR bytes at most, as in other fields. */
static char *put_lines(const struct fapilog_field *f, char *out, unsigned *flags)
{
    const char *at = f->v.data, *const end = at + f->len;
    while (at < end) {
        const char *const feed = memchr(at, '\n', (size_t)(end - at));
        const char *const stop = feed ? feed : end;
        if (stop > at) {
            out = put_lit(out, "      ");
            out = text_clean(at, (size_t)(stop - at), out, flags);
        }
        *out++ = '\n';
        at = feed ? feed + 1 : end;
    }
    return out;
}

static char *put_stack(const struct fapilog_record *r, const struct gather_entry *e, char *out, unsigned *flags)
{
    const bool is_text = is_stack_text(e);
    if (e->field->type != FAPILOG_TYPE_STACK && !is_text)
        return out;
    out = put_lit(out, "    ");
    out = text_clean(e->name.data, e->name.len, out, flags);
    out = put_lit(out, ":\n");
    if (is_text)
        return put_lines(e->field, out, flags);
    for (uint32_t i = 0; i < e->field->len / 8; i++) {
        out = put_lit(out, "      ");
        out = value_frame(r, value_stack_address(e->field, i), text_clean, out, flags);
        *out++ = '\n';
    }
    return out;
}

static char *put_notes(const struct format *f, const struct fapilog_record *r, unsigned flags, unsigned cut,
                       char *out)
{
    const struct fapilog_site *const source = fapilog_record_source(r);
    unsigned ignored = 0;
    if (f->cfg.source && source && source->file.len > 0) {
        out = put_lit(out, " source=");
        out = text_clean(source->file.data, source->file.len, out, &ignored);
        *out++ = ':';
        out = num_u64(out, source->line);
    }
    if (r->context && r->context->lost)
        out = put_lit(out, " context_lost=true");
    if (r->flags & FAPILOG_FLAG_TRUNCATED)
        out = put_lit(out, " truncated=true");
    if (cut > 0) {
        out = put_lit(out, " fields_cut=");
        out = num_u64(out, cut);
    }
    if (flags) {
        const char *const text = plan_flags_text(flags);
        out = put_lit(out, " invalid=");
        memcpy(out, text, strlen(text));
        out += strlen(text);
    }
    return out;
}

static char *put_enriched(struct format *f, const struct fapilog_record *r, const struct gather *g, char *out,
                          unsigned *flags)
{
    struct enriched en;
    struct gather_entry x;
    enriched_begin(&en, r, GATHER_BYTES);
    while (enriched_next(&en, NULL, &x)) {
        if (!enriched_is_hidden(g, x.name))
            out = put_field(f, &x, out, flags);
    }
    return out;
}

static char *pretty_write(struct format *f, const struct fapilog_record *r, char *out)
{
    struct gather *const g = &((struct pretty_state *)f->state)->gather;
    char *const begin = out;
    unsigned flags = 0;
    gather_fields(g, r, GATHER_CALL_FIRST);
    if (g->names_repaired)
        flags |= TEXT_INVALID_UTF8;
    out = put_head(f, r, out, &flags);
    out = plan_message_is_format(r) ? printf_text_write(r, text_clean, out, &flags)
                                    : text_clean(r->message.data, r->message.len, out, &flags);
    for (unsigned i = 0; i < g->count; i++) {
        if (is_stack_text(&g->entry[i]))
            (void)put_lines(g->entry[i].field, out, &flags); /* what is invalid in it stands in the notes before it */
        else
            out = put_field(f, &g->entry[i], out, &flags);
    }
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        if (g->by_role[role].field)
            out = put_field(f, &g->by_role[role], out, &flags);
    }
    out = put_enriched(f, r, g, out, &flags);
    out = put_notes(f, r, flags, g->cut, out);
    *out++ = '\n';
    for (unsigned i = 0; i < g->count; i++)
        out = put_stack(r, &g->entry[i], out, &flags);
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        if (g->by_role[role].field)
            out = put_stack(r, &g->by_role[role], out, &flags);
    }
    return text_visible(begin, out, true);
}

/* A stack takes lines of its own, so this is not a format of lines. */
const struct format_ops format_pretty = {
    .name = "pretty",
    .summary = "One line for people, in colour on a terminal; stacks on lines below it.",
    .media_type = "text/plain",
    .is_lines = false,
    .state_size = sizeof(struct pretty_state),
    .open = pretty_open,
    .bound = pretty_bound,
    .write = pretty_write,
};
