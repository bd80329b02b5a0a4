/* loki.h - the parts of the Loki sink: labels of a record (loki_labels.c), the body of a push (loki_push.c).
 *
 * An entry's group is its label set as Prometheus writes it, without the braces: names sorted, values of
 * letters, digits, '_' and '-' only, so that it needs no escaping anywhere: env="prod", level="INFO".
 * Its meta is its structured metadata: u8 name length, name, u16 value length, value, again and again. */
#ifndef COLLECTOR_SINKS_LOKI_H
#define COLLECTOR_SINKS_LOKI_H

#include "collector/format/level.h"
#include "collector/sinks/remote.h"
#include "lib/base/buf.h"
#include "lib/base/opt.h"

#include <fapilog/reader.h>

#include <stdbool.h>

enum {
    LOKI_LABEL_MAX = 128,    /* bytes of a label's name, and of its value */
    LOKI_LABELS_MAX = 64,
    LOKI_SEPARATOR = 2,   /* bytes of ", " */
    LOKI_METADATA_MAX = 16,  /* keys */
    LOKI_METADATA_BYTES = 1024, /* of one value */
    LOKI_KEPT_BYTES = 256,  /* of a group that is kept for all records of a level */
};

/* Where the value of a label or of metadata comes from. */
enum loki_source { LOKI_STATIC, LOKI_FIELD, LOKI_LEVEL, LOKI_LOGGER, LOKI_SERVICE, LOKI_ENV, LOKI_VERSION, LOKI_HOST,
                   LOKI_PID, LOKI_THREAD, LOKI_RECORD_ID };

struct loki_label {
    char name[LOKI_LABEL_MAX + 1]; /* as sent */
    char value[LOKI_LABEL_MAX + 1]; /* static, or what stands for a field that a record has not; "": no label */
    uint16_t name_len, value_len;
    /* What stands in a group in front of the value, with a separator: , level=" - or all of a static one. */
    char text[LOKI_SEPARATOR + 2 * LOKI_LABEL_MAX + 3];
    uint16_t text_len;
    const char *key;                /* of the field; the options own it */
    enum loki_source source;
    uint8_t role;                   /* of the key, FAPILOG_ROLE_DATA: none */
};

struct loki_labels {
    struct loki_label label[LOKI_LABELS_MAX]; /* sorted by name */
    unsigned count;
    struct loki_label metadata[LOKI_METADATA_MAX];
    unsigned metadata_count;
    size_t bound, metadata_bound; /* of what is written for a record */
    /* Where nothing but the level changes from record to record, and the groups are short: all there can be. */
    bool is_by_level;
    struct {
        uint16_t len;
        char text[LOKI_KEPT_BYTES];
    } by_level[LEVEL_NAMES];
};

int loki_labels_init(struct loki_labels *l, const struct opt_map *fixed, const struct opt_list *keys,
                     const struct opt_list *metadata, struct err *e);
/* At most l->bound bytes. */
char *loki_labels_write(const struct loki_labels *l, const struct fapilog_record *r, char *out);
/* At most l->metadata_bound. */
char *loki_metadata_write(const struct loki_labels *l, const struct fapilog_record *r, char *out);

/* ---- the body ---- */

struct loki_stream {
    const char *group;
    uint16_t group_len;
    uint32_t first, last, count; /* a chain of entries by index */
    uint64_t bytes;              /* of their payloads, and of meta as protobuf at most */
    int64_t last_ns;
    bool is_disordered;
};

/* The streams of a request, and the memory for them, which is used again. */
struct loki_push {
    struct loki_stream *stream;
    uint32_t streams, last; /* last: that of the entry before */
    uint32_t *next;   /* of each entry; UINT32_MAX: the last */
    uint32_t *slots;  /* hash table of streams */
    uint32_t slots_mask;
    uint32_t *order;  /* entries of a stream in the order of their times */
    uint32_t cap;
    bool is_envelope;
};

/* 0 or -ENOMEM. */
int loki_push_sort(struct loki_push *p, const struct sink_request *r);
int loki_push_json(struct loki_push *p, const struct sink_request *r, struct buf *out);
int loki_push_protobuf(struct loki_push *p, const struct sink_request *r, struct buf *out);
void loki_push_done(struct loki_push *p);

/* How many of the request's entries, the oldest, an answer of 400 says were left out while the rest was
 * taken. 0: it does not say that. `stream` is the only stream of the request. */
uint32_t loki_ignored(const char *response, size_t len, const struct loki_stream *stream);

#endif
