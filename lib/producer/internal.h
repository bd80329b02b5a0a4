/* internal.h - the producer library's state. Where each part lives decides what a forked child sees:
 *
 *   process   .data: inherited. What a child needs to make its own segment: options, ring directory,
 *             mapping B (ctl and registry, at an address that never changes).
 *   area      MADV_WIPEONFORK: zero in a child. Everything that points into mapping A, every lock,
 *             every thread's writer. area->generation == 0 is how a child knows that it is one.
 *   context   inherited: bound fields go on in the child.
 *
 *   fapilogi_self -> writer (one per thread) -> lane in mapping A
 *                    shared[0..3] (try-lock)  -> lanes 0..3 */
#ifndef FAPILOG_PRODUCER_INTERNAL_H
#define FAPILOG_PRODUCER_INTERNAL_H

#include "lib/base/err.h"
#include "lib/ring/geometry.h"
#include "lib/ring/ringdir.h"

#include <fapilog/fapilog.h>

#include <stdatomic.h>

enum {
    WRITERS_MAX = FAPILOG_LANES_MAX + 1024, /* threads beyond it use the shared lanes without a writer */
    SERVICE_MAX = 63,
    CTL_MAX = FAPILOG_CTL_SLOTS_OFF + FAPILOG_LANES_MAX * (int)sizeof(struct fapilog_lane_slot),
};

/* Where records go. */
enum mode {
    MODE_CLOSED, /* no segment: levels are OFF */
    MODE_RING,
    MODE_STDERR,
    MODE_CAPTURE,
};

struct writer;

/* A log call that took the slow path, from fapilogi_slow() to fapilogi_finish(). */
struct call {
    struct fapilogi_pending pending;
    struct writer *self;   /* of the thread, NULL when it has none */
    struct writer *target; /* whose lane gets the record */
    uint64_t word0;        /* without the size */
    uint64_t cycles;
    size_t size;           /* of the record, or of a chain's payload */
    size_t mapped;         /* bytes of scratch memory this call lies in, 0: none */
    bool nested;
};

struct writer {
    struct fapilogi_lane hot;
    struct fapilog_lane *lane; /* NULL: the thread has no lane of its own */
    struct fapilog_lane_slot *slot;
    uint64_t block_end;        /* of the open block; tail when none is open */
    uint64_t cap, block;
    uint32_t index;            /* of the lane */
    uint32_t generation;       /* of the lane */
    uint32_t headroom;
    uint32_t written_epoch;    /* context that the open block holds */
    uint32_t idle;             /* what busy returns to */
    uint32_t lock;             /* shared lanes only */
    uint8_t mode;              /* FAPILOG_MODE_* */
    bool realtime;
    bool attached;
    struct call call;
} __attribute__((aligned(64)));

struct area {
    uint32_t generation; /* 0: a forked child that has not logged yet */
    uint32_t child_lock;
    uint32_t open_lock; /* fapilog_open/close, loggers, modules */
    uint32_t claim_hint;
    uint8_t *base;      /* mapping A */
    struct fapilog_superblock *super;
    struct fapilog_lane *lanes;
    struct writer shared[FAPILOG_SHARED_LANES];
    uint64_t writer_used[WRITERS_MAX / 64];
    uint64_t lane_events[FAPILOG_LANES_MAX]; /* hot.count of the lane's last owner */
    struct writer writer[WRITERS_MAX];
};

struct process {
    uint32_t users;      /* fapilog_open() less fapilog_close() */
    uint32_t mode;       /* enum mode */
    uint32_t clock_kind;
    uint32_t on_full;    /* FAPILOG_MODE_* */
    uint32_t level;
    uint32_t pid;
    uint32_t parent_pid; /* of a forked child */
    uint32_t fallback;
    struct area *area;
    struct fapilog_ctl *ctl; /* mapping B; slots follow */
    uint8_t *registry;
    uint64_t registry_used;  /* bytes handed out; superblock.registry_tail follows */
    uint64_t counter_hz;
    struct geometry geometry;
    struct ringdir dir;
    char service[SERVICE_MAX + 1];
    char env[32];
    char version[32];
};

extern struct process process;
extern struct writer fapilogi_none; /* fapilogi_self of a thread that has not logged */

/* process.c */
void fapilogi_lock(uint32_t *lock);
void fapilogi_unlock(uint32_t *lock);
int fapilogi_areas_init(struct err *e);

/* segment.c */
int fapilogi_segment_create(struct err *e);
void fapilogi_segment_detach(void);
bool fapilogi_child(void);

/* registry.c */
uint32_t fapilogi_register_site(struct fapilog_site_desc *site);
uint32_t fapilogi_register_logger(const char *name, const char *service, uint32_t parent, uint32_t level_slot,
                                  const struct fapilog_field *fields, uint32_t count);
void fapilogi_register_modules(void);

/* lane.c */
struct writer *fapilogi_attach(void);
void fapilogi_detach(struct writer *w);
void fapilogi_shared_init(void);
bool fapilogi_reserve(struct writer *w, size_t size, bool urgent);
void fapilogi_commit(struct writer *w, uint64_t next, uint32_t events);
void fapilogi_drop(struct writer *w, size_t size);

/* bell.c */
void fapilogi_bell(void);

/* process.c */
void fapilogi_thread_exit_arm(struct writer *w);

#endif
