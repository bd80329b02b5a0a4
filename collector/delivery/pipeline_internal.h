/* pipeline_internal.h - shared by the parts of the pipeline. */
#ifndef COLLECTOR_DELIVERY_PIPELINE_INTERNAL_H
#define COLLECTOR_DELIVERY_PIPELINE_INTERNAL_H

#include "collector/delivery/pipeline.h"

void pipeline_say(const struct pipeline *p, const char *text);

/* pipeline_store.c */
/* Writes a slot: all marks, who has settled what, and the positions of `committed` (NULL: as they are), which
 * no longer counts as open. */
void pipeline_store(struct pipeline *p, const struct batch *committed);
/* Positions that one more batch may move with the slots as they are, or larger ones. 0: wait until others are
 * committed. */
uint32_t pipeline_positions_room(struct pipeline *p);
/* Bytes of a slot when batches to come move so many positions more. */
uint64_t pipeline_slot_bytes(const struct pipeline *p, uint64_t more);
/* Larger slots, if there is room for them. */
void pipeline_grow_slots(struct pipeline *p, uint32_t positions);
/* The turn has come to this fence: of those before it only what could not be read is kept. */
void pipeline_pass_fences(struct pipeline *p, uint32_t fence);
/* Takes over what the newest slot calls open. */
int pipeline_load_fences(struct pipeline *p, struct err *e);

/* pipeline_open.c */
int pipeline_check_sinks(struct sink *const *sinks, uint32_t count, struct err *e);
/* Whether raw outputs get what lies in the ring, or what stages and routes have left of it. */
void pipeline_decide_raw(struct outputs *o, const struct pipeline_settings *settings);
void target_make(struct target *t, struct pipeline *p, struct sink *s);
int target_open(struct target *t, struct err *e);
int target_close(struct target *t, struct err *e);
/* Notes are kept for the sinks that there are. */
void pipeline_keep_acked(struct pipeline *p);
/* All that a former run left open is read. */
bool pipeline_has_caught_up(const struct pipeline *p);

/* pump.c: records that wait for a batch have been through the stages; now there are other sinks, or routes. */
void pump_route_again(struct pipeline *p);

/* target.c */
void target_hook(struct sink *s);
void target_take_mark(struct target *t);
/* True: it has settled or started something. */
bool target_run(struct target *t, uint64_t now_ns);
uint64_t target_deadline(const struct target *t);
/* Bytes that a new batch may hold so that it need not be split over two files. */
uint64_t target_room(struct target *t, uint64_t most);

/* remotes.c */
int remotes_open(struct target *t, struct err *e);
/* The outputs of a new batch whose records need not be serialized: all sinks that want them fail. */
uint32_t remotes_images(const struct pipeline *p);
/* The batch is full: images that nobody has room for are refused, and not looked for in the ring. */
void remotes_refuse(struct pipeline *p, struct batch *b);
/* -ENOMEM */
int remotes_put(struct pipeline *p, struct batch *b, uint64_t now_ns);
void remotes_run(struct pipeline *p, uint64_t now_ns);
uint64_t remotes_deadline(const struct pipeline *p);
/* Those of the targets that have settled the batch: it will be part of one that they have not. */
void remotes_note_settled(const struct pipeline *p, const struct batch *b, uint32_t targets);
/* The tickets that `from` waits for belong to `to`. */
void remotes_move_tickets(struct batch *to, struct batch *from);
void remotes_drop_tickets(struct batch *b);

#endif
