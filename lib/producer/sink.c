/* Where records go when there is no segment: text lines on stderr, or the capture list. Signal safe, so nothing of
 * stdio or of libc's calendar: gmtime_r() waits for a lock that the interrupted code may hold. */
#include "lib/producer/internal.h"
#include "lib/producer/cancel.h"
#include "lib/producer/capture.h"

#include "lib/base/num.h"
#include "lib/base/time_text.h"
#include "lib/ring/clock.h"

#include <string.h>
#include <unistd.h>

enum { LINE_MAX_ = 4096 };

struct line {
    char text[LINE_MAX_];
    size_t len;
};

/* What does not fit is cut; the line feed has its place. */
SELDOM static void add(struct line *l, const char *data, size_t len)
{
    const size_t left = sizeof l->text - 1 - l->len;
    len = len < left ? len : left;
    memcpy(l->text + l->len, data, len);
    l->len += len;
}

SELDOM static void add_string(struct line *l, const char *text)
{
    add(l, text, strlen(text));
}

/* Bytes that could end the line or move the terminal's cursor become '?'. */
SELDOM static void add_text(struct line *l, const char *data, uint32_t len)
{
    for (uint32_t i = 0; i < len && l->len < sizeof l->text - 1; i++)
        l->text[l->len++] = (unsigned char)data[i] < ' ' || data[i] == 0x7f ? '?' : data[i];
}

SELDOM static void add_hex(struct line *l, const char *data, uint32_t len)
{
    for (uint32_t i = 0; i < len && i < 64; i++) {
        const unsigned char byte = (unsigned char)data[i];
        add(l, (const char[]){"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]}, 2);
    }
}

SELDOM static void add_number(struct line *l, const struct fapilog_field *f)
{
    char text[NUM_DOUBLE_MAX > NUM_INT_MAX ? NUM_DOUBLE_MAX : NUM_INT_MAX];
    char *end;
    switch (f->type) {
    case FAPILOG_TYPE_U8:
    case FAPILOG_TYPE_U16:
    case FAPILOG_TYPE_U32:
    case FAPILOG_TYPE_U64:
        end = num_u64(text, f->v.u64);
        break;
    case FAPILOG_TYPE_F32:
        end = num_f32(text, (float)f->v.f64, NUM_POINT);
        break;
    case FAPILOG_TYPE_F64:
        end = num_f64(text, f->v.f64, NUM_POINT);
        break;
    case FAPILOG_TYPE_POINTER:
        add_string(l, "0x");
        end = num_hex(text, f->v.u64);
        break;
    default:
        end = num_i64(text, f->v.i64);
    }
    add(l, text, (size_t)(end - text));
}

SELDOM static void add_value(struct line *l, const struct fapilog_field *f)
{
    switch (f->type) {
    case FAPILOG_TYPE_NULL:
        add_string(l, "null");
        break;
    case FAPILOG_TYPE_BOOL:
        add_string(l, f->v.u64 ? "true" : "false");
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
        add_number(l, f);
    }
}

SELDOM static void add_field(struct line *l, const struct fapilog_field *f)
{
    add_string(l, " ");
    if (f->name.len) {
        add_text(l, f->name.data, f->name.len);
        add_string(l, "=");
    }
    add_value(l, f);
}

SELDOM static const char *level_name(uint32_t level)
{
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "AUDIT",
                                        "SECURITY"};
    if (level >= FAPILOG_LEVEL_SECURITY)
        return names[7];
    return names[(level ? level - 1 : 0) / 4];
}

SELDOM static void add_head(struct line *l, const struct scratch *s)
{
    struct time_text clock = {.local = false};
    char text[TIME_TEXT_MAX];
    add(l, text, (size_t)(time_text_write(&clock, (int64_t)clock_real_ns(), 3, text) - text));
    add_string(l, " ");
    add_string(l, level_name(FAPILOG_WORD0_LEVEL(s->word0)));
    add_string(l, " ");
    add_string(l, process.service);
    add_string(l, " ");
}

SELDOM static void write_line(const struct scratch *s)
{
    struct decoded d;
    struct line l;
    l.len = 0;
    fapilogi_decode(s, &d);
    add_head(&l, s);
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
    const int cancel = cancel_off();
    (void)!write(STDERR_FILENO, l.text, l.len);
    cancel_restore(cancel);
}

SELDOM bool fapilogi_sink(struct scratch *s)
{
    if (process.mode == MODE_CAPTURE)
        return fapilogi_capture_put(s);
    if (process.mode == MODE_STDERR)
        write_line(s);
    return false;
}
