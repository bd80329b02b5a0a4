/* plugin.h - sinks, stages and formats that are built outside of fapilog and loaded by its collector.
 *
 * A plug-in is a shared object that exports one variable, `fapilog_plugin`, through FAPILOG_PLUGIN():
 *
 *     FAPILOG_PLUGIN(.name = "shout", .version = "1.2", .stages = my_stages)
 *
 * It says which kinds of sinks, stages and formats there are. A kind has a name, options and functions; the collector
 * makes an instance of it for each mention in its configuration. docs/plugins.md is the guide.
 *
 * Threads: every function of a plug-in is called by the collector's one thread, and must not wait: while it runs no
 * service is read. Functions of struct fapilog_host are for that thread only. A plug-in that starts threads of its own
 * blocks all signals in them, and tells the collector's thread through a descriptor that it watches.
 *
 * Versions: the collector loads what has its own major version and a minor version that is not newer. Within a major
 * version structures grow at their end only, and `size` says what the plug-in knows of them.
 *
 * Memory: texts and structures that a plug-in describes itself with stay where they are until the process ends; it is
 * never unloaded. Whatever is handed to a function is valid until it returns, unless it says otherwise. */
#ifndef FAPILOG_PLUGIN_H
#define FAPILOG_PLUGIN_H

#include <fapilog/reader.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAPILOG_PLUGIN_MAJOR 1
#define FAPILOG_PLUGIN_MINOR 1

/* Filled in by a function that fails: what is wrong and what to do about it, NUL-terminated, without secrets. */
struct fapilog_error {
    char text[512];
};

/* ---- options ---- */

/* The member of the configuration that each fills. Grammar, sources and messages are the collector's. */
enum fapilog_option_type {
    FAPILOG_OPTION_END,
    FAPILOG_OPTION_TEXT,     /* const char *, never NULL when the row has a default */
    FAPILOG_OPTION_BOOL,     /* bool */
    FAPILOG_OPTION_UINT,     /* uint64_t, min..max */
    FAPILOG_OPTION_SIZE,     /* uint64_t bytes, min..max: "10 MB" */
    FAPILOG_OPTION_DURATION, /* uint64_t nanoseconds, min..max: "500ms" */
    FAPILOG_OPTION_WORD,     /* uint32_t: the value of one of `words` */
    FAPILOG_OPTION_LIST,     /* struct fapilog_list, at most `max` entries, and at most 1024 */
    FAPILOG_OPTION_MAP,      /* struct fapilog_map, likewise */
    FAPILOG_OPTION_REAL,     /* double, real_min..real_max: "0.25"; since 1.1 */
    FAPILOG_OPTION_LEVEL,    /* uint8_t, 1..31: a level's name or its number; since 1.1 */
};

enum fapilog_option_flags {
    FAPILOG_OPTION_REQUIRED = 1, /* must be given; default_text is NULL */
    FAPILOG_OPTION_SECRET = 2,   /* shown as *** */
};

struct fapilog_list {
    char **item;
    uint32_t count;
};

struct fapilog_pair {
    char *key;
    char *value;
};

struct fapilog_map {
    struct fapilog_pair *item; /* no key twice */
    uint32_t count;
};

struct fapilog_word {
    const char *text;
    uint32_t value;
};

/* One row; a table ends with FAPILOG_OPTION_END. The layout is fixed for a major version. */
struct fapilog_option {
    uint32_t type;            /* enum fapilog_option_type */
    uint32_t flags;           /* FAPILOG_OPTION_* */
    const char *name;         /* letters, digits and '_', lower case */
    const char *default_text; /* as a user would write it; NULL: empty, or required. A number's may be a word, "none" or
                                 "auto": the member is then UINT64_MAX */
    union {
        uint64_t min;         /* UINT, SIZE, DURATION (ns); entries of LIST and MAP */
        double real_min;      /* REAL */
    };
    union {
        uint64_t max;
        double real_max;
    };
    const struct fapilog_word *words; /* WORD only; ends with text NULL */
    const char *help;         /* one sentence with a full stop */
    uint32_t offset;          /* of the member in the configuration: offsetof() */
    uint32_t reserved;        /* 0 */
};

/* ---- what the collector does for a plug-in ---- */

struct fapilog_sink;
struct fapilog_stage;
struct fapilog_request;
struct fapilog_result;
struct fapilog_watch;
struct fapilog_edit;

struct fapilog_host {
    uint32_t size;
    uint16_t major, minor; /* of the collector */

