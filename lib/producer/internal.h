/* internal.h - the producer library's state. Where each part lives decides what a forked child sees:
 *
 *   process   .data: inherited. What a child needs to make its own segment: options, ring directory,
 *             mapping B (ctl and registry, at an address that never changes).
 *   area      MADV_WIPEONFORK: zero in a child. Everything that points into mapping A, every lock,
 *             every thread's writer. area->generation == 0 is how a child knows that it is one.
 *   context   inherited: bound fields go on in the child.
 *   loggers   inherited: what calls look at, right before mapping B (logger.c).
 *
 * Edges between threads of the process, beside those of abi.h:
 *   W1 -> W2   a thread gives its writer back         another takes it
 *   S1 -> S2   a shared lane is unlocked              and locked
 *   P1 -> P2   the process lock is released           and taken
 *   F1 -> F2   a child's segment stands               its other threads use it
 *   K1 -> K2   the capture list is unlocked           and locked
 *   V1 -> V2   a heartbeat is seen for the first time others know how long it counts
 *   M1 -> M2   process.mode: records have a place     a log call, which a lowered threshold let in, looks for it
 *
 *   fapilogi_self -> writer (one per thread) -> lane in mapping A
 *                    shared[0..3] (try-lock)  -> lanes 0..3 */
#ifndef FAPILOG_PRODUCER_INTERNAL_H
#define FAPILOG_PRODUCER_INTERNAL_H

#include "lib/base/err.h"
#include "lib/ring/clock.h"
#include "lib/ring/geometry.h"
#include "lib/ring/ringdir.h"

#include <fapilog/fapilog.h>


enum {
    WRITERS_MORE = 1024, /* writers beyond the lanes; further threads use the shared lanes without one */
    WRITERS_MAX = FAPILOG_LANES_MAX + WRITERS_MORE,
    SERVICE_MAX = 63,
    ENV_MAX = 31, /* of the version, too */
    CTL_MAX = FAPILOG_CTL_SLOTS_OFF + FAPILOG_LANES_MAX * (int)sizeof(struct fapilog_lane_slot),
    LOGGERS_BYTES = 8 << 10, /* private memory right before ctl, for as many as have level words */
};

/* Where records go. */
enum mode {
    MODE_CLOSED, /* no segment: levels are OFF */
    MODE_RING,
    MODE_STDERR,
    MODE_CAPTURE,
};

/* For size: the library is to stay small, and this is called once or seldom. */
#ifdef __clang__
#define SELDOM __attribute__((cold, minsize))
#else
#define SELDOM __attribute__((cold))
#endif

struct writer;

/* A log call that took the slow path, from fapilogi_slow() to fapilogi_finish(). It lives in the writer of
 * the lane that it goes to, or at the start of scratch memory that holds the record until it is complete. */
struct call {
    struct fapilogi_pending pending;
    struct writer *self;   /* of the thread, NULL when it has none */
    struct writer *target; /* whose lane gets the record; NULL: still to be found */
    uint64_t word0;        /* without the size */
    uint64_t cycles;
    size_t size;           /* of the record with its header; in scratch memory, of the payload */
    size_t args_size;
    size_t mapped;         /* bytes of scratch memory, 0: none */
    bool nested;           /* by a signal handler inside a log call */
    bool may_not_wait;     /* nested, or of a prepared thread, in whichever lane */
};

/* Scratch memory: the logical record as the fragments will carry it. */
struct scratch {
    struct call call;
    struct scratch *next; /* in the capture list */
    int64_t time_ns;
    uint64_t word0;
    uint64_t cycles;
    uint64_t length;
    uint8_t payload[];
};

