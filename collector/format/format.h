/* format.h - from a record to bytes. A format is one file with one global of this type, plus one
 * line in collector/format/meson.build. Formats know nothing of sinks, and append no separator
 * other than the line feed of line formats. */
#ifndef COLLECTOR_FORMAT_FORMAT_H
#define COLLECTOR_FORMAT_FORMAT_H

#include <fapilog/reader.h>

#include "lib/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct format;

/* Of FAPILOG_SITE_CACHE_SLOTS; the others belong to stages. Those of outputs come first, then live tail's, then the
 * one that sinks share whose records have a form of their own. Plans of formats that share a slot, or have it one after
 * the other, differ in format.variant. */
enum { FORMAT_SLOTS = 13, FORMAT_TAIL_SLOTS = 3, FORMAT_OUTPUT_SLOTS = 9, FORMAT_SINKS_SLOT = FORMAT_SLOTS - 1 };

struct format_config {
    bool colour;       /* pretty: SGR codes */
    bool source;       /* add file, line, function where the format has a place for them */
    bool local_time;   /* pretty: local zone instead of UTC */
    bool is_terminal;  /* nothing may steer it: JSON has DEL, C1 and bidi controls as \u0085 */
};

struct format_ops {
    const char *name;    /* "fapilog" */
    const char *summary; /* one line for --help */
    const char *media_type;
    bool is_lines;       /* each record ends in one '\n' and contains no other raw one */
    size_t state_size;   /* the core allocates and zeroes it */
    int (*open)(struct format *f, struct err *e);  /* may be NULL */
    void (*close)(struct format *f);               /* may be NULL */
    /* Most bytes that write() could need for this record. Cheap: no text is looked at. */
    size_t (*bound)(struct format *f, const struct fapilog_record *r);
    /* Writes the record at out, where bound() bytes are free; returns the end. Cannot fail: what
     * cannot be represented is represented visibly (U+FFFD, null, "...cut"). */
    char *(*write)(struct format *f, const struct fapilog_record *r, char *out);
    /* The same where `room` bytes are known to do without asking bound() first; NULL, and anything in
     * [out, out + room), where that cannot be told cheaply. May be NULL. */
    char *(*write_within)(struct format *f, const struct fapilog_record *r, char *out, size_t room);
};

struct format {
    const struct format_ops *ops;
    struct format_config cfg;
    unsigned slot; /* index into the cache arrays of sites, loggers and processes */
    uint32_t variant; /* tells its plans from those of others in the slot: format_variant_new(), 0 where it is alone */
    void *state;
};

/* NULL-terminated; behind what is built in stands what was registered. */
extern const struct format_ops *format_list[];
extern const unsigned format_list_room; /* entries, without the NULL */
/* For the life of the process. -EEXIST: its name is taken. */
int format_register(const struct format_ops *ops, struct err *e);
void format_unregister(const struct format_ops *ops); /* before it was used; no-op when it is not there */

const struct format_ops *format_find(const char *name);
bool format_is_json(const struct format_ops *ops); /* each record is a JSON text */
int format_check(const char *name, struct err *e); /* -EINVAL, with the names that there are */
/* slot < FORMAT_SLOTS, one per format instance that shares the decoded sites. */
int format_open(const char *name, const struct format_config *cfg, unsigned slot, struct format **ret,
                struct err *e);
void format_close(struct format *f);
/* Of a format in a slot that others have or had: one that no plan has, until 2^24 later ones. */
uint32_t format_variant_new(void);

/* What dagstack and OTLP call observed time: CLOCK_REALTIME when the record is serialized. Tests may
 * put a clock of their own here. */
extern int64_t (*format_observed_clock)(void);

#endif
