#include "collector/format/proto.h"
#include "collector/sinks/otlp.h"
#include "lib/base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { RESPONSE_PARTIAL_SUCCESS = 1, PARTIAL_REJECTED = 1, PARTIAL_MESSAGE = 2 };

static void put_message(const char *text, size_t len, char *ret, size_t size)
{
    size_t n = 0;
    for (; n < len && n + 1 < size; n++)
        ret[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
    ret[n] = '\0';
}

static uint64_t from_partial(const char *at, const char *end, char *message, size_t size)
{
    struct proto_field f;
    uint64_t n = 0;
    while (proto_next(&at, end, &f)) {
        if (f.number == PARTIAL_REJECTED && f.wire == PROTO_VARINT)
            n = f.value;
        else if (f.number == PARTIAL_MESSAGE && f.wire == PROTO_LEN)
            put_message(f.data, f.len, message, size);
    }
    return n;
}

static uint64_t from_protobuf(const char *at, const char *end, char *message, size_t size)
{
    struct proto_field f;
    uint64_t n = 0;
    while (proto_next(&at, end, &f))
        if (f.number == RESPONSE_PARTIAL_SUCCESS && f.wire == PROTO_LEN)
            n = from_partial(f.data, f.data + f.len, message, size);
    return at == end ? n : 0;
}

/* int64 is a string in protobuf's JSON; some servers write a number. */
static uint64_t from_json(const char *data, size_t len, char *message, size_t size)
{
    json_t *const root = json_loadb(data, len, 0, NULL);
    const json_t *const partial = json_object_get(root, "partialSuccess");
    const json_t *const count = json_object_get(partial, "rejectedLogRecords");
    const json_t *const text = json_object_get(partial, "errorMessage");
    const long long n = json_is_string(count) ? strtoll(json_string_value(count), NULL, 10)
                                              : json_integer_value(count);
    if (json_is_string(text))
        put_message(json_string_value(text), json_string_length(text), message, size);
    json_decref(root);
    return n > 0 ? (uint64_t)n : 0;
}

static uint64_t rejected(const struct buf *response, bool is_json, char *message, size_t size)
{
    const char *const end = response->data + response->len;
    *message = '\0';
    if (response->len == 0)
        return 0;
    const uint64_t n = is_json ? from_json(response->data, response->len, message, size)
                               : from_protobuf(response->data, end, message, size);
    return n <= INT64_MAX ? n : 0;
}

/* The server tells how many it has rejected, never which, and forbids to send them again. Only when it was all of
 * them are they known; else their number is all that the books can have. */
void otlp_partial(struct sink *s, uint32_t count, const struct buf *response, bool is_json, struct sink_result *result,
                  uint32_t **ret_indices)
{
    char message[160];
    struct err e = {0};
    const uint64_t n = rejected(response, is_json, message, sizeof message);
    if (n == 0)
        return;
    (void)snprintf(result->reason, sizeof result->reason, "%" PRIu64 " of %u records rejected: %s", n, count,
                   *message ? message : "no reason given");
    uint32_t *const indices = n >= count ? calloc(count, sizeof *indices) : NULL;
    if (indices) {
        for (uint32_t i = 0; i < count; i++)
            indices[i] = i;
        *ret_indices = indices;
        result->rejected = indices;
        result->rejected_count = count;
        return;
    }
    result->refused_count = n < count ? (uint32_t)n : count;
    if (s->warn) {
        (void)err_set(&e, -EBADMSG, "%s; which ones is not said: they are lost", result->reason);
        s->warn(s, &e);
    }
}

/* ---- google.rpc.Status ---- */

enum { STATUS_DETAILS = 3, ANY_TYPE = 1, ANY_VALUE = 2, RETRY_DELAY = 1, DURATION_SECONDS = 1, DURATION_NANOS = 2 };

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *const at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* With padding or without; ends at the first byte that is none. */
static size_t base64_read(const char *text, char *out)
{
    uint32_t bits = 0;
    size_t n = 0;
    unsigned have = 0;
    for (int d; (d = base64_digit(*text)) >= 0; text++) {
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have);
        }
    }
    return n;
}

static uint64_t duration_ns(const char *at, const char *end)
{
    struct proto_field f;
    uint64_t ns = 0;
    while (proto_next(&at, end, &f)) {
        if (f.number == DURATION_SECONDS && f.wire == PROTO_VARINT && f.value <= UINT32_MAX)
            ns += f.value * NS_PER_S;
        else if (f.number == DURATION_NANOS && f.wire == PROTO_VARINT && f.value < NS_PER_S)
            ns += f.value;
    }
    return ns;
}

static bool retry_info(const char *at, const char *end, uint64_t *ret_ns)
{
    static const char type[] = "type.googleapis.com/google.rpc.RetryInfo";
    struct proto_field f, value = {0};
    bool is_it = false;
    while (proto_next(&at, end, &f)) {
        if (f.number == ANY_TYPE && f.wire == PROTO_LEN)
            is_it = f.len == sizeof type - 1 && memcmp(f.data, type, f.len) == 0;
        else if (f.number == ANY_VALUE && f.wire == PROTO_LEN)
            value = f;
    }
    for (at = value.data; is_it && at && proto_next(&at, value.data + value.len, &f);)
        if (f.number == RETRY_DELAY && f.wire == PROTO_LEN)
            *ret_ns = duration_ns(f.data, f.data + f.len);
    return is_it;
}

bool otlp_retry_info(const char *base64, uint64_t *ret_ns)
{
    char *const status = malloc(strlen(base64) + 1);
    struct proto_field f;
    bool found = false;
    if (!status)
        return false;
    const char *at = status, *const end = status + base64_read(base64, status);
    while (!found && proto_next(&at, end, &f))
        if (f.number == STATUS_DETAILS && f.wire == PROTO_LEN)
            found = retry_info(f.data, f.data + f.len, ret_ns);
    free(status);
    return found;
}