/* Opening a block needs no more than the first two cache lines, as a rule: see block.c. */
struct writer {
    struct fapilogi_lane hot;
    uint64_t open_until;    /* blocks that end here or before may be opened without a look at shared memory; an own
                             * lane's only */
    uint32_t block;         /* bytes */
    uint32_t written_epoch; /* context that the open block holds */
    struct {
        uint64_t cycles, real_ns;
    } anchor;               /* the last one, 0: none */
    uint64_t anchor_cycles; /* how long it serves */
    uint32_t generation;    /* of the lane */
    bool attached;
    bool is_plain;          /* attached, with an own lane, the CPU's counter and no need to be asked each time */
    uint8_t mode;           /* FAPILOG_MODE_* */
    bool realtime;
    struct fapilog_lane_slot *slot;
    uint64_t ahead;            /* how far beyond head open_until may lie; 0: not to be moved without more questions */
    const struct fapilog_ctl *ctl; /* as struct process has it, whose page has grown cold */
    uint64_t counter_hz;           /* likewise */
    struct fapilog_lane *lane; /* NULL: the thread has no lane of its own */
    uint64_t cap;
    uint64_t populated;     /* what lies before has memory; UINT64_MAX: all of the lane */
    uint32_t index;         /* of the lane */
    uint32_t headroom;
    uint32_t idle;          /* what busy returns to */
    uint32_t lock;          /* shared lanes only */
    struct call call;
} __attribute__((aligned(64)));

struct area {
    uint32_t generation;    /* 0: a forked child that has not logged yet */
    uint32_t child_tid;     /* who is making the child's segment */
    uint32_t claim_hint;
    uint32_t early_dropped; /* records of a child before its segment stood */
    uint8_t *base;          /* mapping A */
    struct fapilog_superblock *super;
    struct fapilog_lane *lanes;
    struct writer shared[FAPILOG_SHARED_LANES];
    uint64_t writer_used[WRITERS_MAX / 64];
    uint64_t lane_events[FAPILOG_LANES_MAX]; /* hot.count of the lane's last owner */
    struct writer writer[WRITERS_MAX]; /* see writer_at() */
};

struct process {
    uint32_t lock;       /* holder's pid, so that a child is not locked out by its parent's threads */
    uint32_t users;      /* fapilog_open() less fapilog_close() */
    uint32_t mode;       /* enum mode */
    uint32_t clock_kind;
    uint32_t on_full;    /* FAPILOG_MODE_* */
    uint32_t level;
    uint32_t pid;
    uint32_t parent_pid; /* of a forked child */
    uint32_t fallback;
    uint32_t epoch;      /* last context epoch handed out */
    bool stacks;         /* some call site has an FL_STACK */
    bool unloaded;       /* a module was: its call sites may come again */
    int cancel;          /* what the lock's holder goes back to */
    struct area *area;
    struct fapilog_ctl *ctl; /* mapping B; slots follow, LOGGERS_BYTES come before it */
    uint8_t *registry;
    uint64_t registry_used;  /* bytes handed out; superblock.registry_tail follows */
    uint64_t registry_size;
    uint64_t registry_ready; /* bytes that have memory behind them */
    uint64_t counter_hz;
    uint32_t writers_max;    /* usable entries of area->writer */
    uint8_t *segment_place;  /* where the next segment should lie, if it can */
    struct geometry geometry;
    struct ringdir dir;
    char service[SERVICE_MAX + 1];
    char env[ENV_MAX + 1];
    char version[ENV_MAX + 1];
};

extern struct process process;
extern struct writer fapilogi_none; /* fapilogi_self of a thread that has not logged */

static inline struct writer *self_writer(void)
{
    struct writer *w = (struct writer *)fapilogi_self;
    return w == &fapilogi_none ? NULL : w;
}

/* The calling thread is prepared: it wakes nobody, and waits for nobody. */
static inline bool self_realtime(void)
{
    const struct writer *w = self_writer();
    return w && w->realtime;
}

/* The first ones come last, near to what else a call looks at: see memory.c. */
static inline struct writer *writer_at(uint32_t i)
{
    return &process.area->writer[WRITERS_MAX - 1 - i];
}