    /* A message for people, of an instance of a sink; ten in ten seconds, the others are counted. */
    void (*warn)(struct fapilog_sink *s, const char *text);
    /* Ends a request; exactly once for each. May be called from inside send() and cancel(). Nothing of the result is
     * used after it has returned. */
    void (*done)(struct fapilog_sink *s, struct fapilog_request *q, const struct fapilog_result *result);
    /* Calls ready(owner, revents) once when the descriptor is ready for `events` (POLLIN, POLLOUT), never from inside
     * this call. NULL: no memory. The watch is gone when `ready` is called; those left over end when the sink is
     * closed. */
    struct fapilog_watch *(*watch)(struct fapilog_sink *s, int fd, uint32_t events,
                                   void (*ready)(void *owner, uint32_t revents), void *owner);
    /* The same at a time: nanoseconds of CLOCK_MONOTONIC; revents is 0. */
    struct fapilog_watch *(*timer)(struct fapilog_sink *s, uint64_t deadline_ns,
                                   void (*ready)(void *owner, uint32_t revents), void *owner);
    /* Its `ready` will not be called. Call it before the descriptor is closed. NULL allowed. */
    void (*unwatch)(struct fapilog_watch *w);

    /* For stages, inside of run() only. What they return stays valid until the record has left the collector's stages;
     * NULL or a negative errno: no memory or too many fields, and run() should return FAPILOG_STAGE_FAILED. */
    void *(*alloc)(struct fapilog_edit *edit, size_t bytes);
    /* The record, to be written to. Takes the place of the one that run() was given. */
    struct fapilog_record *(*own_record)(struct fapilog_edit *edit);
    /* Its fields, fields_count of them, to be written to. */
    struct fapilog_field *(*own_fields)(struct fapilog_edit *edit);
    /* Adds a field; its name and data must live as long as what alloc() returns. */
    int (*add_field)(struct fapilog_edit *edit, const struct fapilog_field *f);
    int (*drop_field)(struct fapilog_edit *edit, uint32_t index);

    /* Since 1.1, for stages, inside of run() and tick(): a record of the stage's own. It is copied, becomes one that
     * the collector made (r->internal), passes the stages behind this one except filters, and goes to the routes.
     * `site` is left behind: its message is plain text. Only level and message have to be there; time_ns 0 is now.
     * 0, -EINVAL (level, or more than 64 fields), -ENOSPC: too many wait, or no memory; it is counted as failed. */
    int (*emit)(struct fapilog_stage *s, const struct fapilog_record *r);
};

/* ---- sinks ---- */

/* One instance. */
struct fapilog_sink {
    uint32_t size;
    uint32_t reserved;
    const struct fapilog_host *host;
    const char *name;   /* in the configuration */
    const void *config; /* filled in from the options */
    void *state;        /* state_size bytes, zero before open() */
};

/* One record, serialized. */
struct fapilog_entry {
    const char *data; /* in the sink's format, without the line feed of line formats; not NUL-terminated */
    uint32_t len;
    uint8_t level;    /* 1..31 */
    uint8_t reserved[3];
    int64_t time_ns;  /* CLOCK_REALTIME */
    struct fapilog_record_id id; /* the same whenever the record is sent again */
};

struct fapilog_request {
    uint32_t size;
    uint32_t count;
    const struct fapilog_entry *entries; /* in order; valid until done() is called */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC: cancel() comes then */
    uint32_t attempt;     /* from 1 */
    uint32_t reserved;
    void *work;           /* the plug-in's own, NULL at first */
};

enum fapilog_outcome {
    FAPILOG_DELIVERED, /* but for what `rejected` and `retry` name */
    FAPILOG_RETRY,     /* nothing is delivered; it is sent again after a pause */
    FAPILOG_REFUSED,   /* for good: the request is halved until the record that is refused stands alone */
    FAPILOG_BROKEN,    /* nothing will go through until somebody acts: the breaker opens at once */
};

struct fapilog_result {
    uint32_t size;
    uint32_t outcome;        /* enum fapilog_outcome */
    int32_t status;          /* of the protocol, for counters; 0: none */
    uint32_t rejected_count; /* FAPILOG_DELIVERED only: ascending indices of entries that are refused for good ... */
    const uint32_t *rejected;
    const uint32_t *retry;   /* ... and of those to be sent again; none in both */
    uint32_t retry_count;
    uint32_t reserved;
    uint64_t retry_after_ns; /* what the other side asked for; 0: nothing */
    const char *reason;      /* for people, without secrets; NULL: none */
};

/* A kind of sink. Queue, batches, retry, breaker, spool and dead letters are the collector's (docs/delivery.md). */
struct fapilog_sink_kind {
    uint32_t size;
    uint32_t max_in_flight; /* requests at once; 0: no limit, 1 keeps the order */
    const char *name;       /* scheme of its URI and its type in a configuration: letters, digits, '_', lower case */
    const char *summary;    /* one line for --help */
    const char *format;     /* name of the format that is used when none is given */
    const struct fapilog_option *options; /* NULL: none */
    uint32_t config_size, state_size;
    uint32_t max_records;   /* in a request; 0: no limit */
    uint32_t max_bytes;     /* of a request's data; 0: no limit */
    /* What single options cannot tell; config may be completed. 0 or a negative errno. NULL: nothing to check. */
    int (*check)(void *config, struct fapilog_error *e);
    /* 0 or a negative errno; must not wait for a server. After a failure close() is called. */
    int (*open)(struct fapilog_sink *s, struct fapilog_error *e);
    /* Takes a request; ends in exactly one host->done(), at once or later. */
    void (*send)(struct fapilog_sink *s, struct fapilog_request *q);
    /* Too late: end it soon, by host->done() with FAPILOG_RETRY unless an answer was faster. */
    void (*cancel)(struct fapilog_sink *s, struct fapilog_request *q);
    /* No request is under way. NULL: nothing to close. */
    void (*close)(struct fapilog_sink *s);
};

