/* What the parts of the drain share: the start of a turn (drain_turn.c), records (drain.c), spans (drain_span.c), and
 * what a batch moves (drain_checkpoint.c). */
#ifndef COLLECTOR_INGEST_DRAIN_INTERNAL_H
#define COLLECTOR_INGEST_DRAIN_INTERNAL_H

#include "collector/ingest/drain.h"

/* To be called before the lane or the segment is moved: the next checkpoint covers it. */
void drain_touch_lane_first(struct drain *d, struct lane *l);
void drain_touch_source(struct drain *d, struct source *s);

static inline void drain_touch_lane(struct drain *d, struct lane *l)
{
    if (!l->is_touched)
        drain_touch_lane_first(d, l);
}

/* What the cursor has passed over lies before `taken` now. */
static inline void lane_note_losses(struct lane *l)
{
    const struct lane_cursor *c = &l->reader->cursor;
    l->lost_read = c->lost;
    l->skipped_read = c->skipped_bytes;
    l->skipped_events = c->skipped_events;
}

/* Decodes the lane's next record. True: there is one. */
bool drain_fetch(struct drain *d, struct lane *l);

/* The turn's reports come last: by then the losses that reading itself found are known. NULL: there are no more, the
 * turn is over. */
const struct fapilog_record *drain_report_peek(struct drain *d);
/* The one that drain_report_peek() has returned counts as told. */
void drain_report_accept(struct drain *d);

#endif
