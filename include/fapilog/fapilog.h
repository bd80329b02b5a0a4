/* fapilog.h - log records into a ring in shared memory.
 *
 *     fapilog_t *log = fapilog_open("orders", NULL);
 *     FAPILOG_INFO(log, "order accepted", FL("order_id", 42), FL("price", 9.5), FL("symbol", "ACME"));
 *     fapilog_close(log);
 *
 * Thread safety: every function may be called from any thread at any time, except where its comment
 * says otherwise. "Signal safe" functions may be called from signal handlers and, with the macros,
 * from a child after fork() or a raw clone() without CLONE_VM; the others allocate or lock. Where fork() is called in
 * a handler that has interrupted a log call, the child may log in the handler, but must end or exec there: the call
 * cannot be finished in it.
 * No log call blocks unless the process chose FAPILOG_ON_FULL_BLOCK; none changes errno, and none is a
 * cancellation point.
 *
 * A logger is what fapilog_open() and the functions that take one return. A macro does not look whether it is NULL,
 * and crashes; functions do nothing then. Before the first fapilog_open() there is no logger; after the last
 * fapilog_close() loggers drop what they get. Constructors, destructors, atexit handlers, destructors of threads and a
 * child of vfork() may log.
 *
 * A process that gives up rights after fapilog_open() - another user, chroot(), descriptors, a seccomp filter - goes on
 * logging into its segment. A child that it forks then, and a new segment after the last fapilog_close(), need the ring
 * directory as before; without it they say so on stderr and log nothing. A seccomp filter must allow what the slow path
 * of a log call needs, or fapilog_prepare() be called before. SECCOMP_MODE_STRICT takes the CPU's counter away, so that
 * a log call dies of SIGSEGV.
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
#include <fapilog/version.h>
#include <fapilog/reader.h>
#include <fapilog/inline.h>
#include <fapilog/fields.h>
#include <fapilog/each.h>
#include <fapilog/ratelimit.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that the program runs with, FAPILOG_VERSION_STRING and FAPILOG_VERSION_NUMBER of its
 * headers: "0.1.0", 0x000100. A program that was compiled with other headers of the same soname works all the same.
 * Signal safe. */
FAPILOGI_API const char *fapilog_version(void);
FAPILOGI_API uint32_t fapilog_version_number(void);

/* ---- life ---------------------------------------------------------------------------------------- */

enum fapilog_on_full {
    FAPILOG_ON_FULL_DEFAULT = 0,   /* $FAPILOG_ON_FULL, else discard */
    FAPILOG_ON_FULL_DISCARD = 1,   /* the new record is refused and counted */
    FAPILOG_ON_FULL_OVERWRITE = 2, /* the oldest block is given up: a flight recorder */
    FAPILOG_ON_FULL_BLOCK = 3,     /* the caller waits while a collector is alive, else the record is refused */
};

enum fapilog_fallback {
    FAPILOG_FALLBACK_NONE = 0,   /* without a segment, log calls do nothing */
    FAPILOG_FALLBACK_STDERR = 1, /* without a segment, records are written to stderr as text lines; of a printf-style
                                  * call the format, then its arguments */
};

/* Set size to sizeof(struct fapilog_options) and the rest to zero: zero means the default. */
struct fapilog_options {
    size_t size;
    const char *ring_dir;    /* NULL: $FAPILOG_RING_DIR, else /run/fapilog/<uid> where it exists and is ours,
                              * else $XDG_RUNTIME_DIR/fapilog, else /tmp/fapilog-<uid> */
    const char *env;         /* deployment environment, "production"; at most 31 bytes */
    const char *version;     /* of the service; at most 31 bytes */
    uint32_t level;          /* enum fapilog_level, the threshold; default INFO */
    uint32_t on_full;        /* enum fapilog_on_full */
    uint32_t lanes;          /* threads with a lane of their own, 1..16380; default 64 */
    uint32_t fallback;       /* enum fapilog_fallback */
    uint64_t lane_bytes;     /* per lane, rounded up to a power of two, 16 KiB..1 GiB; default 512 KiB */
    uint64_t registry_bytes; /* for call sites and loggers, 4 KiB..16 MiB; default 1 MiB (sparse) */
};

