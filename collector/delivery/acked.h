/* acked.h - what remote sinks have settled of batches that are not settled, told to the next collector.
 *
 * The state file (commit.h) knows whole batches. A request that is full ends inside one, so of a batch that is not
 * settled many records may have been delivered. A note says: of this lane of this segment, the sink has settled each
 * record that it was to get from the position `first` to the position `last`. Notes lie in mapped memory, DIR/
 * collector.acked, so they survive SIGKILL as the ring does; the next collector reads the batch again and leaves
 * those records out for that sink.
 *
 *   answer taken -> records settled -> noted -> ... -> batch committed -> positions released -> notes forgotten
 *
 * A record is noted only where its ticket need not wait for it any more: a note that is missing costs a record that
 * comes twice, one that is there costs nothing. What may come twice are records whose request was sent and whose answer
 * was not taken. A request that ends a batch that waits for nothing else leaves no note: the state file says it before
 * the next one is sent.
 *
 * Records that an engine gets are numbered in their order (a stream). Of neighbours in it that are settled the notes of
 * each lane become one (a run), across requests and batches, so there are about as many notes as lanes in use times
 * requests in flight. There is room for ACKED_NOTES_MAX; what finds none is not noted. */
#ifndef COLLECTOR_DELIVERY_ACKED_H
#define COLLECTOR_DELIVERY_ACKED_H

#include "collector/delivery/parcel.h"
#include "collector/ingest/position.h"
#include "lib/base/err.h"

#define ACKED_FILE "collector.acked"

enum { ACKED_NOTES_MAX = 4095 };

struct acked_place {
    uint64_t uuid[2];     /* as in record ids, and in a segment's superblock */
    uint64_t first, last; /* positions of records */
    uint32_t lane;
};

struct acked;
struct segments;
struct sink_span;

/* What one engine of a sink is given. */
struct acked_stream {
    struct acked *to; /* NULL: nothing is noted */
    uint64_t identity;
    uint32_t number;
};

/* Opens or makes the file, and loads what a former collector has noted. 1: it had to be begun anew, and e says why. */
int acked_open(const char *dir, struct acked **ret, struct err *e);
void acked_close(struct acked *a); /* NULL allowed; what is noted stays */
/* 0: the file is as it should be, or this is not to be tried yet; 1: somebody had cut it, and it has been made again
 * with all notes, as e says; -errno: it could not be. */
int acked_mend(struct acked *a, uint64_t now_ns, struct err *e);

/* ---- notes of this collector ---- */

struct acked_stream acked_begin(struct acked *a, uint64_t identity);
/* n entries, one behind the other from `first` on, with the numbers from `at` on. */
void acked_entries(const struct acked_stream *s, uint64_t at, const struct entry_head *first, uint32_t n);
/* The same, without a note: those on both sides of them become one. */
void acked_pass(const struct acked_stream *s, uint64_t at, uint64_t n);
/* An image of records with the numbers from `at` on. */
void acked_image(const struct acked_stream *s, uint64_t at, const struct parcel *image);
/* Without numbers: spans that lie in images. */
void acked_spans(struct acked *a, uint64_t identity, const struct sink_span *span, uint32_t count);
/* Without numbers: all of a lane from p->first to p->last. */
void acked_stretch(struct acked *a, uint64_t identity, const struct acked_place *p);
/* All before these positions is released. */
void acked_forget(struct acked *a, const struct position *position, uint32_t count);

/* ---- notes of former collectors ---- */

/* The sink may still be given something that it has had. */
bool acked_has(const struct acked *a, uint64_t identity);
/* The sink has in its spool what a block of that holds: entries, or an image. They are notes as if a former collector
 * had made them. */
void acked_found_entries(struct acked *a, uint64_t identity, const char *data, size_t len);
void acked_found_image(struct acked *a, uint64_t identity, const char *data, size_t len);
/* What of the parcel the sink has not had: p itself, with another reference, or a copy. -ENOMEM. */
int acked_leave_out(const struct acked *a, uint64_t identity, struct parcel *p, struct parcel **ret);
/* Forgets those of other sinks ... */
void acked_keep(struct acked *a, const uint64_t *identity, uint32_t count);
/* ... and those of segments that are gone, and of records that are released. */
void acked_prune(struct acked *a, const struct segments *t);

/* For tests: notes, and places that found no room. */
uint32_t acked_count(const struct acked *a);
uint64_t acked_left_out(const struct acked *a);

#endif
