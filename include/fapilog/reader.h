/* reader.h - one decoded record, as every format, filter and tool sees it.
 *
 * A view: all texts point into the ring (or into a private copy of it) and are valid until the
 * space is released or the next record is decoded, whichever the function that filled it says.
 * Texts come from another process: they are bounded, not NUL-terminated, and not promised to be
 * valid UTF-8; bytes may even change while they are read, so each is loaded once. Only the names of
 * fields stay as they are. */
#ifndef FAPILOG_READER_H
#define FAPILOG_READER_H

#include <fapilog/abi.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fapilog_text {
    const char *data;
    uint32_t len;
};

struct fapilog_field {
    struct fapilog_text name; /* empty for an argument of a printf-style message */
    uint8_t type;             /* enum fapilog_type */
    uint8_t role;             /* FAPILOG_ROLE_* */
    uint16_t reserved;
    uint32_t len;             /* of data, for STRING, BYTES, JSON, STACK (in bytes) and fixed-size byte types */
    union {
        uint64_t u64; /* BOOL, U8..U64, POINTER, CHAR */
        int64_t i64;  /* I8..I64, ERRNO, TIME, DURATION */
        double f64;   /* F32 (widened), F64 */
        const char *data; /* STRING, BYTES, JSON, IPV4, IPV6, UUID, TRACE_ID, SPAN_ID, STACK */
    } v;
};

enum { FAPILOG_SITE_CACHE_SLOTS = 32 };

struct decode_loads;

/* A call site, parsed once per segment. `fields` is the template that decoding fills in. */
struct fapilog_site {
    uint32_t id;
    uint32_t line;
    uint8_t level;
    bool is_printf; /* message is a format string for the fields in order */
    uint16_t fields_count;
    struct fapilog_text message, file, function;
    const struct fapilog_field *fields;
    const struct decode_loads *loads; /* the reader's: how to take the numbers in front; may be NULL */
    /* Formats keep what they compiled for this site here, by format slot; freed with free(). */
    void *cache[FAPILOG_SITE_CACHE_SLOTS];
};

struct fapilog_logger_info {
    uint32_t id;     /* 0 = root */
    struct fapilog_text name; /* "" for the root logger */
    struct fapilog_text service;
    const struct fapilog_field *fields; /* bound fields, outermost parent first */
    uint32_t fields_count;
    void *cache[FAPILOG_SITE_CACHE_SLOTS]; /* as in struct fapilog_site */
};

struct fapilog_process_info {
    uint8_t uuid[16]; /* of the segment */
    uint32_t pid;
    struct fapilog_text service, host, exe, env, version;
    const struct fapilog_field *enriched; /* what the collector knows of the process; NULL: nothing */
    uint32_t enriched_count;
    void *cache[FAPILOG_SITE_CACHE_SLOTS];
};

/* Thread-bound context. */
struct fapilog_context_info {
    uint32_t epoch;
    bool lost; /* the context record was dropped or overwritten: fields are unknown, count is 0 */
    const struct fapilog_field *fields;
    uint32_t fields_count;
};

/* Identity of a record: the same after a crash and for every resend. */
struct fapilog_record_id {
    uint8_t uuid[16];
    uint32_t lane;
    uint32_t generation;
    uint64_t position;
};

struct fapilog_record {
    int64_t time_ns;   /* CLOCK_REALTIME, from the record's counter */
    uint64_t cycles;   /* raw counter */
    uint8_t level;     /* enum fapilog_level, 1..31 */
    uint8_t flags;     /* FAPILOG_FLAG_* */
    bool internal;     /* made by the collector (drop report): site is NULL, id.lane UINT32_MAX possible */
    uint32_t tid;
    struct fapilog_text thread;  /* name of the thread, may be empty */
    struct fapilog_text message; /* the site's (a format string if site->is_printf) or the dynamic one */
    const struct fapilog_site *site; /* NULL for a dynamic record */
    const struct fapilog_logger_info *logger;
    const struct fapilog_process_info *process;
    const struct fapilog_context_info *context; /* NULL: none bound */
    const struct fapilog_field *fields; /* without the logger's and the context's fields */
    uint32_t fields_count;
    struct fapilog_record_id id;
    /* STACK fields: how to name an address; NULL when the segment has no module entries. Returns
     * false when the address is in no known module. */
    bool (*module_of)(const void *arg, uint64_t address, struct fapilog_text *ret_path, uint64_t *ret_offset);
    const void *module_arg;
    /* Of a dynamic record: file, line and function of the call, the rest is empty; NULL: not known. Of others NULL. */
    const struct fapilog_site *source;
};

/* Whose file, line and function are those of the call; NULL: nobody knows. */
static inline const struct fapilog_site *fapilog_record_source(const struct fapilog_record *r)
{
    return r->site ? r->site : r->source;
}

#ifdef __cplusplus
}
#endif
#endif
