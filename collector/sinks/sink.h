/* sink.h - where bytes leave the collector. A sink is one file with one global `sink_<scheme>` plus
 * one line in collector/sinks/meson.build; the core allocates its configuration and state, parses its
 * options from the rows (lib/base/opt.h), owns queueing and retry, and hands it whole batches.
 *
 * There are two kinds. Remote sinks speak a protocol that acknowledges; they fill `remote` (remote.h) and
 * leave write, recover, room, mark, reopen and rotate NULL. Local sinks write to something that they can
 * cut back. Contract of local sinks (file, console, native, mmap):
 *  - at most one batch is under way per sink; the next comes after sink_done();
 *  - a batch never exceeds what room() allowed, unless it holds a single record;
 *  - mark() describes the end of what is written so that recover() can cut everything after it: the
 *    core persists the marks of all sinks together with the lane positions (collector/delivery/commit.h);
 *  - a sink persists its new mark (sink_mark_changed) before the first byte goes into a new file. */
#ifndef COLLECTOR_SINKS_SINK_H
#define COLLECTOR_SINKS_SINK_H

#include "collector/format/format.h"
#include "collector/io/io.h"
#include "collector/sinks/remote.h"
#include "lib/base/err.h"
#include "lib/base/opt.h"
#include "lib/base/uri.h"

#define SINK_ABI 1

enum { SINK_NAME_MAX = 47 }; /* bytes of a name: struct fapilog_sink_status shows it whole */

struct sink;

/* One buffer of output. Text sinks get whole serialized records; `ends` gives the end of each record
 * from data, so that a sink can split between records. */
struct sink_chunk {
    const char *data;
    uint32_t len;
    int32_t buf_index;    /* registered buffer of data, -1 otherwise */
    uint32_t records;
    const uint32_t *ends; /* `records` entries */
};

/* Raw spans for sinks with wants_raw: whole records as they lie in the ring, or where stages or routes stand
 * before the sink, records encoded anew. */
struct sink_span {
    const struct fapilog_process_info *process;
    const struct fapilog_superblock *super; /* of the segment; immutable part */
    const void *registry;       /* entries [0, registry_tail) */
    uint64_t registry_tail;
    uint32_t lane;
    uint32_t generation;
    uint32_t tid;
    struct fapilog_text thread;
    uint64_t position;          /* of data[0] in the lane */
    const char *data;
    uint32_t len;               /* whole records, block headers included */
    uint32_t before;            /* bytes in front of data that begin its block and are still readable: its
                                   header and context records, for a file that begins here; 0: none */
    uint32_t records;
    bool is_continued;          /* begins inside a record, whose beginning ends the span before it, and ends with it */
    bool is_apart;              /* one record that the collector has encoded (collector/format/reencode.h): it needs
                                   no registry, and its length says nothing about where the next one begins */
};

/* Counters of a lane, or of a segment, that have moved: what was lost there since it was made. */
struct sink_loss {
    const struct fapilog_superblock *super; /* of the segment; immutable part */
    uint32_t lane;      /* UINT32_MAX: the segment's own */
    int64_t last_ns;    /* CLOCK_REALTIME of the last one that the lane refused, 0: unknown */
    uint64_t dropped, overwritten;             /* of a lane */
    uint64_t no_lane, unregistered, truncated; /* of a segment */
};

struct sink_batch {
    uint64_t id;      /* rises by one per batch */
    uint64_t records; /* in all chunks or spans */
    uint64_t bytes;
    const struct sink_chunk *chunks;
    uint32_t chunks_count;
    const struct sink_span *spans; /* wants_raw only */
    uint32_t spans_count;
    const struct sink_loss *losses; /* wants_raw only; a batch may have nothing else */
    uint32_t losses_count;
};

/* Opaque to the core. 8 words; word meaning is the sink's. All zero: nothing written yet. */
struct sink_mark {
    uint64_t word[8];
};

/* What an alias says beside the sink: {"stdout_json", "mode", "json"}. */
struct sink_alias {
    const char *alias;
    const char *name;
    const char *value;
};

