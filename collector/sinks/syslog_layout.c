/* A message of RFC 5424 as a layout (collector/format/plan.h): whatever depends only on the call site, the logger, the
 * process and the options is compiled once. */
#include "collector/sinks/syslog.h"

#include "collector/format/level.h"
#include "collector/format/parts.h"
#include "collector/format/printf_text.h"
#include "collector/format/text.h"
#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    PIECE_MAX = 64,   /* bytes cleaned together where a value is not plain */
    MADE_FACTOR = 2,  /* escaping of what is made first */
    FLAGS_BYTES = sizeof " invalid=\"json,utf8\"" - 1, /* put in when all texts are written */
};

enum extra { EXTRA_RECORD_ID, EXTRA_MESSAGE };

/* ---- header ---- */

char *syslog_put_name(char *out, struct fapilog_text name, size_t most)
{
    char *const begin = out;
    for (size_t i = 0; i < name.len && (size_t)(out - begin) < most; i++) {
        const char c = name.data[i]; /* looked at once: it may change */
        if (c > ' ' && c < 0x7f)
            *out++ = c;
    }
    if (out == begin)
        *out++ = '-';
    return out;
}

static void build_name(struct build *b, struct fapilog_text name, size_t most)
{
    char text[SYSLOG_HOST_MAX];
    CHECK(most <= sizeof text);
    build_bytes(b, text, (size_t)(syslog_put_name(text, name, most) - text));
    build_lit(b, " ");
}

struct fapilog_text syslog_given(const char *option, struct fapilog_text otherwise)
{
    return option && *option ? (struct fapilog_text){ option, (uint32_t)strlen(option) } : otherwise;
}

struct fapilog_text syslog_host(const struct sink *s, const struct fapilog_record *r)
{
    const struct syslog_cfg *cfg = s->cfg;
    const struct syslog_state *st = s->state;
    if (r->process && r->process->host.len)
        return syslog_given(cfg->hostname, r->process->host);
    return syslog_given(cfg->hostname, (struct fapilog_text){ st->host, (uint32_t)strlen(st->host) });
}

static void build_head(struct build *b, const struct sink *s)
{
    const struct syslog_cfg *cfg = s->cfg;
    const struct fapilog_record *r = b->r;
    const struct fapilog_text logger = r->logger ? r->logger->name : (struct fapilog_text){ "", 0 };
    build_lit(b, "<");
    build_u64(b, cfg->facility * 8 + syslog_severity(r->level));
    build_lit(b, ">1 ");
    build_slot(b, SLOT_TIME, 6); /* TIME-SECFRAC: at most six digits */
    build_lit(b, " ");
    build_name(b, syslog_host(s, r), SYSLOG_HOST_MAX);
    build_name(b, syslog_given(cfg->app_name, parts_service(r)), SYSLOG_APP_MAX);
    if (r->process && r->process->pid)
        build_u64(b, r->process->pid);
    else
        build_lit(b, "-");
    build_lit(b, " ");
    build_name(b, syslog_given(cfg->msgid, logger), SYSLOG_MSGID_MAX);
}

/* ---- structured data ---- */

/* '"', '\' and ']' escaped (section 6.3.3); `text` is valid UTF-8 without controls. */
static char *escape_param(const char *text, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\' || text[i] == ']')
            *out++ = '\\';
        *out++ = text[i];
    }
    return out;
}

/* Bytes of a piece that ends at a character, as far as there are any. */
static size_t piece_bytes(const char *src, size_t len)
{
    if (len <= PIECE_MAX)
        return len;
    for (size_t n = PIECE_MAX; n > PIECE_MAX - 4; n--)
        if (((uint8_t)src[n] & 0xc0) != 0x80)
            return n;
    return PIECE_MAX;
}

/* Text as a PARAM-VALUE. What cleaning makes of a control character has a backslash, which is escaped like others. */
static char *put_param_text(const char *src, size_t len, char *out, unsigned *flags)
{
    static const char others[TEXT_OTHERS] = { '"', '\\', ']' };
    char made[PIECE_MAX * JSON_ESCAPE_FACTOR + VALUE_SLACK];
    while (len > 0) {
        const size_t plain = text_plain(src, len, others, out);
        src += plain;
        len -= plain;
        out += plain;
        const size_t n = piece_bytes(src, len);
        const char *end = text_clean(src, n, made, flags);
        out = escape_param(made, (size_t)(end - made), out);
        src += n;
        len -= n;
    }
    return out;
}

