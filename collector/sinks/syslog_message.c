/* A record as a syslog message. RFC 5424: fields, context and the record's id are structured data, the
 * message is the message. RFC 3164 has no place for them: they follow the message as key=value. With a
 * `format` the message is the record in that format instead. */
#include "collector/format/gather.h"
#include "collector/format/level.h"
#include "collector/format/printf_text.h"
#include "collector/format/text.h"
#include "collector/format/values.h"
#include "collector/sinks/syslog.h"

#include <stdlib.h>
#include <time.h>

enum {
    HEAD_BOUND = 1024,   /* PRI, version, time, names cut to the RFC's lengths, SD-ID, record id */
    NAME_MAX_5424 = 32,  /* PARAM-NAME (section 6) */
    SD_FACTOR = 2,       /* escaping of a PARAM-VALUE */
};

unsigned syslog_severity(uint8_t level)
{
    if (level >= FAPILOG_LEVEL_SECURITY)
        return 1; /* alert */
    if (level >= FAPILOG_LEVEL_AUDIT)
        return 5; /* notice */
    if (level >= 24)
        return 0;
    if (level >= 22)
        return 1;
    if (level >= FAPILOG_LEVEL_CRITICAL)
        return 2;
    if (level >= FAPILOG_LEVEL_ERROR)
        return 3;
    if (level >= FAPILOG_LEVEL_WARNING)
        return 4;
    return level >= FAPILOG_LEVEL_INFO ? 6 : 7;
}

/* ---- header ---- */

/* Printable ASCII without blanks, cut to the length that the RFC allows; "-" where nothing is left. */
static char *put_header(char *out, const char *text, size_t len, size_t most)
{
    char *const begin = out;
    for (size_t i = 0; i < len && (size_t)(out - begin) < most; i++) {
        const char c = text[i]; /* looked at once: it may change */
        if (c > ' ' && c < 0x7f)
            *out++ = c;
    }
    if (out == begin)
        *out++ = '-';
    return out;
}

static struct fapilog_text app_name(const struct syslog_cfg *cfg, const struct fapilog_record *r)
{
    if (cfg->app_name && *cfg->app_name)
        return (struct fapilog_text){ cfg->app_name, (uint32_t)strlen(cfg->app_name) };
    if (r->logger && r->logger->service.len)
        return r->logger->service;
    return r->process ? r->process->service : (struct fapilog_text){ "", 0 };
}

static struct fapilog_text host_name(const struct syslog_cfg *cfg, const struct syslog_state *st,
                                     const struct fapilog_record *r)
{
    const char *name = cfg->hostname && *cfg->hostname ? cfg->hostname : st->host;
    if (!(cfg->hostname && *cfg->hostname) && r->process && r->process->host.len)
        return r->process->host;
    return (struct fapilog_text){ name, (uint32_t)strlen(name) };
}

static char *put_pid(char *out, const struct fapilog_record *r)
{
    if (!r->process || !r->process->pid)
        return put_lit(out, "-");
    return num_u64(out, r->process->pid);
}

static char *put_pri(const struct syslog_cfg *cfg, const struct fapilog_record *r, char *out)
{
    *out++ = '<';
    out = num_u64(out, cfg->facility * 8 + syslog_severity(r->level));
    *out++ = '>';
    return out;
}

static char *head_5424(const struct syslog_cfg *cfg, struct syslog_state *st, const struct fapilog_record *r, char *out)
{
    const struct fapilog_text host = host_name(cfg, st, r), app = app_name(cfg, r);
    out = put_pri(cfg, r, out);
    out = put_lit(out, "1 ");
    out = time_text_write(&st->time, r->time_ns, 6, out); /* TIME-SECFRAC: at most six digits */
    *out++ = ' ';
    out = put_header(out, host.data, host.len, 255);
    *out++ = ' ';
    out = put_header(out, app.data, app.len, 48);
    *out++ = ' ';
    out = put_pid(out, r);
    *out++ = ' ';
    if (cfg->msgid && *cfg->msgid)
        out = put_header(out, cfg->msgid, strlen(cfg->msgid), 32);
    else
        out = put_header(out, r->logger ? r->logger->name.data : "", r->logger ? r->logger->name.len : 0, 32);
    *out++ = ' ';
    return out;
}