/* A common option whose default is another one for this sink: {"batch_size", "1"}. */
struct sink_default {
    const char *name;
    const char *value;
};

/* An option that check() takes out of another one where it was not given: {"proxy_user", "proxy"}. */
struct sink_derived {
    const char *name;
    const char *from;
};

struct sink_ops {
    uint32_t abi;         /* SINK_ABI */
    const char *scheme;   /* of its URI, and its type in a configuration file: "file" */
    const char *const *aliases; /* other schemes and types, "loki+https", "grafana_loki"; ends with NULL; or NULL */
    const struct sink_alias *alias_options; /* ends with alias NULL; may be NULL */
    /* Of its options in the environment beside FAPILOG_SINK_CONFIG__<SCHEME>__: "FAPILOG_LOKI__"; as above. */
    const char *const *env_prefixes;
    const struct sink_default *defaults; /* ends with name NULL; may be NULL */
    const struct sink_derived *derived; /* ends with name NULL; may be NULL */
    const char *summary;  /* one line for --help */
    const char *format_default; /* name of a format; NULL for wants_raw */
    /* The format when none was named and the sink's own options decide; NULL: format_default. */
    const char *(*format_choose)(const void *cfg);
    /* -EINVAL where the sink cannot use the format; NULL: it can use all. */
    int (*format_check)(const void *cfg, const struct format_ops *f, struct err *e);
    /* Whether a format that knows colours is to use them; NULL: never. */
    bool (*format_colour)(const void *cfg);
    /* Whether it writes to a terminal, which no record may steer; NULL: never. */
    bool (*format_terminal)(const void *cfg);
    bool wants_raw;
    const struct opt *opts;
    size_t cfg_size, state_size;
    /* Checks what single rows cannot (contradictions); fills derived values. May be NULL. */
    int (*check)(void *cfg, struct err *e);
    /* The same for whoever has one function for several tables. May be NULL. */
    int (*check_own)(struct sink *s, struct err *e);
    /* Takes scheme, host, port, path, user and password of a URI into cfg by itself; parameters are set by
     * the core, afterwards. NULL: the core sets the rows of the names user, password, host, port, path. */
    int (*from_uri)(void *cfg, const struct uri *u, struct err *e);
    const struct sink_remote_ops *remote; /* NULL: a local sink */
    int (*open)(struct sink *s, struct err *e);
    /* After open: cut everything that was written after this mark. NULL: nothing to recover. */
    int (*recover)(struct sink *s, const struct sink_mark *mark, struct err *e);
    /* Bytes that the next batch may hold before the sink wants a boundary. NULL: no limit. */
    uint64_t (*room)(struct sink *s);
    /* Starts writing; ends in exactly one sink_done(). The batch stays valid until then. */
    void (*write)(struct sink *s, const struct sink_batch *b);
    void (*mark)(struct sink *s, struct sink_mark *ret); /* NULL: keeps none (a terminal) */
    /* At least every 250 ms while no batch is under way: rotation by time, retention, sync timers. */
    void (*tick)(struct sink *s, uint64_t now_ns);
    int (*reopen)(struct sink *s, struct err *e); /* SIGHUP: external rotation moved the file */
    int (*rotate)(struct sink *s, struct err *e); /* SIGUSR1 */
    /* The file, or the directory of the next one, that a failed write was meant for: messages name it. NULL: the
     * sink's name says all. */
    const char *(*place)(const struct sink *s);
    /* Flushes and closes; called with no batch under way. Also after a failed open. */
    int (*close)(struct sink *s, struct err *e);
};

/* Common options of every sink; rows in sink_common_opts. */
struct sink_common {
    const char *name;       /* NULL until the core names it: scheme, with -2, -3 ... when taken */
    const char *format;     /* sink_finish() fills in the sink's default; NULL for wants_raw */
    uint8_t min_severity;   /* a record's level number must be at least this */
    struct opt_list levels; /* names; none = all */
    uint32_t level_mask;    /* derived from min_severity and levels: bit = level number */
    bool source;            /* format_config.source */
};
extern const struct opt sink_common_opts[];
extern const struct opt sink_delivery_opts[]; /* of struct sink_delivery; remote sinks only */
/* What is said of one of these rows to a sink without requests, which would leave it without effect. */
#define SINK_REMOTE_ONLY "only sinks that speak to a server have it; what this one cannot write waits in the rings"

