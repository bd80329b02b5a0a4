/* outputs.h - the distinct byte streams that the sinks want. A record is serialized once per output,
 * however many sinks share it; an output is a format, its configuration and a set of levels. */
#ifndef COLLECTOR_DELIVERY_OUTPUTS_H
#define COLLECTOR_DELIVERY_OUTPUTS_H

#include "collector/format/format.h"
#include "collector/sinks/sink.h"

enum { OUTPUTS_MAX = FAPILOG_SINKS_MAX };

struct output {
    struct format *format; /* NULL: raw spans */
    uint32_t level_mask;   /* bit = level number */
};

struct outputs {
    struct output output[OUTPUTS_MAX];
    uint32_t count;
    uint32_t text_count; /* those with a format; they come first */
    struct format *format[FORMAT_SLOTS];
    uint32_t formats_count;
    uint32_t level_mask; /* levels that any output wants */
};

/* Fills `ret_index[i]` with the output of sink i and sets each text sink's format. */
int outputs_init(struct outputs *o, struct sink *const *sinks, uint32_t sinks_count, uint32_t *ret_index,
                 struct err *e);
void outputs_done(struct outputs *o);

#endif
