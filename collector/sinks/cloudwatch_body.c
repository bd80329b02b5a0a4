#include "collector/sinks/cloudwatch.h"

#include "lib/base/json_escape.h"
#include "lib/base/num.h"

#include <errno.h>
#include <string.h>

static void sort_by_time(const struct sink_request *r, uint32_t *a, uint32_t *spare, uint32_t count)
{
    if (count < 2)
        return;
    const uint32_t half = count / 2;
    sort_by_time(r, a, spare, half);
    sort_by_time(r, a + half, spare, count - half);
    if (r->entry[a[half - 1]]->time_ns <= r->entry[a[half]]->time_ns)
        return; /* as records mostly come */
    memcpy(spare, a, half * sizeof *a);
    for (uint32_t i = 0, left = 0, right = half; left < half; i++) {
        const bool take_left = right == count || r->entry[spare[left]]->time_ns <= r->entry[a[right]]->time_ns;
        a[i] = take_left ? spare[left++] : a[right++];
    }
}

void cloudwatch_order(const struct sink_request *r, uint32_t *order)
{
    for (uint32_t i = 0; i < r->count; i++)
        order[i] = i;
    sort_by_time(r, order, order + r->count, r->count);
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
