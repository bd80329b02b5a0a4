/* fapilog.h - log records into a ring in shared memory.
 *
 *     fapilog_t *log = fapilog_open("orders", NULL);
 *     FAPILOG_INFO(log, "order accepted", FL("order_id", 42), FL("price", 9.5), FL("symbol", "ACME"));
 *     fapilog_close(log);
 *
 * Thread safety: every function may be called from any thread at any time, except where its comment
 * says otherwise. "Signal safe" functions may be called from signal handlers and, with the macros,
 * from a child after fork() or a raw clone() without CLONE_VM; the others allocate or lock.
 * No log call blocks unless the process chose FAPILOG_ON_FULL_BLOCK; none changes errno.
 *
 * One process has one segment, a file in the ring directory, made by the first fapilog_open() and
 * marked as cleanly closed by the last fapilog_close(). Without a usable ring directory the library
 * says so once on stderr and does what fapilog_options.fallback asks for.
 *
 * Environment, each used where the option is not given: FAPILOG_RING_DIR, FAPILOG_LEVEL,
 * FAPILOG_ON_FULL, FAPILOG_LANE_SIZE, FAPILOG_LANES, FAPILOG_SERVICE, FAPILOG_ENV, FAPILOG_VERSION. */
#ifndef FAPILOG_H
#define FAPILOG_H

#include <fapilog/abi.h>
#include <fapilog/reader.h>
#include <fapilog/inline.h>
#include <fapilog/fields.h>
#include <fapilog/each.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- life ---------------------------------------------------------------------------------------- */

enum fapilog_on_full {
    FAPILOG_ON_FULL_DEFAULT = 0,   /* $FAPILOG_ON_FULL, else discard */
    FAPILOG_ON_FULL_DISCARD = 1,   /* the new record is refused and counted */
    FAPILOG_ON_FULL_OVERWRITE = 2, /* the oldest block is given up: a flight recorder */
    FAPILOG_ON_FULL_BLOCK = 3,     /* the caller waits while a collector is alive, else the record is refused */
};

enum fapilog_fallback {
    FAPILOG_FALLBACK_NONE = 0,   /* without a segment, log calls do nothing */
    FAPILOG_FALLBACK_STDERR = 1, /* without a segment, records are written to stderr as text lines */
};

/* Set size to sizeof(struct fapilog_options) and the rest to zero: zero means the default. */
struct fapilog_options {
    size_t size;
    const char *ring_dir;    /* NULL: $FAPILOG_RING_DIR, /run/fapilog/<uid>, $XDG_RUNTIME_DIR/fapilog,
                              * /tmp/fapilog-<uid>: the first that is usable */
    const char *env;         /* deployment environment, "production"; at most 31 bytes */
    const char *version;     /* of the service; at most 31 bytes */
    uint32_t level;          /* enum fapilog_level, the threshold; default INFO */
    uint32_t on_full;        /* enum fapilog_on_full */
    uint32_t lanes;          /* threads with a lane of their own, 1..16380; default 64 */
    uint32_t fallback;       /* enum fapilog_fallback */
    uint64_t lane_bytes;     /* per lane, rounded up to a power of two, 16 KiB..1 GiB; default 256 KiB */
    uint64_t registry_bytes; /* for call sites and loggers, 4 KiB..16 MiB; default 1 MiB (sparse) */
};

/* Opens the process's segment (the first call), or adds a user to it, and returns the logger of the
 * service. `service` is NULL: $FAPILOG_SERVICE, else the name of the executable. `options` is NULL:
 * everything from the environment. A later call with other options warns on stderr and uses the open
 * segment. Never returns NULL: where there is no segment, the logger drops everything or writes to
 * stderr (options.fallback). Options that are wrong (an unknown size with bytes set, a value outside its
 * bounds) are reported on stderr and count as not given. Not signal safe. */
FAPILOGI_API fapilog_t *fapilog_open(const char *service, const struct fapilog_options *options);

/* Gives up one user of the segment; the last one marks it as cleanly closed and detaches from it: what
 * is in the rings stays there for the collector. No thread may be inside a log call then. Loggers stay
 * valid: they do nothing until a later fapilog_open(). NULL is allowed. Not signal safe. */
FAPILOGI_API void fapilog_close(fapilog_t *log);

/* ---- macros -------------------------------------------------------------------------------------- */

/* A field; the type comes from the value: integers of any width, bool, char, float, double (long double
 * becomes double), C strings (NULL becomes "(null)"), void pointers. */
