/* Records without a call site. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

#undef fapilog_enabled

bool fapilog_enabled(const fapilog_t *log, uint32_t level)
{
    return log && fapilogi_enabled(log, level);
}

/* What a call brings. */
struct body {
    const char *message;
    uint32_t message_len;
    uint32_t fields_count;
    const struct fapilog_field *fields;
    size_t list_at, size; /* of the list of fields, and of all, in the arguments */
};

enum { EXTENSIONS_MAX = 4096 }; /* as readers have it */

/* Whether fapilogi_cut() can make it fit: names and stacks stay as they are. */
__attribute__((cold, noinline)) static bool can_fit(const struct body *b)
{
    size_t at = sizeof(struct fapilog_dynamic);
    for (uint32_t i = 0; i < b->fields_count; i++) {
        struct fapilog_field f = b->fields[i];
        if (f.type != FAPILOG_TYPE_STACK)
            f.len = 0;
        at = fapilogi_list_end(at, &f);
    }
    return at <= FAPILOG_RECORD_BYTES_MAX - EXTENSIONS_MAX;
}

static inline bool measure(struct body *b)
{
    size_t list;
    if (!fapilogi_list_size(b->fields, b->fields_count, &list))
        return false;
    b->list_at = align_up(sizeof(struct fapilog_dynamic) + b->message_len, 8);
    b->size = b->list_at + list;
    return likely(b->size <= FAPILOG_RECORD_BYTES_MAX - EXTENSIONS_MAX) || can_fit(b);
}

static inline void put(uint8_t *to, const struct body *b)
{
    const struct fapilog_dynamic head = {b->fields_count, b->message_len};
    memcpy(to, &head, sizeof head);
    if (b->message_len)
        memcpy(to + sizeof head, b->message, b->message_len);
    fapilogi_list_fill(to + b->list_at, b->fields, b->fields_count);
}

/* As fapilogi_begin() has it, in the open block of the thread's own lane. No args: this is not the way. */
static inline struct fapilogi_cursor begin(const fapilog_t *log, uint32_t level,
                                           const struct fapilog_location *location, size_t args_size)
{
    struct fapilogi_cursor c = {0};
    struct fapilogi_lane *const p = fapilogi_self;
    if (unlikely(p->busy))
        return c;
    p->busy = 1;
    FAPILOGI_BARRIER(); /* a signal handler from here on sees busy and leaves the lane alone */
    const uint64_t ext = log->ext | p->ext, tail = p->tail;
    const size_t ext_size = ext ? sizeof ext : 0;
    const size_t size = sizeof(struct fapilog_record_header) + ext_size + align_up(args_size, 8);
    if (unlikely((int64_t)(p->limit[level >= FAPILOG_LEVEL_ERROR] - tail) < (int64_t)size)) {
        FAPILOGI_BARRIER();
        p->busy = 0;
        return c;
    }
    uint8_t *const to = p->data + (tail & p->mask);
    const struct fapilog_record_header head = {
        FAPILOG_WORD0(size / 8, FAPILOG_KIND_DYNAMIC, level, ext ? FAPILOG_FLAG_EXT : 0, fapilogi_location(location)),
        FAPILOGI_COUNTER()};
    memcpy(to, &head, sizeof head);
    if (ext)
        memcpy(to + sizeof head, &ext, sizeof ext);
    c.args = to + sizeof head + ext_size;
    c.lane = p;
    c.next = tail + size;
    return c;
}

static bool write_slow(const fapilog_t *log, uint32_t level, const struct fapilog_location *location,
                       const struct body *b)
{
    const int saved = errno;
    struct fapilogi_pending *p = NULL;
    if (fapilogi_ready())
        p = fapilogi_begin_slow(log, FAPILOG_WORD0(0, FAPILOG_KIND_DYNAMIC, level, 0, fapilogi_location(location)),
                                b->size);
    bool is_written = false;
    if (p) {
        put(p->args, b);
        is_written = fapilogi_finish_slow(p);
    }
    errno = saved;
    return is_written;
}

static inline int write_record(const fapilog_t *log, uint32_t level, const char *message, size_t len,
                               const struct fapilog_field *fields, uint32_t count,
                               const struct fapilog_location *location)
{
    if (!log || level < 1 || level >= FAPILOG_LEVEL_OFF || count > FAPILOG_FIELDS_MAX || (!message && len) ||
        (!fields && count))
        return -EINVAL;
    if (!fapilogi_enabled(log, level))
        return 0;
    struct body b = {
        .message = message, .message_len = fapilogi_clamp(len), .fields_count = count, .fields = fields};
    if (!measure(&b))
        return -EINVAL;
    const struct fapilogi_cursor c = begin(log, level, location, b.size);
    if (unlikely(!c.args))
        return write_slow(log, level, location, &b) ? 0 : -ENOBUFS;
    put(c.args, &b);
    fapilogi_end(c, level);
    return 0;
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