/* Opens the process's segment (the first call), or adds a user to it, and returns the root logger of the
 * service. `service` NULL or "": $FAPILOG_SERVICE, else the name of the executable; at most 63 bytes.
 * `options` NULL: everything from the environment. A later call whose options differ warns once on stderr
 * and uses the open segment. Never returns NULL: where there is no segment, the logger drops everything
 * or writes to stderr (options.fallback). Options that are wrong (unknown bytes at the end that are not
 * zero, a value outside its bounds) are reported on stderr and count as not given; a text that is too long is cut,
 * which is reported as well. Not signal safe. */
FAPILOGI_API fapilog_t *fapilog_open(const char *service, const struct fapilog_options *options);

/* Gives up one user of the segment; the last one marks it as cleanly closed and detaches from it: what
 * is in the rings stays there for the collector. No thread may be inside a log call then. Loggers stay
 * valid: they do nothing until a later fapilog_open(). NULL is allowed. Not signal safe. */
FAPILOGI_API void fapilog_close(fapilog_t *log);

/* The logger `name` below `log`, "orders.matching": names are dotted, level rules go by them. The same
 * name below the same logger gives the same object. It inherits the bound fields of `log`. At most
 * FAPILOG_LOGGERS_MAX names have a threshold of their own, further ones share that of `log`. When the
 * registry is full, `log` itself is returned, and the first time said on stderr. Below NULL there is a logger that
 * drops everything. Not signal safe. */
FAPILOGI_API fapilog_t *fapilog_logger(fapilog_t *log, const char *name);

/* `log` with fields that stand in front of every record:
 *     fapilog_t *gw = fapilog_with(log, FAPILOG_FIELDS(FL("venue", "XETRA"), FL("gateway", 7)));
 * The same fields give the same object. Each distinct set stays in the registry for the process's life:
 * for what changes with each request, bind a context instead. At most FAPILOG_FIELDS_MAX fields. `log`
 * itself is returned when they do not fit or the registry is full. Not signal safe. */
FAPILOGI_API fapilog_t *fapilog_with(fapilog_t *log, const struct fapilog_field *fields, uint32_t count)
    FAPILOGI_USE_RESULT;

/* Changes the threshold of `log`'s name and of the names below it, from the next call of each thread on; OFF lets
 * nothing pass. It holds for loggers below that are made later, too, and until the last fapilog_close(). The last word
 * counts: what a collector is told of levels later (`level`, `levels`, POST /level) replaces this, as this replaces
 * what it was told before. 0; -EINVAL; -ENOTCONN without a segment; -ENOSPC when the name has no threshold of its own
 * (FAPILOG_LOGGERS_MAX). Not signal safe. */
FAPILOGI_API int fapilog_set_level(fapilog_t *log, uint32_t level);
/* "debug": FAPILOG_LEVEL_DEBUG, for options of programs. The names are those of FAPILOG_LEVEL, upper or lower case; 0
 * for another text. */
FAPILOGI_API uint32_t fapilog_level_from_text(const char *text);

/* Prepares the calling thread for real-time use: claims its lane, touches and locks the lane's memory, and
 * loads what FL_STACK needs. From then on its log calls never wake the collector and never wait, whatever the
 * policy, and make no system call where the CPU's counter is the clock (a record larger than a block does: it
 * is put together in memory of its own). A process that calls mlockall() without MCL_ONFAULT locks the whole
 * segment: give it as many lanes as it needs. 0; -EAGAIN when no lane is free; -ENOTCONN without a segment; -ENOSPC
 * when the file system of the rings has no room for all of the lane (nothing is changed then); -ENOMEM or -EPERM when
 * memory could not be locked (the rest is done). Not signal safe. */
FAPILOGI_API int fapilog_prepare(fapilog_t *log);

/* ---- acknowledgement and counters ----------------------------------------------------------------- */

