#include "collector/format/otlp_proto.h"
#include "collector/format/proto.h"
#include "collector/sinks/otlp.h"

#include <errno.h>
#include <stdlib.h>

#define TEXT(literal) "" literal, sizeof(literal) - 1

typedef const struct entry_head *const *order_item; /* into the request's array */

static int compare_groups(const struct entry_head *a, const struct entry_head *b)
{
    if (a->group_len != b->group_len)
        return a->group_len < b->group_len ? -1 : 1;
    return memcmp(entry_group(a), entry_group(b), a->group_len);
}

/* In the order of the request inside a group. */
static int by_group(const void *pa, const void *pb)
{
    const order_item a = *(const order_item *)pa, b = *(const order_item *)pb;
    const int c = compare_groups(*a, *b);
    return c ? c : a < b ? -1 : a > b;
}

static order_item *sort(const struct sink_request *q)
{
    order_item *const order = malloc(q->count * sizeof *order);
    bool is_sorted = true;
    for (uint32_t i = 0; order && i < q->count; i++) {
        order[i] = &q->entry[i];
        is_sorted = is_sorted && (i == 0 || compare_groups(q->entry[i - 1], q->entry[i]) <= 0);
    }
    if (order && !is_sorted)
        qsort(order, q->count, sizeof *order, by_group);
    return order;
}

/* Entries [i, end) are of the same group. One without a group is alone. */
static uint32_t group_end(const order_item *order, uint32_t i, uint32_t count)
{
    const struct entry_head *const first = *order[i++];
    while (first->group_len && i < count && compare_groups(first, *order[i]) == 0)
        i++;
    return i;
}

/* ---- JSON ---- */

static size_t json_bound(const struct sink_request *q)
{
    size_t sum = 64;
    for (uint32_t i = 0; i < q->count; i++)
        sum += (size_t)q->entry[i]->group_len + q->entry[i]->payload_len + 8;
    return sum;
}

static char *put(char *out, const char *data, size_t len) { return (char *)memcpy(out, data, len) + len; }

static char *put_json_group(const order_item *order, uint32_t i, uint32_t end, char *out)
{
    const struct entry_head *const first = *order[i];
    if (first->group_len == 0)
        return put(out, entry_payload(first), first->payload_len);
    out = put(out, entry_group(first), first->group_len);
    for (; i < end; i++) {
        out = put(out, entry_payload(*order[i]), (*order[i])->payload_len);
        *out++ = i + 1 < end ? ',' : ']';
    }
    return put(out, TEXT("}]}"));
}

static int write_json(const struct sink_request *q, const order_item *order, struct buf *b)
{
    if (buf_reserve(b, json_bound(q)) < 0)
        return -ENOMEM;
    char *out = put(b->data + b->len, TEXT("{\"resourceLogs\":["));
    for (uint32_t i = 0, end; i < q->count; i = end) {
        end = group_end(order, i, q->count);
        if (i)
            *out++ = ',';
        out = put_json_group(order, i, end, out);
    }
    out = put(out, TEXT("]}"));
    b->len = (size_t)(out - b->data);
    return 0;
}

/* ---- protobuf ---- */

struct group_size {
    size_t resource, scope; /* of these fields in the group */
    size_t scope_logs, resource_logs;
};

/* Sizes of the messages of a group, from the inside out; false: it is damaged. */
static bool measure(const order_item *order, uint32_t i, uint32_t end, struct group_size *ret)
{
    const struct entry_head *const first = *order[i];
    const char *const begin = entry_group(first), *const group_end_at = begin + first->group_len, *at = begin;
    struct proto_field f;
    *ret = (struct group_size){.resource_logs = first->payload_len};
    if (first->group_len == 0)
        return true;
    if (!proto_next(&at, group_end_at, &f) || f.number != OTLP_RESOURCE_LOGS_RESOURCE)
        return false;
    ret->resource = (size_t)(at - begin);
    if (!proto_next(&at, group_end_at, &f) || f.number != OTLP_SCOPE_LOGS_SCOPE || at != group_end_at)
        return false;
    ret->scope = ret->scope_logs = first->group_len - ret->resource;
    for (; i < end; i++)
        ret->scope_logs += proto_head_size((*order[i])->payload_len) + (*order[i])->payload_len;
    ret->resource_logs = ret->resource + proto_head_size(ret->scope_logs) + ret->scope_logs;
    return true;
}

static char *put_group(const order_item *order, uint32_t i, uint32_t end, const struct group_size *size, char *out)
{
    const struct entry_head *const first = *order[i];
    out = proto_head(out, OTLP_REQUEST_RESOURCE_LOGS, size->resource_logs);
    if (first->group_len == 0)
        return put(out, entry_payload(first), first->payload_len);
    out = put(out, entry_group(first), size->resource);
    out = proto_head(out, OTLP_RESOURCE_LOGS_SCOPE_LOGS, size->scope_logs);
    out = put(out, entry_group(first) + size->resource, size->scope);
    for (; i < end; i++)
        out = proto_bytes(out, OTLP_SCOPE_LOGS_RECORDS, entry_payload(*order[i]), (*order[i])->payload_len);
    return out;
}

static int write_protobuf(const struct sink_request *q, const order_item *order, struct buf *b)
{
    struct group_size size;
    for (uint32_t i = 0, end; i < q->count; i = end) {
        end = group_end(order, i, q->count);
        if (!measure(order, i, end, &size))
            return -EBADMSG;
        if (buf_reserve(b, proto_head_size(size.resource_logs) + size.resource_logs) < 0)
            return -ENOMEM;
        b->len = (size_t)(put_group(order, i, end, &size, b->data + b->len) - b->data);
    }
    return 0;
}

/* ---- both ---- */

static bool is_json(const struct entry_head *h)
{
    return h->group_len + h->payload_len > 0 && *entry_group(h) == '{';
}

int otlp_request_write(const struct sink_request *q, struct buf *out, bool *ret_is_json)
{
    *ret_is_json = is_json(q->entry[0]);
    for (uint32_t i = 1; i < q->count; i++)
        if (is_json(q->entry[i]) != *ret_is_json)
            return -EBADMSG;
    order_item *const order = sort(q);
    if (!order)
        return -ENOMEM;
    const int r = *ret_is_json ? write_json(q, order, out) : write_protobuf(q, order, out);
    free(order);
    return r;
}
