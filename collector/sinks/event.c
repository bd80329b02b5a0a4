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