struct fapilog_flush_report {
    uint64_t pending_bytes;   /* in the rings, not yet acknowledged by every sink */
    uint32_t failing_count;   /* sinks that report errors now: the first entries of failing[] */
    uint32_t reserved;
    struct fapilog_sink_status failing[FAPILOG_SINKS_MAX];
};

/* Waits until every record that was logged by this process before the call has been acknowledged by each
 * sink that wants it, or lies in that sink's disk spool. `timeout_ns`: how long at most. `ret` may be
 * NULL; it is filled in on success and on failure. 0; -ETIMEDOUT; -EIO when the time is over and some sink
 * is failing; -ENOTCONN when no collector has shown life for 2 s. Not signal safe. */
FAPILOGI_API int fapilog_flush(fapilog_t *log, uint64_t timeout_ns, struct fapilog_flush_report *ret);

struct fapilog_counters {
    uint64_t written;      /* records committed to the rings */
    uint64_t dropped;      /* records refused because a lane was full */
    uint64_t dropped_bytes;
    uint64_t orphaned;     /* records refused because every shared lane was in use */
    uint64_t unregistered; /* records refused because the registry was full */
    uint64_t truncated;    /* records that lost text beyond FAPILOG_RECORD_BYTES_MAX (they are in written too) */
    uint64_t bytes;        /* of the rings used so far, with headers and padding */
    uint64_t blocked;      /* times a call had to wait for room */
    uint64_t reserved[8];  /* 0; counters to come */
};

/* Sums over all threads of the process since fapilog_open() (a forked child counts from zero). Exact when
 * no thread is logging. Signal safe. */
FAPILOGI_API void fapilog_get_counters(const fapilog_t *log, struct fapilog_counters *ret);

/* ---- context -------------------------------------------------------------------------------------- */

enum {
    FAPILOG_CONTEXT_BYTES_MAX = 2048, /* names, texts and 8 bytes a field */
    FAPILOG_CONTEXT_FIELDS_MAX = 32,
};

/* What fapilog_context_push() changed. */
struct fapilog_scope {
    int32_t error;   /* 0; -E2BIG: the fields do not fit, none is bound; -EINVAL; -ENOMEM; -EBUSY:
                      * called by a signal handler that interrupted a change of the context */
    uint32_t epoch;
    uint32_t count;
    uint32_t bytes;
    uint32_t scope_count;
    uint32_t clears;
};

/* Binds fields to the calling thread until the scope is popped; every record that the thread logs
 * meanwhile carries them. Within the scope a field hides an outer one with the same name. Texts are
 * copied. Scopes nest and are popped in reverse order; popping an outer one pops the inner ones too.
 * A forked child keeps the context. Signal safe (a handler pops what it pushes). */
FAPILOGI_API struct fapilog_scope fapilog_context_push(const struct fapilog_field *fields, uint32_t count)
    FAPILOGI_USE_RESULT;
FAPILOGI_API void fapilog_context_pop(struct fapilog_scope *scope);

/* Binds one field in the innermost scope, in place of one with the same name there. 0, or a negative errno
 * as in struct fapilog_scope. */
FAPILOGI_API int fapilog_context_set(const struct fapilog_field *field);
/* Unbinds everything that the thread has bound in any scope. */
FAPILOGI_API void fapilog_context_clear(void);

/* The standard fields, bound as by fapilog_context_set(). */
#define fapilog_set_trace_id(bytes16) FAPILOGI_SET(FL_TRACE_ID(bytes16))
#define fapilog_set_span_id(bytes8) FAPILOGI_SET(FL_SPAN_ID(bytes8))
#define fapilog_set_request_id(text) FAPILOGI_SET(FL_REQUEST_ID(text))
#define fapilog_set_user_id(text) FAPILOGI_SET(FL_USER_ID(text))
#define fapilog_set_tenant_id(text) FAPILOGI_SET(FL_TENANT_ID(text))

/* ---- without macros (bindings for other languages) ------------------------------------------------ */

