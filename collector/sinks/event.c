#include "collector/sinks/event.h"

size_t events_bound(const struct sink_request *r, const struct event_frame *f)
{
    return f->opening.len + f->closing.len + r->bytes + r->count + 1;
}

static char *put(char *out, struct fapilog_text text)
{
    if (text.len) /* a frame may have none, and its data is NULL then */
        memcpy(out, text.data, text.len);
    return out + text.len;
}

char *events_write(const struct sink_request *r, const struct event_frame *f, char *out)
{
    out = put(out, f->opening);
    for (uint32_t i = 0; i < r->count; i++) {
        if (i)
            *out++ = f->separator;
        out = put(out, event_of_entry(r->entry[i], f->is_envelope));
    }
    return put(out, f->closing);
}

size_t events_len(const struct sink_request *r, const struct event_frame *f)
{
    size_t len = f->opening.len + f->closing.len + (r->count ? r->count - 1 : 0);
    for (uint32_t i = 0; i < r->count; i++)
        len += event_of_entry(r->entry[i], f->is_envelope).len;
    return len;
}

/* The part that is next, in which the separator is the last byte of an event that another one follows. */
static struct fapilog_text part_of(const struct event_reader *x, bool *ret_is_followed)
{
    *ret_is_followed = x->part && x->part < x->r->count;
    if (!x->part)
        return x->f->opening;
    return x->part <= x->r->count ? event_of_entry(x->r->entry[x->part - 1], x->f->is_envelope) : x->f->closing;
}

size_t events_read(struct event_reader *x, char *out, size_t room)
{
    char *const from = out, *const end = out + room;
    while (x->part < x->r->count + 2 && out < end) {
        bool is_followed;
        const struct fapilog_text text = part_of(x, &is_followed);
        const size_t left = text.len - (x->at < text.len ? x->at : text.len), free_bytes = (size_t)(end - out);
        const size_t n = left < free_bytes ? left : free_bytes;
        if (n)
            memcpy(out, text.data + x->at, n);
        out += n;
        x->at += (uint32_t)n;
        if (x->at < text.len || (is_followed && out == end))
            break;
        if (is_followed)
            *out++ = x->f->separator;
        x->part++;
        x->at = 0;
    }
    return (size_t)(out - from);
}