/* "<34>Nov  5 22:14:15 host tag[pid]: ", the time in the zone of this machine, as section 4.1.2 wants. */
static char *head_3164(const struct syslog_cfg *cfg, struct syslog_state *st, const struct fapilog_record *r, char *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const struct fapilog_text host = host_name(cfg, st, r), app = app_name(cfg, r);
    const time_t seconds = (time_t)(r->time_ns / 1000000000);
    struct tm tm;
    out = put_pri(cfg, r, out);
    (void)localtime_r(&seconds, &tm);
    out += snprintf(out, 32, "%.3s %2d %02d:%02d:%02d ", months + 3 * (tm.tm_mon % 12), tm.tm_mday, tm.tm_hour,
                    tm.tm_min, tm.tm_sec);
    if (cfg->transport != SYSLOG_UNIX && cfg->transport != SYSLOG_UNIX_STREAM) {
        out = put_header(out, host.data, host.len, 255);
        *out++ = ' ';
    }
    out = put_header(out, app.data, app.len, 32);
    if (r->process && r->process->pid) {
        *out++ = '[';
        out = num_u64(out, r->process->pid);
        *out++ = ']';
    }
    return put_lit(out, ": ");
}

/* ---- structured data ---- */

/* PARAM-VALUE: '"', '\' and ']' escaped (section 6.3.3); `text` is valid UTF-8 without controls. */
static char *put_param_value(char *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\' || text[i] == ']')
            *out++ = '\\';
        *out++ = text[i];
    }
    return out;
}

static char *put_param_name(char *out, struct fapilog_text name)
{
    char *const begin = out;
    for (uint32_t i = 0; i < name.len && out - begin < NAME_MAX_5424; i++) {
        const char c = name.data[i];
        *out++ = c > ' ' && c < 0x7f && c != '=' && c != ']' && c != '"' ? c : '_';
    }
    if (out == begin)
        *out++ = '_';
    return out;
}

/* The value as text for people, without quotes around strings. Written at `out`, made behind it. */
static char *put_value(const struct fapilog_record *r, const struct fapilog_field *f, char *out)
{
    unsigned flags = 0;
    char *const made = out + SD_FACTOR * value_bound(f) + VALUE_SLACK;
    char *end = made;
    if (f->type == FAPILOG_TYPE_STRING)
        end = text_clean(f->v.data, f->len, made, &flags);
    else if (!value_plain(f, NUM_POINT, &end))
        end = value_json(r, f, VALUE_SORTED, made, &flags);
    return put_param_value(out, made, (size_t)(end - made));
}

struct element {
    const struct fapilog_record *r;
    const struct gather *g;
    char *limit; /* parameters that would end behind it are left out and counted */
    uint32_t cut;
};

static char *put_param(struct element *el, const struct gather_entry *g, char *out)
{
    char *end = out;
    *end++ = ' ';
    end = put_param_name(end, g->role ? gather_role_name(g->role) : g->name);
    end = put_lit(end, "=\"");
    end = put_value(el->r, g->field, end);
    *end++ = '"';
    if (end <= el->limit)
        return end;
    el->cut++;
    return out;
}

static char *put_element(const struct syslog_cfg *cfg, struct element *el, char *out)
{
    struct entry_head id = {
        .lane = el->r->id.lane, .generation = el->r->id.generation, .position = el->r->id.position,
    };
    memcpy(id.uuid, el->r->id.uuid, sizeof id.uuid);
    *out++ = '[';
    out = put_header(out, cfg->sd_id, strlen(cfg->sd_id), 32);
    out = put_lit(out, " record=\"");
    out = entry_id_text(&id, out);
    out = put_lit(out, "\" level=\"");
    const struct fapilog_text level = level_name(el->r->level);
    memcpy(out, level.data, level.len);
    out += level.len;
    *out++ = '"';
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++)
        if (el->g->by_role[role].field)
            out = put_param(el, &el->g->by_role[role], out);
    for (unsigned i = 0; i < el->g->count; i++)
        out = put_param(el, &el->g->entry[i], out);
    if (el->cut) {
        out = put_lit(out, " fields_cut=\"");
        out = num_u64(out, el->cut);
        *out++ = '"';
    }
    return put_lit(out, "] ");
}

