/* A record as a syslog message. RFC 5424: fields, context and the record's id are structured data, the
 * message is the message. RFC 3164 has no place for them: they follow the message as key=value. With a
 * `format` the message is the record in that format instead. */
#include "collector/format/gather.h"
#include "collector/format/parts.h"
#include "collector/format/printf_text.h"
#include "collector/format/text.h"
#include "collector/format/values.h"
#include "collector/sinks/syslog.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    HEAD_BOUND = 1024, /* PRI, version, time, names cut to the RFC's lengths, SD-ID, record id */
    TAG_MAX = 32,      /* RFC 3164, 4.1.3 */
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

/* "<34>Nov  5 22:14:15 host tag[pid]: ", the time in the zone of this machine, as section 4.1.2 wants. */
static char *head_3164(struct sink *s, const struct fapilog_record *r, char *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const struct syslog_cfg *cfg = s->cfg;
    const time_t seconds = (time_t)(r->time_ns / 1000000000 - (r->time_ns % 1000000000 < 0)); /* rounded down */
    struct tm tm;
    *out++ = '<';
    out = num_u64(out, cfg->facility * 8 + syslog_severity(r->level));
    *out++ = '>';
    (void)localtime_r(&seconds, &tm);
    out += snprintf(out, 32, "%.3s %2d %02d:%02d:%02d ", months + 3 * (tm.tm_mon % 12), tm.tm_mday, tm.tm_hour,
                    tm.tm_min, tm.tm_sec);
    if (cfg->transport != SYSLOG_UNIX && cfg->transport != SYSLOG_UNIX_STREAM) {
        out = syslog_put_name(out, syslog_host(s, r), SYSLOG_HOST_MAX);
        *out++ = ' ';
    }
    out = syslog_put_name(out, syslog_given(cfg->app_name, parts_service(r)), TAG_MAX);
    if (r->process && r->process->pid) {
        *out++ = '[';
        out = num_u64(out, r->process->pid);
        *out++ = ']';
    }
    return put_lit(out, ": ");
}

static const struct fapilog_text own_names[] = {
    PARTS_KEY("context_lost"), PARTS_KEY("truncated"), PARTS_KEY("fields_cut"), PARTS_KEY("invalid")};
static const struct parts_flat own = { .own = own_names, .own_count = ARRAY_COUNT(own_names) };

static char *put_pair(const struct fapilog_record *r, const struct gather_entry *g, struct syslog_names *names,
                      char *out, unsigned *flags)
{
    const struct fapilog_field *f = g->field;
    char *end;
    *out++ = ' ';
    out = syslog_put_param_name(names, g->name, out);
    *out++ = '=';
    if (f->type == FAPILOG_TYPE_STRING) {
        end = text_bare(f->v.data, f->len, out);
        return end ? end : value_quoted((struct fapilog_text){ f->v.data, f->len }, out, flags);
    }
    end = out;
    return value_plain(f, NUM_POINT, &end) ? end : value_json(r, f, VALUE_SORTED, out, flags);
}

static char *put_pairs(const struct fapilog_record *r, const struct gather *g, char *out, unsigned flags)
{
    struct syslog_names names;
    syslog_names_begin(&names, &own);
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++)
        if (g->by_role[role].field)
            out = put_pair(r, &g->by_role[role], &names, out, &flags);
    for (unsigned i = 0; i < g->count; i++)
        out = put_pair(r, &g->entry[i], &names, out, &flags);
    if (r->context && r->context->lost)
        out = put_lit(out, " context_lost=true");
    if (r->flags & FAPILOG_FLAG_TRUNCATED)
        out = put_lit(out, " truncated=true");
    if (g->cut) {
        out = put_lit(out, " fields_cut=");
        out = num_u64(out, g->cut);
    }
    if (flags || g->names_repaired) {
        const char *text = plan_flags_text(flags | (g->names_repaired ? TEXT_INVALID_UTF8 : 0));
        out = put_lit(out, " invalid=");
        out = stpcpy(out, text);
    }
    return out;
}

/* A message over the limit ends at a character, with a mark. */
static char *cut(char *begin, char *end, uint32_t most)
{
    static const char mark[SYSLOG_CUT_BYTES + 1] = "...";
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
        bytes += SYSLOG_PARAM_MAX + 8 + syslog_param_bound(&f[i]);
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
    struct syslog_state *st = s->state;
    const struct syslog_cfg *cfg = s->cfg;
    const uint32_t most = syslog_message_max(cfg);
    char *end;
    *ret_group_len = *ret_meta_len = 0;
    if (cfg->protocol == SYSLOG_RFC5424) {
        end = syslog_write_5424(&st->writer, r, most, out);
    } else {
        unsigned flags = 0;
        end = syslog_put_message(s, r, head_3164(s, r, out), &flags);
        if (cfg->structured_data && !s->format) {
            gather_fields(&g, r, GATHER_CALL_FIRST);
            end = put_pairs(r, &g, end, flags);
        }
    }
    return cut(out, end, most);
}
