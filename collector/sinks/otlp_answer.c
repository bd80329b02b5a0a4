#include "collector/format/proto.h"
#include "collector/sinks/otlp.h"

#include <ctype.h>
#include <jansson.h>
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
    uint64_t rejected = 0;
    while (proto_next(&at, end, &f)) {
        if (f.number == PARTIAL_REJECTED && f.wire == PROTO_VARINT)
            rejected = f.value;
        else if (f.number == PARTIAL_MESSAGE && f.wire == PROTO_LEN)
            put_message(f.data, f.len, message, size);
    }
    return rejected;
}

static uint64_t from_protobuf(const char *at, const char *end, char *message, size_t size)
{
    struct proto_field f;
    uint64_t rejected = 0;
    while (proto_next(&at, end, &f))
        if (f.number == RESPONSE_PARTIAL_SUCCESS && f.wire == PROTO_LEN)
            rejected = from_partial(f.data, f.data + f.len, message, size);
    return at == end ? rejected : 0;
}

/* int64 is a string in protobuf's JSON; some servers write a number. */
static uint64_t from_json(const char *data, size_t len, char *message, size_t size)
{
    json_t *const root = json_loadb(data, len, 0, NULL);
    const json_t *const partial = json_object_get(root, "partialSuccess");
    const json_t *const count = json_object_get(partial, "rejectedLogRecords");
    const json_t *const text = json_object_get(partial, "errorMessage");
    const long long rejected = json_is_string(count) ? strtoll(json_string_value(count), NULL, 10)
                                                     : json_integer_value(count);
    if (json_is_string(text))
        put_message(json_string_value(text), json_string_length(text), message, size);
    json_decref(root);
    return rejected > 0 ? (uint64_t)rejected : 0;
}

uint64_t otlp_rejected(const char *data, size_t len, bool is_json, char *message, size_t size)
{
    *message = '\0';
    if (len == 0)
        return 0;
    const uint64_t n = is_json ? from_json(data, len, message, size) : from_protobuf(data, data + len, message, size);
    return n <= INT64_MAX ? n : 0;
}
