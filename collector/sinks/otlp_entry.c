#include "collector/format/otlp_proto.h"
#include "collector/format/proto.h"
#include "collector/sinks/otlp.h"
#include "lib/base/check.h"

/* {"resourceLogs":[ {"resource":...,"scopeLogs":[{"scope":...,"logRecords":[ {...} ]}]} ]}\n: nothing in a string
 * can look like the key, since quotes are escaped there. */
#define LINE_OPENING "{\"resourceLogs\":["
#define RECORDS_KEY ",\"logRecords\":["
#define RECORDS_CLOSING "]}]}"
#define LINE_CLOSING "]}\n"

char *otlp_entry_json(struct format *f, const struct fapilog_record *r, char *out, uint16_t *ret_group_len)
{
    const size_t opening = sizeof LINE_OPENING - 1, key = sizeof RECORDS_KEY - 1;
    const char *const end = f->ops->write(f, r, out) - (sizeof LINE_CLOSING - 1);
    const size_t len = (size_t)(end - out) - opening;
    memmove(out, out + opening, len);
    const char *const found = memmem(out, len, RECORDS_KEY, key);
    CHECK(found);
    const size_t group = (size_t)(found - out) + key;
    if (group > UINT16_MAX) {
        *ret_group_len = 0;
        return out + len;
    }
    *ret_group_len = (uint16_t)group;
    return out + len - (sizeof RECORDS_CLOSING - 1);
}

/* Makes a ResourceLogs of resource field, scope field and record. */
static char *wrap(const char *scope, char *record, char *end)
{
    const size_t scope_len = (size_t)(record - scope), record_len = (size_t)(end - record);
    const size_t record_head = proto_head_size(record_len), logs_len = scope_len + record_head + record_len;
    const size_t logs_head = proto_head_size(logs_len);
    char *const at = record - scope_len;
    memmove(record + logs_head + record_head, record, record_len);
    memmove(at + logs_head, at, scope_len);
    (void)proto_head(at, OTLP_RESOURCE_LOGS_SCOPE_LOGS, logs_len);
    (void)proto_head(record + logs_head, OTLP_SCOPE_LOGS_RECORDS, record_len);
    return end + logs_head + record_head;
}

char *otlp_entry_protobuf(struct gather *g, struct format *f, const struct fapilog_record *r, char *out,
                          uint16_t *ret_group_len)
{
    char *const record = otlp_proto_group(r, out);
    char *const end = otlp_proto_record(g, f, r, record);
    struct proto_field resource;
    const char *scope = out;
    if (record - out <= UINT16_MAX) {
        *ret_group_len = (uint16_t)(record - out);
        return end;
    }
    CHECK(proto_next(&scope, record, &resource));
    *ret_group_len = 0;
    return wrap(scope, record, end);
}
