/* outputs.h - the distinct streams that the sinks want. A record is serialized once per output, however many
 * sinks share it; an output is a kind, a format with its configuration (or a sink that encodes by itself), a
 * set of levels and the routes that lead to it. */
#ifndef COLLECTOR_DELIVERY_OUTPUTS_H
#define COLLECTOR_DELIVERY_OUTPUTS_H

#include "collector/format/format.h"
#include "collector/route/route.h"
#include "collector/sinks/sink.h"

enum { OUTPUTS_MAX = FAPILOG_SINKS_MAX };

enum output_kind {
    OUTPUT_TEXT,  /* records of a format, one after the other */
    OUTPUT_ENTRY, /* entries (collector/sinks/entry.h) for remote sinks */
    OUTPUT_RAW,   /* spans of the ring, or records encoded anew */
};

struct output {
    enum output_kind kind;
    uint32_t level_mask;   /* bit = level number */
    struct format *format; /* NULL: raw spans, or an encoder that needs none */
    struct sink *encoder;  /* OUTPUT_ENTRY: encodes for itself, NULL: the payload is the format's */
    bool with_source;      /* OUTPUT_RAW: records that are encoded anew have their call site as fields */
    uint32_t text;         /* OUTPUT_ENTRY of a format: 1 + the text output that has the same bytes, 0: none */
    const char *routed_as; /* the name of its first sink: the same rules name the others */
    uint32_t sinks;        /* one bit each */
};

/* Sorted by kind. */
struct outputs {
    struct output output[OUTPUTS_MAX];
    uint32_t count;
    uint32_t text_count;       /* output[0 ..] */
    uint32_t serialized_count; /* text and entries */
    struct format *format[FORMAT_OUTPUT_SLOTS];
    uint32_t formats_count;
    uint32_t formats_in_use; /* a bit for each that a sink has; the others wait for a sink to have them again */
    uint32_t level_mask; /* levels that any output wants */
    bool encodes_raw;    /* stages or routes stand before raw outputs: they get no spans of the ring */
};

/* What decides, beside format and levels, whether two sinks may get the same bytes. */
struct outputs_rules {
    const struct route_config *routes; /* NULL: none */
    bool is_apart; /* there are records that only some sinks get, whatever the routes: none share an output */
};

/* Fills `ret_index[i]` with the output of sink i and sets the format of each sink that has one. The formats of
 * `before` (may be NULL) are taken over: what they have cached at call sites stays theirs. Where there are as many as
 * can be, new ones take the slots of those that no sink has any more. */
int outputs_init(struct outputs *o, const struct outputs *before, struct sink *const *sinks, uint32_t sinks_count,
                 const struct outputs_rules *rules, uint32_t *ret_index, struct err *e);
/* Nothing is to be decoded: spans of the ring are all that is wanted. */
static inline bool outputs_are_spans(const struct outputs *o)
{
    return !o->serialized_count && !o->encodes_raw;
}
/* Closes the formats that `o` has and `others` have not: of what was not taken over, or of what was before. */
void outputs_drop(struct outputs *o, const struct outputs *others);
/* The outputs that lead to any of these sinks. */
uint32_t outputs_leading_to(const struct outputs *o, uint32_t sinks);
void outputs_done(struct outputs *o);

#endif
