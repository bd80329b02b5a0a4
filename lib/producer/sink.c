/* Where records go when there is no segment: text lines on stderr, or the capture list. */
#include "lib/producer/internal.h"
#include "lib/producer/capture.h"

#include "lib/ring/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_ = 4096 };

struct line {
    char text[LINE_MAX_];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(l->text + l->len, sizeof l->text - l->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        l->len += (size_t)n < sizeof l->text - l->len ? (size_t)n : sizeof l->text - l->len - 1;
}

/* Bytes that could end the line or move the terminal's cursor become '?'. */
static void add_text(struct line *l, const char *data, uint32_t len)
{
    for (uint32_t i = 0; i < len && l->len < sizeof l->text - 2; i++)
        l->text[l->len++] = (unsigned char)data[i] < ' ' || data[i] == 0x7f ? '?' : data[i];
}

static void add_hex(struct line *l, const char *data, uint32_t len)
{
    for (uint32_t i = 0; i < len && i < 64; i++)
        add(l, "%02x", (unsigned char)data[i]);
}

static void add_value(struct line *l, const struct fapilog_field *f)
{
    switch (f->type) {
    case FAPILOG_TYPE_NULL:
        add(l, "null");
        break;
    case FAPILOG_TYPE_BOOL:
        add(l, "%s", f->v.u64 ? "true" : "false");
        break;
    case FAPILOG_TYPE_U8:
    case FAPILOG_TYPE_U16:
    case FAPILOG_TYPE_U32:
    case FAPILOG_TYPE_U64:
        add(l, "%llu", (unsigned long long)f->v.u64);
        break;
    case FAPILOG_TYPE_F32:
    case FAPILOG_TYPE_F64:
        add(l, "%.17g", f->v.f64);
        break;
    case FAPILOG_TYPE_POINTER:
        add(l, "0x%llx", (unsigned long long)f->v.u64);
        break;
    case FAPILOG_TYPE_CHAR:
        add_text(l, (const char[]){(char)f->v.u64}, 1);
        break;
    case FAPILOG_TYPE_STRING:
    case FAPILOG_TYPE_JSON:
        add_text(l, f->v.data, f->len);
        break;
    case FAPILOG_TYPE_BYTES:
    case FAPILOG_TYPE_IPV4:
    case FAPILOG_TYPE_IPV6:
    case FAPILOG_TYPE_UUID:
    case FAPILOG_TYPE_TRACE_ID:
    case FAPILOG_TYPE_SPAN_ID:
    case FAPILOG_TYPE_STACK:
        add_hex(l, f->v.data, f->len);
        break;
    default:
        add(l, "%lld", (long long)f->v.i64);
    }
}

static void add_field(struct line *l, const struct fapilog_field *f)
{
    add(l, " ");
    if (f->name.len) {
        add_text(l, f->name.data, f->name.len);
        add(l, "=");
    }
    add_value(l, f);
}

static const char *level_name(uint32_t level)
{
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "AUDIT",
                                        "SECURITY"};
    if (level >= FAPILOG_LEVEL_SECURITY)
        return names[7];
    return names[(level ? level - 1 : 0) / 4];
}

static void write_line(const struct scratch *s)
{
    struct decoded d;
    struct line l = {.len = 0};
    struct tm tm;
    const uint64_t now = clock_real_ns();
    const time_t seconds = (time_t)(now / 1000000000u);
    fapilogi_decode(s, &d);
    (void)gmtime_r(&seconds, &tm);
    add(&l, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ %s %s ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
        tm.tm_min, tm.tm_sec, (unsigned)(now / 1000000 % 1000), level_name(FAPILOG_WORD0_LEVEL(s->word0)),
        process.service);
    add_text(&l, d.message.data, d.message.len);
    for (uint32_t i = 0; i < d.fields_count; i++)
        add_field(&l, &d.fields[i]);
    size_t at = 0;
    for (uint32_t i = 0; i < d.context_count; i++) {
        struct fapilog_field f;
        at = fapilogi_list_get(d.context, at, &f);
        add_field(&l, &f);
    }
    l.text[l.len++] = '\n';
    (void)!write(STDERR_FILENO, l.text, l.len);
}

bool fapilogi_sink(struct scratch *s)
{
    if (process.mode == MODE_CAPTURE)
        return fapilogi_capture_put(s);
    if (process.mode == MODE_STDERR)
        write_line(s);
    return false;
}