#define FL(name, ...) (name, (__VA_ARGS__))
#define FL_STRN(name, data, bytes) (name, fapilogi_make_string(data, bytes)) /* text of a known length */
#define FL_BYTES(name, data, bytes) (name, fapilogi_make_bytes(data, bytes))
#define FL_JSON(name, text) (name, fapilogi_make_json_text(text)) /* NUL-terminated JSON text */
#define FL_ERRNO(name, code) (name, fapilogi_make_errno(code))    /* errno, or a negative errno */
#define FL_PTR(name, pointer) (name, fapilogi_make_pointer(pointer))
#define FL_IPV4(name, address) (name, fapilogi_make_ipv4(address)) /* 4 bytes in network order: &sin_addr */
#define FL_IPV6(name, address) (name, fapilogi_make_ipv6(address)) /* 16 bytes: &sin6_addr */
#define FL_TIME(name, ns) (name, fapilogi_make_time(ns))           /* ns since the epoch, UTC */
#define FL_DURATION(name, ns) (name, fapilogi_make_duration(ns))
#define FL_UUID(name, bytes16) (name, fapilogi_make_uuid(bytes16))
#define FL_BOOL(name, value) (name, (bool)(value))
#define FL_CHAR(name, value) (name, (char)(value))

/* Message and format must be string literals; up to 64 fields. Values are evaluated once, and only when
 * the level passes the logger's threshold. Signal safe. */
#define FAPILOG_TRACE(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_TRACE, FAPILOG_LEVEL_TRACE, __VA_ARGS__)
#define FAPILOG_DEBUG(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_DEBUG, FAPILOG_LEVEL_DEBUG, __VA_ARGS__)
#define FAPILOG_INFO(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_INFO, FAPILOG_LEVEL_INFO, __VA_ARGS__)
#define FAPILOG_WARNING(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_WARNING, FAPILOG_LEVEL_WARNING, __VA_ARGS__)
#define FAPILOG_ERROR(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_ERROR, FAPILOG_LEVEL_ERROR, __VA_ARGS__)
#define FAPILOG_CRITICAL(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_CRITICAL, FAPILOG_LEVEL_CRITICAL, __VA_ARGS__)
#define FAPILOG_AUDIT(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_AUDIT, FAPILOG_LEVEL_AUDIT, __VA_ARGS__)
#define FAPILOG_SECURITY(log, ...) FAPILOGI_LOG(log, FAPILOG_LEVEL_SECURITY, FAPILOG_LEVEL_SECURITY, __VA_ARGS__)
/* The level may be computed, 1..30. */
#define FAPILOG_LOG(log, level, ...) FAPILOGI_LOG(log, level, 0, __VA_ARGS__)

#define FAPILOGI_PAIR_NAME(name, value) name
#define FAPILOGI_PAIR_VALUE(name, value) value
#define FAPILOGI_DO_CARRY(i, pair) FAPILOGI_CARRY(i, FAPILOGI_PAIR_VALUE pair)
#define FAPILOGI_DO_DESC(i, pair) {FAPILOGI_PAIR_NAME pair, FAPILOGI_TYPE(fapilogi_v##i)},
#define FAPILOGI_DO_END(i, pair) fapilogi_at = FAPILOGI_END(fapilogi_at, fapilogi_v##i);
#define FAPILOGI_DO_PUT(i, pair) fapilogi_at = FAPILOGI_PUT(fapilogi_c.args, fapilogi_at, fapilogi_v##i);

#define FAPILOGI_LOG(log, level_, site_level, ...) \
    do { \
        const struct fapilog *const fapilogi_log = (log); \
        const uint32_t fapilogi_level = (uint32_t)(level_); \
        if (fapilogi_enabled(fapilogi_log, fapilogi_level)) { \
            FAPILOGI_EACH_REST(FAPILOGI_DO_CARRY, __VA_ARGS__) \
            static const struct fapilogi_field_desc fapilogi_fields[] = { \
                FAPILOGI_EACH_REST(FAPILOGI_DO_DESC, __VA_ARGS__){0, 0}}; \
            static struct fapilog_site_desc fapilogi_site FAPILOGI_SITE_SECTION = { \
                0, __LINE__, "" FAPILOGI_FIRST(__VA_ARGS__), __FILE__, __func__, fapilogi_fields, \
                site_level, 0, FAPILOGI_COUNT_REST(__VA_ARGS__), FAPILOGI_SITE_TAG, 0}; \
            size_t fapilogi_at = 0; \
            FAPILOGI_EACH_REST(FAPILOGI_DO_END, __VA_ARGS__) \
            const struct fapilogi_cursor fapilogi_c = \
                fapilogi_begin(fapilogi_log, &fapilogi_site, fapilogi_level, fapilogi_at); \
            if (FAPILOGI_LIKELY(fapilogi_c.args != 0)) { \
                fapilogi_at = 0; \
                FAPILOGI_EACH_REST(FAPILOGI_DO_PUT, __VA_ARGS__) \
                (void)fapilogi_at; \
                fapilogi_end(fapilogi_c, fapilogi_level); \
            } \
        } \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
