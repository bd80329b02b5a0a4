/* encoded.h - records for raw outputs that stages have changed or routes have chosen: nothing that lies in the ring
 * may reach such a sink, so each record is encoded anew and keeps its place in its lane. */
#ifndef COLLECTOR_DELIVERY_ENCODED_H
#define COLLECTOR_DELIVERY_ENCODED_H

#include "collector/delivery/batch.h"

/* Encodes the record for the raw outputs of `among` that want it, without taking it into the batch. seg: where it
 * comes from; NULL, or not what its id says: it was made by a stage, and has no place in a native file. False: it
 * does not fit any more; an empty batch takes every record. -ENOMEM. */
int encoded_prepare(struct batch *b, const struct outputs *o, const struct segment *seg,
                    const struct fapilog_record *r, uint32_t among, bool *ret_fits);
/* Takes what was prepared last. */
void encoded_take(struct batch *b, const struct outputs *o);

/* Gives each raw output its spans, when the batch is closed. -ENOMEM. */
int encoded_collect(struct batch *b, const struct outputs *o, struct err *e);

#endif
