/* Records without a call site. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

#include <errno.h>
#include <string.h>

#undef fapilog_enabled

bool fapilog_enabled(const fapilog_t *log, uint32_t level)
{
    return log && fapilogi_enabled(log, level);
}

static void put(uint8_t *to, const char *message, uint32_t len, const struct fapilog_field *fields, uint32_t count)
{
    const struct fapilog_dynamic head = {count, len};
    memcpy(to, &head, sizeof head);
    if (len)
        memcpy(to + sizeof head, message, len);
    uint8_t *list = to + align_up(sizeof head + len, 8);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++)
        at = fapilogi_list_put(list, at, &fields[i]);
}

/* Lengths beyond the record's limit say "cut me" already by a byte more than fits. */
static struct fapilog_field bounded(const struct fapilog_field *f)
{
    struct fapilog_field b = *f;
    if (b.type == FAPILOG_TYPE_STRING || b.type == FAPILOG_TYPE_BYTES || b.type == FAPILOG_TYPE_JSON)
        b.len = fapilogi_clamp(b.len);
    return b;
}

static int write_record(const fapilog_t *log, uint32_t level, const char *message, size_t len,
                        const struct fapilog_field *fields, uint32_t count, const struct fapilog_location *location)
{
    struct fapilog_field copy[FAPILOG_FIELDS_MAX];
    if (!log || level < 1 || level >= FAPILOG_LEVEL_OFF || count > FAPILOG_FIELDS_MAX || (!message && len) ||
        (!fields && count))
        return -EINVAL;
    if (!fapilogi_enabled(log, level))
        return 0;
    const uint32_t message_len = fapilogi_clamp(len);
    size_t list = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!fapilogi_field_ok(&fields[i]))
            return -EINVAL;
        copy[i] = bounded(&fields[i]);
        list = fapilogi_list_end(list, &copy[i]);
    }
    const int saved = errno;
    struct fapilogi_pending *p = NULL;
    if (fapilogi_ready())
        p = fapilogi_begin_slow(log, FAPILOG_WORD0(0, FAPILOG_KIND_DYNAMIC, level, 0, fapilogi_location(location)),
                                align_up(sizeof(struct fapilog_dynamic) + message_len, 8) + list);
    bool is_written = false;
    if (p) {
        put(p->args, message, message_len, copy, count);
        is_written = fapilogi_finish_slow(p);
    }
    errno = saved;
    return is_written ? 0 : -ENOBUFS;
}

int fapilog_log(const fapilog_t *log, uint32_t level, const char *message, size_t len,
                const struct fapilog_field *fields, uint32_t count)
{
    return write_record(log, level, message, len, fields, count, NULL);
}

int fapilog_log_at(const fapilog_t *log, uint32_t level, const char *message, size_t len,
                   const struct fapilog_field *fields, uint32_t count, const struct fapilog_location *location)
{
    return write_record(log, level, message, len, fields, count, location);
}
