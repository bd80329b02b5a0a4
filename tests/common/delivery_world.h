/* delivery_world.h - a ring, a state file and sinks whose every move the test decides: what is on "disk" and
 * at the "server" outlives a collector that is killed between any two of its calls. */
#ifndef TESTS_COMMON_DELIVERY_WORLD_H
#define TESTS_COMMON_DELIVERY_WORLD_H

#include "collector/delivery/pump.h"
#include "tests/common/segment_builder.h"

enum {
    WORLD_RECORDS = 20000,
    WORLD_LANES = 3,
    WORLD_FILES = 4096,
    WORLD_SINKS = 4,
    WORLD_REMOTES = 1, /* the last of them */
};

/* A file set: numbers of records, one file after the other. */
struct world_disk {
    uint32_t record[WORLD_RECORDS * 2];
    uint32_t used;
    uint32_t file_end[WORLD_FILES]; /* in records */
    uint32_t files;                 /* the last one is being written */
    uint32_t file_room;             /* records that a file takes, 0: no limit */
    uint8_t level_min;
};

struct world_server {
    uint32_t times[WORLD_RECORDS];       /* that a record arrived */
    struct fapilog_record_id id[WORLD_RECORDS];
};

struct world_put {
    struct parcel *parcel;
    struct remote_ticket *ticket;
    uint64_t at;    /* what has not arrived */
    uint32_t done;
    uint64_t first; /* its number in the stream */
};

struct world {
    char dir[64];
    uint64_t seed;
    struct segment_builder builder, second; /* lanes WORLD_LANES ... are those of the second, if there is one */
    bool has_second, is_second_refused; /* as if there were no descriptors left for it */
    uint8_t level[WORLD_RECORDS];
    uint32_t put;
    struct world_disk disk[WORLD_SINKS];
    struct world_server server;
    /* the collector of the moment */
    struct io *io;
    struct ingest_settings settings;
    struct segments segments;
    struct position *redo;
    struct commit *commit;
    struct pipeline pipeline;
    struct drain drain;
    struct sink *sink[WORLD_SINKS];
    uint32_t sinks_count;
    const struct sink_batch *write[WORLD_SINKS]; /* under way */
    struct sink *writer[WORLD_SINKS];
    unsigned opened[WORLD_SINKS], closed[WORLD_SINKS];
    int open_error; /* of the next sink that is opened */
    struct world_put queue[4096];
    uint32_t queued, relieved;
    struct acked_stream stream;
    uint64_t streamed;
    bool has_no_notes; /* of what is settled */
    bool has_no_spool; /* on_full=block */
    bool is_far_busy;  /* the disk of its spool is */
    struct image_reader reader;
    bool has_images; /* now and then the collector is pressed, and the server fails */
    bool always_images;
    bool has_new_readers; /* each image is read by itself, as by a later run */
    uint32_t takes;  /* images, at once into the journal of its spool */
    uint32_t images; /* that have come */
    bool refuses;    /* there is no room for one */
    uint64_t refused, refused_bytes;
    uint32_t were_writing; /* local sinks, when the remote one was last given something */
    char arrived[512]; /* the last record at the server */
    uint64_t window;
    struct stages *stages; /* of every collector to come */
    struct notes *notes; /* NULL: none */
    const struct route_config *routes;
    struct routes *routes_open;
    uint32_t fences_seen; /* batches that a new collector read again */
};

uint32_t world_random(struct world *w, uint32_t below);
struct world *world_new(uint64_t seed, uint8_t cap_log2);
void world_free(struct world *w);
/* One more sink for that disk; the caller's. */
struct sink *world_sink(struct world *w, uint32_t index);
/* Starts a collector with the first `sinks` sinks; all of them means the remote one too. */
void world_open(struct world *w, uint32_t sinks);
/* As SIGKILL does: nothing is said to anybody. */
void world_kill(struct world *w);
/* A second segment, before world_open(). */
void world_add_second(struct world *w);
/* What the collector finds when it looks at the directory again. */
void world_look(struct world *w);
/* One more record, if the lane has room. */
bool world_put(struct world *w, uint32_t lane);
void world_turn(struct world *w);
void world_run(struct world *w);
/* Part of what the sink was given arrives, all the same for the collector. */
void world_write_some(struct world *w, uint32_t sink);
/* The write ends: 0, or an error. */
void world_write_ends(struct world *w, uint32_t sink, int result);
/* The server, or the spool, takes one of the parcels. */
void world_settle(struct world *w, uint32_t which);
/* It takes some records of one, and the collector takes the answer. Images are taken as a whole. */
void world_settle_some(struct world *w, uint32_t which, uint32_t records);
/* Everything that can be delivered is. */
void world_finish(struct world *w);
/* A few rounds in which the local sinks write what they are given. */
void world_commit(struct world *w, uint32_t sinks);
/* A world of two local sinks whose former collector was killed when the first or second of them alone had settled a
 * batch, and whose second segment, which that batch has a record of, cannot be attached. */
struct world *world_half_settled(uint32_t sink);
uint32_t world_count(const struct world_disk *d, uint32_t n);
bool world_wants(const struct world *w, const struct world_disk *d, uint32_t n);
uint64_t world_pending(const struct world *w);

#endif