/* ---- message ---- */

/* What follows the head. Control characters never stand in it: lines must stay lines. */
static char *put_message(struct sink *s, const struct fapilog_record *r, char *out)
{
    unsigned flags = 0;
    if (s->format) {
        char *end = s->format->ops->write(s->format, r, out);
        return end > out && s->format->ops->is_lines ? end - 1 : end;
    }
    if (r->site && r->site->is_printf)
        return printf_text_write(r, text_clean, out, &flags);
    return text_clean(r->message.data, r->message.len, out, &flags);
}

static char *put_pairs(const struct fapilog_record *r, const struct gather *g, char *out)
{
    for (unsigned i = 0; i < g->count; i++) {
        *out++ = ' ';
        out = put_param_name(out, g->entry[i].name);
        *out++ = '=';
        unsigned flags = 0;
        char *end = out;
        const struct fapilog_field *f = g->entry[i].field;
        if (f->type == FAPILOG_TYPE_STRING && !text_is_bare(f->v.data, f->len))
            end = value_quoted((struct fapilog_text){ f->v.data, f->len }, out, &flags);
        else if (f->type == FAPILOG_TYPE_STRING)
            end = text_clean(f->v.data, f->len, out, &flags);
        else if (!value_plain(f, NUM_POINT, &end))
            end = value_json(r, f, VALUE_SORTED, out, &flags);
        out = end;
    }
    return out;
}

/* A message over the limit ends at a character, with a mark. */
static char *cut(char *begin, char *end, uint32_t most)
{
    static const char mark[] = "...";
    if (end - begin <= (ptrdiff_t)most)
        return end;
    char *p = begin + most - (sizeof mark - 1);
    while (p > begin && ((uint8_t)*p & 0xc0) == 0x80)
        p--;
    memcpy(p, mark, sizeof mark - 1);
    return p + sizeof mark - 1;
}

static size_t values_bound(const struct fapilog_field *f, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += NAME_MAX_5424 + 8 + (2 * SD_FACTOR + 1) * value_bound(&f[i]) + 2 * VALUE_SLACK;
    return bytes;
}

size_t syslog_bound(struct sink *s, const struct fapilog_record *r)
{
    const struct syslog_cfg *cfg = s->cfg;
    size_t bytes = HEAD_BOUND + r->message.len * JSON_ESCAPE_FACTOR + printf_text_bound(r);
    if (s->format)
        bytes += s->format->ops->bound(s->format, r);
    bytes += values_bound(r->fields, r->fields_count); /* arguments of the message are fields, too */
    if (!cfg->structured_data)
        return bytes;
    if (r->logger)
        bytes += values_bound(r->logger->fields, r->logger->fields_count);
    if (r->context)
        bytes += values_bound(r->context->fields, r->context->fields_count);
    return bytes;
}

char *syslog_encode(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                    uint16_t *ret_meta_len)
{
    static struct gather g; /* large; the collector has one thread */
    const struct syslog_cfg *cfg = s->cfg;
    const bool has_fields = cfg->structured_data && !s->format;
    const uint32_t most = syslog_message_max(cfg);
    char *const begin = out;
    *ret_group_len = *ret_meta_len = 0;
    if (has_fields)
        gather_fields(&g, r, GATHER_CALL_FIRST);
    if (cfg->protocol == SYSLOG_RFC3164) {
        out = put_message(s, r, head_3164(cfg, s->state, r, out));
        return cut(begin, has_fields ? put_pairs(r, &g, out) : out, most);
    }
    out = head_5424(cfg, s->state, r, out);
    /* Half of the message is the most that its fields may take. */
    struct element el = { .r = r, .g = &g, .limit = begin + (has_fields ? most / 2 : 0) };
    out = has_fields ? put_element(cfg, &el, out) : put_lit(out, "- ");
    return cut(begin, put_message(s, r, out), most);
}