/* The value as text for people, without quotes around strings. */
static char *param_value(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    switch (f->type) {
    case FAPILOG_TYPE_I8: case FAPILOG_TYPE_I16: case FAPILOG_TYPE_I32: case FAPILOG_TYPE_I64:
        return num_i64(out, f->v.i64);
    case FAPILOG_TYPE_U8: case FAPILOG_TYPE_U16: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_U64:
        return num_u64(out, f->v.u64);
    case FAPILOG_TYPE_F64:
        return num_f64(out, f->v.f64, NUM_POINT);
    case FAPILOG_TYPE_STRING:
        return put_param_text(f->v.data, f->len, out, flags);
    default:
        break;
    }
    if (value_plain(f, NUM_POINT, &out))
        return out;
    char *const made = out + MADE_FACTOR * value_bound(f) + VALUE_SLACK;
    const char *end = value_json(r, f, VALUE_SORTED, made, flags);
    return escape_param(made, (size_t)(end - made), out);
}

size_t syslog_param_bound(const struct fapilog_field *f)
{
    const bool is_made_first = f->type == FAPILOG_TYPE_CHAR || f->type == FAPILOG_TYPE_JSON ||
                               f->type == FAPILOG_TYPE_STACK;
    return value_bound(f) * (is_made_first ? MADE_FACTOR + 1 : 1) + 2 * VALUE_SLACK;
}

void syslog_names_begin(struct syslog_names *n, const struct parts_flat *own)
{
    n->own = own;
    n->count = 0;
    n->number = 1;
}

static bool is_taken(const struct syslog_names *n, uint64_t hash)
{
    for (uint32_t i = 0; i < n->count; i++)
        if (n->hash[i] == hash)
            return true;
    return false;
}

/* A number serves once, so that hostile names cost one attempt each. */
static size_t put_number(struct syslog_names *n, char *name, size_t len)
{
    char number[16];
    const size_t digits = (size_t)snprintf(number, sizeof number, "_%u", ++n->number);
    if (len + digits > SYSLOG_PARAM_MAX)
        len = SYSLOG_PARAM_MAX - digits;
    memcpy(name + len, number, digits);
    return len + digits;
}

char *syslog_put_param_name(struct syslog_names *n, struct fapilog_text name, char *out)
{
    size_t len = 0;
    for (uint32_t i = 0; i < name.len && len < SYSLOG_PARAM_MAX; i++) {
        const char c = name.data[i]; /* looked at once: it may change */
        out[len++] = c > ' ' && c < 0x7f && c != '=' && c != ']' && c != '"' ? c : '_';
    }
    if (len == 0)
        out[len++] = '_';
    if (len < SYSLOG_PARAM_MAX && parts_flat_is_own(n->own, (struct fapilog_text){ out, (uint32_t)len }))
        out[len++] = '_';
    uint64_t hash = XXH3_64bits(out, len);
    for (size_t whole = len; is_taken(n, hash); hash = XXH3_64bits(out, len))
        len = put_number(n, out, whole);
    CHECK(n->count < ARRAY_COUNT(n->hash));
    n->hash[n->count++] = hash;
    return out + len;
}

/* One that would end behind the limit is left out and counted. */
static void build_param(struct build *b, struct syslog_names *n, const struct syslog_writer *w,
                        const struct gather_entry *g, uint32_t *cut)
{
    char name[SYSLOG_PARAM_MAX];
    char *const begin = build_at(b);
    build_lit(b, " ");
    build_bytes(b, name, (size_t)(syslog_put_param_name(n, g->name, name) - name));
    build_lit(b, "=\"");
    build_value(b, g);
    build_lit(b, "\"");
    if (!begin || build_at(b) <= w->params_limit)
        return;
    build_rewind(b, begin);
    (*cut)++;
}

static const struct fapilog_text own_names[] = {
    PARTS_KEY("record"), PARTS_KEY("level"), PARTS_KEY("context_lost"), PARTS_KEY("truncated"), PARTS_KEY("fields_cut"),
    PARTS_KEY("invalid")};
static const struct parts_flat own = { .own = own_names, .own_count = ARRAY_COUNT(own_names) };

static void build_params(struct build *b, const struct syslog_writer *w)
{
    struct syslog_names names;
    uint32_t cut = b->g->cut;
    syslog_names_begin(&names, &own);
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++)
        if (b->g->by_role[role].field)
            build_param(b, &names, w, &b->g->by_role[role], &cut);
    for (unsigned i = 0; i < b->g->count; i++)
        build_param(b, &names, w, &b->g->entry[i], &cut);
    if (b->variant & PLAN_VARIANT_LOST)
        build_lit(b, " context_lost=\"true\"");
    if (b->variant & PLAN_VARIANT_TRUNCATED)
        build_lit(b, " truncated=\"true\"");
    if (!cut)
        return;
    build_lit(b, " fields_cut=\"");
    build_u64(b, cut);
    build_lit(b, "\"");
}