/* ---- stages ---- */

enum fapilog_stage_group {
    FAPILOG_STAGE_FILTER,  /* drops records */
    FAPILOG_STAGE_ENRICH,  /* adds fields */
    FAPILOG_STAGE_REDACT,  /* masks values */
    FAPILOG_STAGE_PROCESS, /* cuts and changes */
};

enum fapilog_stage_verdict {
    FAPILOG_STAGE_PASS,
    FAPILOG_STAGE_DROP,   /* the record goes nowhere and is counted */
    FAPILOG_STAGE_FAILED, /* it could not do its work: the record goes on as it is, but behind a REDACT stage nowhere */
};

struct fapilog_stage {
    uint32_t size;
    uint32_t reserved;
    const struct fapilog_host *host;
    const char *name;
    const void *config;
    void *state;
};

/* Stages run in the order of their groups, once per record, before anything is serialized. */
struct fapilog_stage_kind {
    uint32_t size;
    uint32_t group;      /* enum fapilog_stage_group */
    const char *name;    /* letters, digits, '_', lower case */
    const char *summary; /* one line for --help */
    const struct fapilog_option *options; /* NULL: none */
    uint32_t config_size, state_size;
    int (*check)(void *config, struct fapilog_error *e);              /* as a sink's */
    int (*open)(struct fapilog_stage *s, struct fapilog_error *e);    /* may be NULL */
    /* The record is a view: it is changed through host functions only. Returns enum fapilog_stage_verdict. Records
     * that the collector made itself (r->internal) pass by FILTER stages. */
    int (*run)(struct fapilog_stage *s, const struct fapilog_record *r, struct fapilog_edit *edit);
    void (*close)(struct fapilog_stage *s); /* also after a failed open(); may be NULL */
    /* Since 1.1: at least four times a second, with nanoseconds of CLOCK_MONOTONIC. At the end of a run with
     * UINT64_MAX, perhaps several times: what is still to be told is emitted now. May be NULL. */
    void (*tick)(struct fapilog_stage *s, uint64_t now_ns);
};

/* ---- formats ---- */

struct fapilog_format {
    uint32_t size;
    bool wants_colour, wants_source; /* what the sink's options ask for, where the format has it */
    uint8_t reserved[2];
    const struct fapilog_host *host;
    void *state;
};

struct fapilog_format_kind {
    uint32_t size;
    uint32_t state_size;
    const char *name;
    const char *summary;
    const char *media_type; /* "application/json" */
    bool is_lines;          /* each record ends in one '\n' and contains no other raw one */
    uint8_t reserved[7];
    int (*open)(struct fapilog_format *f, struct fapilog_error *e); /* may be NULL */
    /* Most bytes that write() could need for this record; must hold whatever other processes put into it. */
    size_t (*bound)(struct fapilog_format *f, const struct fapilog_record *r);
    /* Writes it at out, where bound() bytes are free; returns the end. Cannot fail. */
    char *(*write)(struct fapilog_format *f, const struct fapilog_record *r, char *out);
    void (*close)(struct fapilog_format *f); /* may be NULL */
};

/* ---- the plug-in ---- */

struct fapilog_plugin {
    uint32_t size;         /* of this structure; the first 8 bytes are the same in every version */
    uint16_t major, minor; /* FAPILOG_PLUGIN_MAJOR and _MINOR that it was built with */
    const char *name, *version; /* for people */
    const struct fapilog_sink_kind *const *sinks;     /* each ends with NULL; or is NULL */
    const struct fapilog_stage_kind *const *stages;
    const struct fapilog_format_kind *const *formats;
};

#ifdef __cplusplus
#define FAPILOG_PLUGIN_EXPORT_ extern "C" __attribute__((visibility("default")))
#else
#define FAPILOG_PLUGIN_EXPORT_ __attribute__((visibility("default")))
#endif

extern const struct fapilog_plugin fapilog_plugin;

#define FAPILOG_PLUGIN(...) \
    FAPILOG_PLUGIN_EXPORT_ const struct fapilog_plugin fapilog_plugin = { \
        .size = sizeof(struct fapilog_plugin), .major = FAPILOG_PLUGIN_MAJOR, .minor = FAPILOG_PLUGIN_MINOR, \
        __VA_ARGS__ }

#ifdef __cplusplus
}
#endif
#endif