/* Whether a record of this level, 1..30, would be written; of another none is. Signal safe. */
FAPILOGI_API bool fapilog_enabled(const fapilog_t *log, uint32_t level);

/* Writes a self-describing record. `message` is `len` bytes of UTF-8; `fields` as in reader.h: texts need no
 * NUL, and may hold any. `level` is 1..30. Does nothing when the level is below the threshold. 0; -EINVAL for a level,
 * type or count out of bounds, NULL where there should be something, or names and stacks of more than 1 MiB less 4 KiB
 * (texts are cut, these are not); -ENOBUFS when the record was dropped (and counted). The record names no file, line or
 * function: a function does not know its caller's. Signal safe. */
FAPILOGI_API int fapilog_log(const fapilog_t *log, uint32_t level, const char *message, size_t len,
                             const struct fapilog_field *fields, uint32_t count);

/* Where a record is logged. Texts need no NUL, and need not outlive the call. */
struct fapilog_location {
    struct fapilog_text file; /* empty: not known */
    struct fapilog_text function; /* may be empty */
    uint32_t line;
    uint32_t reserved; /* 0 */
};

/* fapilog_log() for a caller that knows where it stands: FAPILOG_HERE, or what the log callback of another library or
 * the run time of another language says. `location` may be NULL. Each goes into the registry once, at its first record,
 * and all its records name it: they are no longer than without. Records of more than about 8000 locations, and of
 * new ones when the registry is full, are logged without. Signal safe. */
FAPILOGI_API int fapilog_log_at(const fapilog_t *log, uint32_t level, const char *message, size_t len,
                                const struct fapilog_field *fields, uint32_t count,
                                const struct fapilog_location *location);

/* A field of that name whose value is ***, for what must not be logged: as FL_SENSITIVE, for lists that a
 * binding makes. `name` must outlive the list. Signal safe. */
FAPILOGI_INLINE struct fapilog_field fapilog_sensitive(const char *name)
{
    struct fapilog_field f;
    memset(&f, 0, sizeof f);
    f.name.data = name;
    f.name.len = FAPILOGI_CAST(uint32_t, strlen(name));
    f.type = FAPILOG_TYPE_STRING;
    f.len = 3;
    f.v.data = "***";
    return f;
}

/* ---- capture, for tests of programs that log ------------------------------------------------------- */

/* From here on fapilog_open() makes no segment: records go to a list in memory, oldest dropped beyond
 * `records_max` (1..10000). 0, -EBUSY when a segment is open or capture is on, -EINVAL, -ENOMEM.
 * Threshold and texts come from the environment. Loggers opened before stay valid. Not signal safe. */
FAPILOGI_API int fapilog_capture_start(uint32_t records_max);
/* Takes the oldest record, or returns NULL. The record is valid until the next call to
 * fapilog_capture_next() or fapilog_capture_stop(). One thread at a time. */
FAPILOGI_API const struct fapilog_record *fapilog_capture_next(void);
/* The field of that name among the record's own, bound and context fields, or NULL. */
FAPILOGI_API const struct fapilog_field *fapilog_capture_field(const struct fapilog_record *record,
                                                               const char *name);
/* Records dropped because nobody took them. */
FAPILOGI_API uint64_t fapilog_capture_lost(void);
FAPILOGI_API void fapilog_capture_stop(void);

/* ---- macros -------------------------------------------------------------------------------------- */

/* A field; the type comes from the value: integers of up to 64 bits, bool, char, float, double (long double
 * becomes double), C strings (NULL becomes "(null)"), void pointers. Enumerators are integers, and so are, in C,
 * comparisons, `true` before C23 and 'c': FL_BOOL and FL_CHAR say what is meant. signed char and unsigned char, int8_t
 * and uint8_t, are numbers. Of other types, wide strings among them, the compiler says what to do; FL_PTR
 * takes any pointer. A bit-field must be cast (in C), since gcc gives it a type of its own. In a log call the name must
 * be a literal of up to 255 bytes; in lists of fields it may be any text that outlives the list. */
