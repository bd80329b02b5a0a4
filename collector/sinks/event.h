/* event.h - what the sinks of services call an event: the record in the sink's format, and of the v1.1
 * envelope only what is under `log`, unless the whole is asked for. */
#ifndef COLLECTOR_SINKS_EVENT_H
#define COLLECTOR_SINKS_EVENT_H

#include <fapilog/reader.h>

#include "collector/sinks/remote.h"

#include <stdbool.h>
#include <string.h>

#define EVENT_OPENING "{\"log\":"
#define EVENT_CLOSING ",\"schema_version\":\"1.1\"}"

/* Cut to the event; text of another format stays as it is. */
static inline struct fapilog_text event_of(struct fapilog_text text, bool is_envelope)
{
    const size_t opening = sizeof EVENT_OPENING - 1, closing = sizeof EVENT_CLOSING - 1;
    if (is_envelope || text.len < opening + closing || memcmp(text.data, EVENT_OPENING, opening) != 0 ||
        memcmp(text.data + text.len - closing, EVENT_CLOSING, closing) != 0)
        return text;
    return (struct fapilog_text){text.data + opening, text.len - (uint32_t)(opening + closing)};
}

/* The same for text that was just written, in place; returns its end. */
static inline char *event_unwrap(char *begin, char *end, bool is_envelope)
{
    const struct fapilog_text event = event_of((struct fapilog_text){begin, (uint32_t)(end - begin)}, is_envelope);
    memmove(begin, event.data, event.len);
    return begin + event.len;
}

static inline struct fapilog_text event_of_entry(const struct entry_head *h, bool is_envelope)
{
    return event_of((struct fapilog_text){entry_payload(h), h->payload_len}, is_envelope);
}

/* The events of a request as one text: opening, events with the separator between them, closing. out has
 * events_bound() bytes free; returns the end. */
struct event_frame {
    struct fapilog_text opening, closing;
    char separator;
    bool is_envelope;
};
size_t events_bound(const struct sink_request *r, const struct event_frame *f);
char *events_write(const struct sink_request *r, const struct event_frame *f, char *out);

/* The same text in portions, out of the entries. */
struct event_reader {
    const struct sink_request *r;
    const struct event_frame *f;
    uint32_t part; /* 0: opening, then the events, then closing */
    uint32_t at;   /* bytes of it that are read */
};
size_t events_len(const struct sink_request *r, const struct event_frame *f);
/* The next bytes, up to `room`; 0: all were read. */
size_t events_read(struct event_reader *x, char *out, size_t room);

#endif