static void build_element(struct build *b, const struct syslog_writer *w)
{
    const struct syslog_cfg *cfg = w->sink->cfg;
    const struct fapilog_text level = level_name(b->r->level);
    char *const begin = build_at(b);
    build_lit(b, "[");
    build_name(b, syslog_given(cfg->sd_id, (struct fapilog_text){ "", 0 }), SYSLOG_PARAM_MAX);
    build_lit(b, "record=\"");
    build_slot(b, SLOT_EXTRA, EXTRA_RECORD_ID);
    build_lit(b, "\" level=\"");
    build_bytes(b, level.data, level.len);
    build_lit(b, "\"");
    build_params(b, w);
    build_slot(b, SLOT_FLAGS, PLAN_FLAGS_AFTER);
    build_lit(b, "] ");
    if (likely(!begin || build_at(b) + FLAGS_BYTES + SYSLOG_CUT_BYTES <= w->limit))
        return;
    build_rewind(b, begin); /* the longest names and the shortest message: half an element would spoil it */
    build_lit(b, "- ");
}

/* ---- message ---- */

char *syslog_put_message(const struct sink *s, const struct fapilog_record *r, char *out, unsigned *flags)
{
    if (s->format) {
        char *end = s->format->ops->write(s->format, r, out);
        return end > out && s->format->ops->is_lines ? end - 1 : end;
    }
    if (plan_message_is_format(r))
        return printf_text_write(r, text_clean, out, flags);
    return text_clean(r->message.data, r->message.len, out, flags);
}

static void build_message_text(struct build *b, const struct sink *s)
{
    const bool is_fixed = b->r->site && !(b->variant & PLAN_VARIANT_MESSAGE) && !plan_message_is_format(b->r);
    if (is_fixed && !s->format)
        build_clean(b, b->r->message);
    else
        build_slot(b, SLOT_EXTRA, EXTRA_MESSAGE);
}

static const struct syslog_writer *writer_of(const struct format *f)
{
    return (const void *)((const char *)f - offsetof(struct syslog_writer, format));
}

static void syslog_build(struct build *b)
{
    const struct syslog_writer *w = writer_of(b->f);
    build_head(b, w->sink);
    if (w->has_fields)
        build_element(b, w);
    else
        build_lit(b, "- ");
    build_message_text(b, w->sink);
}

static char *syslog_extra(struct plan_state *state, const struct fapilog_record *r, unsigned index, char *out,
                          unsigned *flags)
{
    const struct syslog_writer *w = (const void *)((const char *)state - offsetof(struct syslog_writer, plan));
    if (index == EXTRA_MESSAGE)
        return syslog_put_message(w->sink, r, out, flags);
    return entry_id_write(r->id.uuid, r->id.lane, r->id.generation, r->id.position, out);
}

static const struct plan_layout layout = {
    .build = syslog_build,
    .order = GATHER_CALL_FIRST,
    .style = VALUE_SORTED,
    .flags = { [PLAN_FLAGS_AFTER] = { " invalid=\"", "\"" } },
    .value = param_value,
    .value_bound = syslog_param_bound,
    .extra = syslog_extra,
};

static size_t writer_bound(struct format *f, const struct fapilog_record *r)
{
    return syslog_bound(writer_of(f)->sink, r);
}

/* Not in the list of formats: what it writes depends on the sink's options. */
static const struct format_ops writer_ops = { .name = "syslog", .bound = writer_bound };

void syslog_writer_init(struct syslog_writer *w, struct sink *s)
{
    w->format = (struct format){ .ops = &writer_ops, .slot = FORMAT_SINKS_SLOT, .state = &w->plan };
    w->sink = s;
}

/* The options that plans depend on and that may change while the sink is open. */
static void look_at_options(struct syslog_writer *w)
{
    const struct syslog_cfg *cfg = w->sink->cfg;
    const bool has_fields = cfg->structured_data && !w->sink->format;
    if (likely(w->format.variant && w->facility == cfg->facility && w->has_fields == has_fields))
        return;
    w->facility = cfg->facility;
    w->has_fields = has_fields;
    w->format.variant = format_variant_new();
}

char *syslog_write_5424(struct syslog_writer *w, const struct fapilog_record *r, uint32_t most, char *out)
{
    look_at_options(w);
    w->params_limit = out + most / 2;
    w->limit = out + most;
    char *end = plan_write(&w->format, &layout, r, out);
    /* Plans know no limit: half of the message is the most that its parameters may take. */
    if (unlikely(end > w->params_limit) && w->has_fields)
        end = plan_write_at_once(&w->format, &layout, r, out);
    return end;
}