#define FL(name, ...) (name, (__VA_ARGS__))
#define FL_STRN(name, data, bytes) (name, fapilogi_make_string(data, bytes)) /* text of a known length */
#define FL_BYTES(name, data, bytes) (name, fapilogi_make_bytes(data, bytes))
#define FL_JSON(name, text) (name, fapilogi_make_json_text(text)) /* NUL-terminated JSON text */
#define FL_JSONN(name, data, bytes) (name, fapilogi_make_json(data, bytes))
#define FL_ERRNO(name, code) (name, fapilogi_make_errno(code))    /* errno, or a negative errno */
#define FL_PTR(name, pointer) (name, fapilogi_make_pointer(pointer))
/* The address must not be NULL: */
#define FL_IPV4(name, address) (name, fapilogi_make_ipv4(address)) /* 4 bytes in network order: &sin_addr */
#define FL_IPV6(name, address) (name, fapilogi_make_ipv6(address)) /* 16 bytes: &sin6_addr */
#define FL_TIME(name, ns) (name, fapilogi_make_time(ns))           /* ns since the epoch, UTC */
#define FL_DURATION(name, ns) (name, fapilogi_make_duration(ns))
#define FL_UUID(name, bytes16) (name, fapilogi_make_uuid(bytes16))
#define FL_BOOL(name, value) (name, FAPILOGI_CAST(bool, value))
#define FL_CHAR(name, value) (name, FAPILOGI_CAST(char, value))
/* Return addresses of the callers, innermost first. In C++ the first one of a process is not signal safe, unless
 * fapilog_prepare() was called before: it loads libgcc. */
#define FL_STACK(name) (name, fapilogi_make_stack())
/* What must not be logged: the value is evaluated, so that code is the same with and without, but only ***
 * reaches shared memory. The names say why. */
#define FL_SECRET(name, value) (name, ((void)(value), fapilogi_make_string("***", 3)))
#define FL_SENSITIVE(name, value) FL_SECRET(name, value)
#define FL_PII(name, value) FL_SECRET(name, value)
/* What went wrong: the names of these fields decide where they go (docs/formats.md). An errno stands for both
 * type and message, "ENOENT" and "No such file or directory", unless a message is given. */
#define FL_ERROR_TYPE(text) ("error.type", (text))
#define FL_ERROR_ERRNO(code) ("error.type", fapilogi_make_errno(code))
#define FL_ERROR_MESSAGE(text) ("error.message", (text))
#define FL_ERROR_CAUSE(text) ("error.cause", (text)) /* type of what caused it */
#define FL_ERROR_STACK() ("error.stack", fapilogi_make_stack())
#define FL_TAGS(text) ("tags", (text)) /* "payment,eu"; or FL_JSON("tags", "[\"payment\",\"eu\"]") */
/* The standard fields, for contexts. Ids that come as hex digits are texts: FL("trace_id", text) and
 * FL("span_id", text). */
#define FL_TRACE_ID(bytes16) ("trace_id", fapilogi_make_trace(FAPILOGI_NO_DIGITS(bytes16, 33, FAPILOGI_TRACE_DIGITS)))
#define FL_SPAN_ID(bytes8) ("span_id", fapilogi_make_span(FAPILOGI_NO_DIGITS(bytes8, 17, FAPILOGI_SPAN_DIGITS)))
#define FL_REQUEST_ID(text) ("request_id", fapilogi_make_role(text, FAPILOG_ROLE_REQUEST_ID))
#define FL_USER_ID(text) ("user_id", fapilogi_make_role(text, FAPILOG_ROLE_USER_ID))
#define FL_TENANT_ID(text) ("tenant_id", fapilogi_make_role(text, FAPILOG_ROLE_TENANT_ID))
#define FL_CORRELATION_ID(text) ("correlation_id", fapilogi_make_role(text, FAPILOG_ROLE_CORRELATION_ID))