static inline uint32_t writer_index(const struct writer *w)
{
    return (uint32_t)(&process.area->writer[WRITERS_MAX - 1] - w);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static inline uint64_t align_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/* Of the open block; the tail when none is open, since no tail rests between a boundary and the first record. */
static inline uint64_t block_end(const struct writer *w)
{
    return align_up(w->hot.tail, w->block);
}

struct settings;

/* process.c - opening, closing */
void fapilogi_lock(void);
void fapilogi_unlock(void);
/* The calling thread has something to give back when it ends. */
void fapilogi_thread_exit_arm(void);

void fapilogi_take_settings(const struct settings *s);

/* memory.c - where everything lies */
int fapilogi_memory_init(struct err *e);
int fapilogi_make_writers(struct err *e);

/* options.c */
struct settings {
    uint32_t level, on_full, fallback, lanes;
    uint64_t lane_bytes, registry_bytes;
    const char *ring_dir, *env, *version;
};
void fapilogi_settings(const struct fapilog_options *o, struct settings *ret);
void fapilogi_service_name(const char *given, char ret[SERVICE_MAX + 1]);
void fapilogi_copy_text(char *to, size_t size, const char *from);

/* segment.c, child.c */
int fapilogi_segment_create(struct err *e);
/* Puts private memory in the place of mapping B, with the registry as it is and all levels `level`. */
int fapilogi_placeholder(uint32_t level, struct err *e);
/* In a forked child: makes its segment. False: records go nowhere (now). */
bool fapilogi_child(void);

/* registry.c */
uint32_t fapilogi_register_site(struct fapilog_site_desc *site);
uint32_t fapilogi_register_location(const struct fapilog_location *location);
uint32_t fapilogi_register_logger(const struct fapilog_logger_entry *head, const char *name,
                                  const char *service, const uint8_t *fields);
uint32_t fapilogi_register_module(uint64_t base, uint64_t bytes, const char *path, const char *build_id);
void fapilogi_count_unregistered(void);

/* location.c - the id of its entry in the registry, which is made at the first call; 0: there is none */
uint32_t fapilogi_location(const struct fapilog_location *location);

/* module.c - call sites and places of all modules that are not registered yet; the lock is held */
void fapilogi_register_modules(void);

/* logger.c */
fapilog_t *fapilogi_root_logger(const char *service);
void fapilogi_reset_levels(void);
fapilog_t *fapilogi_nothing(void);

/* lane.c - claiming */
/* The calling thread is inside of a log call or a claim, and has no writer whose `busy` would say so. */
extern __thread bool fapilogi_inside;
struct writer *fapilogi_attach(void);
void fapilogi_detach(void);
void fapilogi_detach_all(void);
void fapilogi_shared_init(void);
enum {
    FAPILOGI_JUMBO_LANE = 1, /* bit sets of shared lanes */
    FAPILOGI_COMMON_LANES = (1 << FAPILOG_SHARED_LANES) - 2,
};
struct writer *fapilogi_shared_lock(const struct call *c, uint32_t lanes);
void fapilogi_shared_unlock(struct writer *w);
void fapilogi_orphan(size_t size);

/* room.c - finding room */
/* Makes room for `size` bytes at hot.tail in one block. False: the lane is full. */
bool fapilogi_reserve(struct writer *w, size_t size, bool urgent, bool may_wait);
/* The most that fapilogi_reserve() can give in a fresh block. */
size_t fapilogi_reserve_max(const struct writer *w);
void fapilogi_commit(struct writer *w, uint64_t next);
void fapilogi_drop(struct writer *w, size_t size);
/* The parts of it that a chain needs. */
bool fapilogi_space_until(struct writer *w, uint64_t end, bool urgent, bool may_wait);
bool fapilogi_open_block(struct writer *w);
size_t fapilogi_context_record_size(const struct writer *w);
void fapilogi_context_record(struct writer *w);
/* Looks again how far the collector is. True: a block that ends at `end` may be opened. */
bool fapilogi_may_open(struct writer *w, uint64_t end);
void fapilogi_room_settle(struct writer *w);

/* chain.c - writes `len` bytes as a chain of fragments and commits it. False: the lane is full. */
bool fapilogi_chain(struct writer *w, const uint8_t *data, size_t len, const struct call *c, bool may_wait);
size_t fapilogi_chain_size(const struct writer *w, size_t len);

/* block.c - begins the block at `pos`, which has room and memory */
void fapilogi_block_begin(struct writer *w, uint64_t pos);

/* call.c */
struct fapilogi_pending *fapilogi_begin_any(const struct fapilogi_logger *log, struct fapilog_site_desc *site,
                                            uint32_t level, size_t args_size);
bool fapilogi_ready(void);
struct fapilogi_pending *fapilogi_begin_slow(const struct fapilogi_logger *log, uint64_t word0, size_t args_size);
/* fapilogi_finish() for who wants to know: false when the record was dropped, and counted. One that is put together in
 * memory of its own meets its lane only here. */
bool fapilogi_finish_slow(struct fapilogi_pending *pending);

/* cut.c - shortens texts until the payload fits FAPILOG_RECORD_BYTES_MAX */
void fapilogi_cut(struct scratch *s);

/* list.c - self-describing field lists */
size_t fapilogi_list_end(size_t at, const struct fapilog_field *f);
size_t fapilogi_list_put(uint8_t *to, size_t at, const struct fapilog_field *f);
size_t fapilogi_list_get(const uint8_t *from, size_t at, struct fapilog_field *f);
size_t fapilogi_value_end(size_t at, const struct fapilog_field *f);
size_t fapilogi_value_put(uint8_t *to, size_t at, const struct fapilog_field *f);
size_t fapilogi_value_get(const uint8_t *from, size_t at, struct fapilog_field *f);
bool fapilogi_field_ok(const struct fapilog_field *f);
/* Whole lists. False: a field is not as fields.h wants it. */
bool fapilogi_list_size(const struct fapilog_field *fields, uint32_t count, size_t *ret);
void fapilogi_list_fill(uint8_t *to, const struct fapilog_field *fields, uint32_t count);

/* decode.c - a record in scratch memory, read back: for cutting it, for stderr, for capture */
struct decoded {
    struct fapilog_text message;
    const struct fapilog_site_entry *site;   /* NULL: a dynamic record */
    const struct fapilog_site_entry *source; /* of a dynamic record; NULL: not known */
    uint32_t logger, tid;
    uint32_t fields_count;
    struct fapilog_field fields[FAPILOG_FIELDS_MAX];
    uint32_t context_epoch, context_count;
    const uint8_t *context; /* encoded list */
    size_t args_at;         /* offset of the arguments in the payload */
};
void fapilogi_decode(const struct scratch *s, struct decoded *ret);

/* context.c */
size_t fapilogi_context_size(void);                 /* of the encoded list, 0: nothing bound */
uint32_t fapilogi_context_count(void);
uint32_t fapilogi_context_epoch(void);
void fapilogi_context_put(uint8_t *to);
void fapilogi_context_thread_exit(void);

/* wait.c */
void fapilogi_futex_wait(uint32_t *word, uint32_t value, uint64_t timeout_ns);
void fapilogi_bell(void);
bool fapilogi_wait_head(struct writer *w, uint64_t want, uint64_t *ret_head);

/* pulse.c */
/* Whether it is worth while to wait for a collector: one that only seems to be gone gets a moment to show itself. */
bool fapilogi_collector_alive(uint64_t now_ns);
/* For a wait that has come to its end: whether one was there at all. `since` is the heartbeat at its begin. */
bool fapilogi_collector_was_seen(uint64_t since, uint64_t now_ns);
uint64_t fapilogi_heartbeat(void);

/* text.c */
void fapilogi_backtrace_prime(bool always);

/* sink.c - records of a process without a segment */
/* True: the scratch memory has been taken over. */
bool fapilogi_sink(struct scratch *s);

#endif
