#include "collector/sinks/cloudwatch.h"

#include "collector/sinks/entry_order.h"
#include "lib/base/json_escape.h"
#include "lib/base/num.h"

#include <errno.h>
#include <string.h>

void cloudwatch_order(const struct sink_request *r, uint32_t *order)
{
    for (uint32_t i = 0; i < r->count; i++)
        order[i] = i;
    entry_order_by_time(r, order, order + r->count, r->count);
}

static int append_string(struct buf *out, const char *text, size_t len)
{
    unsigned flags = 0;
    if (buf_reserve(out, len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK + 2) < 0)
        return -ENOMEM;
    char *end = out->data + out->len;
    *end++ = '"';
    end = json_escape(text, len, end, &flags);
    *end++ = '"';
    out->len = (size_t)(end - out->data);
    return 0;
}

static int append_member(struct buf *out, const char *opening, const char *value)
{
    const int r = buf_append(out, opening, strlen(opening));
    return r < 0 ? r : append_string(out, value, strlen(value));
}

static int append_event(struct buf *out, const struct entry_head *h)
{
    const int64_t ms = h->time_ns >= 0 ? h->time_ns / 1000000 : 0; /* the service has no time before 1970 */
    if (buf_reserve(out, NUM_INT_MAX + 32) < 0)
        return -ENOMEM;
    char *end = out->data + out->len;
    end = (char *)memcpy(end, "{\"timestamp\":", 13) + 13;
    end = num_i64(end, ms);
    end = (char *)memcpy(end, ",\"message\":", 11) + 11;
    out->len = (size_t)(end - out->data);
    const int r = append_string(out, entry_payload(h), h->payload_len);
    return r < 0 ? r : buf_append(out, "}", 1);
}

int cloudwatch_put(const struct sink_request *r, const uint32_t *order, const char *group, const char *stream,
                   const char *token, struct buf *out)
{
    int error = append_member(out, "{\"logGroupName\":", group);
    if (error == 0)
        error = append_member(out, ",\"logStreamName\":", stream);
    if (error == 0 && *token)
        error = append_member(out, ",\"sequenceToken\":", token);
    if (error == 0)
        error = buf_append(out, ",\"logEvents\":[", 14);
    for (uint32_t i = 0; i < r->count && error == 0; i++) {
        error = i ? buf_append(out, ",", 1) : 0;
        if (error == 0)
            error = append_event(out, r->entry[order[i]]);
    }
    return error < 0 ? error : buf_append(out, "]}", 2);
}

int cloudwatch_create_group(const char *group, struct buf *out)
{
    const int r = append_member(out, "{\"logGroupName\":", group);
    return r < 0 ? r : buf_append(out, "}", 1);
}

int cloudwatch_create_stream(const char *group, const char *stream, struct buf *out)
{
    int r = append_member(out, "{\"logGroupName\":", group);
    if (r == 0)
        r = append_member(out, ",\"logStreamName\":", stream);
    return r < 0 ? r : buf_append(out, "}", 1);
}