/* Log calls of the macros below this level are not compiled in: -DFAPILOG_COMPILE_LEVEL=FAPILOG_LEVEL_INFO. */
#ifndef FAPILOG_COMPILE_LEVEL
#define FAPILOG_COMPILE_LEVEL 1
#endif

/* The message must be a string literal of up to 65535 bytes; up to 64 fields. Values are evaluated once, and only when
 * the level passes the logger's threshold; they may log themselves: their record comes first. Signal safe. */
#define FAPILOG_TRACE(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_TRACE, __VA_ARGS__)
#define FAPILOG_DEBUG(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_DEBUG, __VA_ARGS__)
#define FAPILOG_INFO(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_INFO, __VA_ARGS__)
#define FAPILOG_WARNING(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_WARNING, __VA_ARGS__)
#define FAPILOG_ERROR(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_ERROR, __VA_ARGS__)
#define FAPILOG_CRITICAL(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_CRITICAL, __VA_ARGS__)
#define FAPILOG_AUDIT(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_AUDIT, __VA_ARGS__)
#define FAPILOG_SECURITY(log, ...) FAPILOGI_AT(log, FAPILOG_LEVEL_SECURITY, __VA_ARGS__)
/* The level may be computed, 1..30; with another nothing is written, and a constant one does not compile. */
#define FAPILOG_LOG(log, level, ...) FAPILOGI_LOG(log, level, 0, __VA_ARGS__)

/* printf-style; the collector formats. The compiler checks the arguments against the format. Texts (%s,
 * %.*s) are copied; their characters may be signed or unsigned. %m, %n, positions (%1$d) and wide characters are not
 * supported, and widths and precisions of numbers end at 512. Up to 64 arguments. Signal safe. */
#define FAPILOG_TRACEF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_TRACE, __VA_ARGS__)
#define FAPILOG_DEBUGF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_DEBUG, __VA_ARGS__)
#define FAPILOG_INFOF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_INFO, __VA_ARGS__)
#define FAPILOG_WARNINGF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_WARNING, __VA_ARGS__)
#define FAPILOG_ERRORF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_ERROR, __VA_ARGS__)
#define FAPILOG_CRITICALF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_CRITICAL, __VA_ARGS__)
#define FAPILOG_AUDITF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_AUDIT, __VA_ARGS__)
#define FAPILOG_SECURITYF(log, ...) FAPILOGI_ATF(log, FAPILOG_LEVEL_SECURITY, __VA_ARGS__)
#define FAPILOG_LOGF(log, level, ...) FAPILOGI_LOGF(log, level, 0, __VA_ARGS__)

/* A statement that runs the first time it is come to; the first time, and then each `n`-th time; at most once in
 * `interval_ns` nanoseconds. All threads count together, for each place in the program, also while the level does not
 * pass:
 *     FAPILOG_ONCE(FAPILOG_WARNING(log, "option -x is deprecated"));
 *     FAPILOG_EVERY(1000, FAPILOG_INFO(log, "still at it", FL("rows", rows)));
 *     FAPILOG_LIMIT(1000000000, FAPILOG_WARNING(log, "queue full", FL("suppressed", fapilog_suppressed)));
 * fapilog_suppressed, a uint64_t, is how often the statement was passed over since it ran last. Signal safe. */
#define FAPILOG_ONCE(...) FAPILOGI_ONCE(__VA_ARGS__)
#define FAPILOG_EVERY(n, ...) FAPILOGI_EVERY(n, __VA_ARGS__)
#define FAPILOG_LIMIT(interval_ns, ...) FAPILOGI_LIMIT(interval_ns, __VA_ARGS__)

/* `fields, count` for the functions that take a list. The list lives until the end of the enclosing
 * block in C, of the full expression in C++. */
/* FAPILOG_FIELDS, FAPILOG_SCOPE: see macros.h, where all of the above is made. */

/* The place where it stands, for fapilog_log_at(). It lives as long as a list of FAPILOG_FIELDS. */
#define FAPILOG_HERE FAPILOGI_HERE

#ifdef __cplusplus
}
#endif

#include <fapilog/macros.h>

#endif