struct sink {
    const struct sink_ops *ops;
    struct sink_common common;
    struct sink_delivery delivery; /* remote sinks only */
    void *cfg;
    void *state;
    struct io *io;
    struct format *format; /* NULL for wants_raw */
    bool is_alone;         /* the only sink, or the others fail: nobody waits while it does. Set by the core before
                              open, and before each batch of a local sink. */
    /* Set by the core before open. done: result 0 = all is written, -errno = nothing of this batch
     * counts as written (the sink has undone or will overwrite partial output); the core retries the
     * same batch after a pause, so ENOSPC and EIO keep the records. */
    void (*done)(struct sink *s, int result);
    void (*mark_changed)(struct sink *s);
    void (*request_done)(struct sink *s, struct sink_request *q, const struct sink_result *result); /* remote */
    /* Set by a local sink before sink_done(s, 0): records of the batch that it can never take, and their bytes. They
     * are counted as refused; the sink tells by warn. */
    uint64_t refused, refused_bytes;
    /* Trouble that costs no record: retention, compression, a rotation put off. May be NULL. */
    void (*warn)(struct sink *s, const struct err *e);
    void *core;
};

static inline void sink_done(struct sink *s, int result) { s->done(s, result); }
static inline void sink_mark_changed(struct sink *s) { s->mark_changed(s); }
/* NULL-terminated, generated from collector/sinks/meson.build; behind what is built in stands what was registered. */
extern const struct sink_ops *sink_list[];
extern const unsigned sink_list_room; /* entries, without the NULL */
/* For the life of the process. -EEXIST: its scheme is taken. */
int sink_register(const struct sink_ops *ops, struct err *e);
void sink_unregister(const struct sink_ops *ops); /* before it was used; no-op when it is not there */
/* By its scheme or an alias. */
const struct sink_ops *sink_find(const char *scheme);
/* Sinks that this build could not have, and the libraries that it lacked; ends with scheme NULL. */
struct sink_absent {
    const char *scheme;
    const char *missing;
};
extern const struct sink_absent sink_absent_list[];
/* -EPROTONOSUPPORT with what is built in, what was meant, or why it is not there. */
int sink_lookup(const char *scheme, const struct sink_ops **ret, struct err *e);
/* Writes the schemes that are built in, separated by ", ". Returns ret. */
const char *sink_schemes(char *ret, size_t size);

/* The rows that a sink has, in the order of --help: its own, those of every sink, those of every remote
 * sink. Table i and the structure that it fills; NULL behind the last. */
const struct opt *sink_table(struct sink *s, unsigned i, void **ret_cfg);
/* In all of them: the row and the structure that it belongs to, or NULL. */
const struct opt *sink_option(struct sink *s, const char *name, void **ret_cfg);
/* The format_check of sinks that write or send whole lines. */
int sink_needs_lines(const void *cfg, const struct format_ops *f, struct err *e);

/* Level names; none, or NULL, allows all. */
int sink_level_mask(uint8_t min_severity, const struct opt_list *levels, uint32_t *ret, struct err *e);

/* What such a sink has where nothing is said of the option: its own default, or else the row's. NULL: none. */
const char *sink_default_text(const struct sink_ops *ops, const struct opt *row);

/* A sink with its defaults; values from anywhere follow in rising precedence by sink_option() and opt_set(), or of a
 * URI by sink_set_uri(); then the checks and what is derived. */
int sink_new_empty(const struct sink_ops *ops, struct sink **ret, struct err *e);
int sink_set_alias(struct sink *s, const char *alias, struct err *e); /* alias_options; any name may be given */
int sink_set_uri(struct sink *s, const char *uri, struct err *e);
int sink_finish(struct sink *s, struct err *e);
void sink_free(struct sink *s);

#endif
