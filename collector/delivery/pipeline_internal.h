/* pipeline_internal.h - shared by the two halves of the pipeline, opening and running. */
#ifndef COLLECTOR_DELIVERY_PIPELINE_INTERNAL_H
#define COLLECTOR_DELIVERY_PIPELINE_INTERNAL_H

#include "collector/delivery/pipeline.h"

void pipeline_hook_sink(struct sink *s);
void pipeline_take_mark(const struct target *t, struct sink_mark *ret);
void pipeline_store_marks(struct pipeline *p, const struct position *positions, uint32_t count);

#endif
