/* inline.h - the part of a log call that is compiled into the caller. Private to the macros of
 * fapilog.h. The way of a call:
 *
 *   level gate -> fapilogi_begin(): own lane, room in the open block?  header, counter
 *              -> the arguments are stored in place
 *              -> fapilogi_end(): one release store of the lane's tail commits the record (C1)
 *
 * Everything else - first call of a thread, a new block, a full lane, a changed context, a signal
 * handler inside a log call, a forked child, a large record, another clock - is one branch away in
 * fapilogi_slow(). Where it only had to open a block, the call begins again; else it returns where the
 * arguments go, and fapilogi_finish() ends the call. */
#ifndef FAPILOG_INLINE_H
#define FAPILOG_INLINE_H

#include <fapilog/abi.h>
#include <fapilog/fields.h>

#include <stdbool.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAPILOGI_LIKELY(x) __builtin_expect(!!(x), 1)
#define FAPILOGI_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* A logger. Objects are never freed: a logger found once stays valid for the process's life. */
struct fapilogi_logger {
    const uint32_t *level; /* threshold, in shared memory; relaxed, changed by the collector or a tool */
    uint64_t ext;          /* logger id, as the low half of struct fapilog_ext; 0 for the root logger */
};
typedef struct fapilogi_logger fapilog_t;

struct fapilogi_field_desc {
    const char *name;
    uint8_t type;
};

/* A call site. The static ones of C code lie in the section fapilog_sites; those of C++ code, which
 * may be in inline functions and templates, are registered at their first use. */
struct fapilog_site_desc {
    uint32_t id; /* 0 until it is in the registry */
    uint32_t line;
    const char *message;
    const char *file;
    const char *function;
    const struct fapilogi_field_desc *fields;
    uint8_t level; /* 0: each record brings its own */
    uint8_t flags; /* FAPILOG_SITE_* */
    uint16_t fields_count;
    uint32_t tag; /* FAPILOGI_SITE_TAG: proves that the section holds what we think */
    uint64_t reserved;
};
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_site_desc) % 8 == 0, "sites lie back to back");
#define FAPILOGI_SITE_TAG UINT32_C(0x53504146)

/* What fapilogi_slow() promised and fapilogi_finish() redeems. */
struct fapilogi_pending {
    uint8_t *args; /* 8-byte aligned place of the arguments */
};
#define FAPILOGI_AGAIN FAPILOGI_REINTERPRET(struct fapilogi_pending *, 1) /* there is room now */

/* A writer of a lane: private to the thread, on a page that a forked child sees as zeros. One cache line. */
struct fapilogi_lane {
    uint32_t busy;         /* bit 0: inside a log call; bit 1: every call takes the slow path */
    uint32_t mask;         /* capacity - 1 */
    uint64_t tail;         /* next byte to write */
    uint64_t limit[2];     /* end of what may be written now; [1] for ERROR and above */
    uint8_t *data;
    uint64_t *shared_tail; /* C1 */
    uint64_t ext;          /* context epoch, as the high half of struct fapilog_ext */
    uint64_t count;        /* events committed to the lane, over all generations */
};
FAPILOG_STATIC_ASSERT(sizeof(struct fapilogi_lane) == 64 && FAPILOG_LANE_LOG2_MAX < 32, "one cache line");

extern FAPILOGI_API __thread struct fapilogi_lane *fapilogi_self __attribute__((tls_model("initial-exec")));

/* Each line and page of code that a call needs after a pause costs more than what is done there: the way to a
 * new block goes without a stub of the linker, and lies beside the call and not where cold code is gathered. */
#if defined(__has_attribute)
#if __has_attribute(noplt)
#define FAPILOGI_NOPLT __attribute__((noplt))
#endif
#endif
#ifndef FAPILOGI_NOPLT
#define FAPILOGI_NOPLT
#endif

/* `lane` is fapilogi_self. Returns NULL when the record is dropped (and counted), or FAPILOGI_AGAIN. */
FAPILOGI_API struct fapilogi_pending *fapilogi_slow(struct fapilogi_lane *lane, const struct fapilogi_logger *log,
                                                    struct fapilog_site_desc *site, uint32_t level, size_t args_size)
    __attribute__((noinline)) FAPILOGI_NOPLT;
FAPILOGI_API void fapilogi_finish(struct fapilogi_pending *pending) __attribute__((cold, noinline));
/* After an urgent record: wakes a sleeping collector. */
FAPILOGI_API void fapilogi_urgent(void) __attribute__((noinline));

#if defined(__x86_64__)
#define FAPILOGI_COUNTER() __builtin_ia32_rdtsc()
#elif defined(__aarch64__)
FAPILOGI_INLINE uint64_t fapilogi_cntvct(void)
{
    uint64_t v;
    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(v));
    return v;
}
#define FAPILOGI_COUNTER() fapilogi_cntvct()
#else
#define FAPILOGI_COUNTER() UINT64_C(0) /* never used: without a counter all calls take the slow path */
#endif

#ifdef FAPILOGI_BENCH_NO_CLOCK /* bench only: what a record costs beside the counter */
#undef FAPILOGI_COUNTER
#define FAPILOGI_COUNTER() UINT64_C(0)
#endif

#define FAPILOGI_BARRIER() __asm__ __volatile__("" ::: "memory")

struct fapilogi_cursor {
    uint8_t *args;                  /* NULL: dropped */
    struct fapilogi_lane *lane;     /* NULL: pending */
    uint64_t next;                  /* tail after the commit */
    struct fapilogi_pending *pending;
};

/* No threshold is below 1. That a level is no greater than can be told is known to the compiler in all macros but
 * those of a computed one: five bits hold it, and the greatest is that of a threshold which lets nothing pass. */
FAPILOGI_INLINE bool fapilogi_enabled(const struct fapilogi_logger *log, uint32_t level)
{
    /* order: relaxed - a threshold, nothing is read through it */
    return level < FAPILOG_LEVEL_OFF && FAPILOGI_LIKELY(level >= __atomic_load_n(log->level, __ATOMIC_RELAXED));
}

/* A lane goes from thread to thread within the library, which is not instrumented: a program that is built with
 * -fsanitize=thread would be told of races between its former owner and the next one. The library orders them (L1 and
 * its own locks); these two say so. FAPILOGI_TSAN is 0 where the library is instrumented as well. */
#ifndef FAPILOGI_TSAN
#if defined(__SANITIZE_THREAD__)
#define FAPILOGI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FAPILOGI_TSAN 1
#endif
#endif
#endif
#if defined(FAPILOGI_TSAN) && FAPILOGI_TSAN
#ifdef __cplusplus
extern "C" {
#endif
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#ifdef __cplusplus
}
#endif
#define FAPILOGI_TAKE(addr) __tsan_acquire(addr)
#define FAPILOGI_GIVE(addr) __tsan_release(addr)
#else
#define FAPILOGI_TAKE(addr) ((void)0)
#define FAPILOGI_GIVE(addr) ((void)0)
#endif

FAPILOGI_INLINE struct fapilogi_cursor fapilogi_begin(const struct fapilogi_logger *log, struct fapilog_site_desc *site,
                                                      uint32_t level, size_t args_size)
{
    struct fapilogi_cursor c;
    do {
        struct fapilogi_lane *const p = fapilogi_self;
        FAPILOGI_TAKE(p);
        if (FAPILOGI_LIKELY(p->busy == 0)) {
            p->busy = 1;
            FAPILOGI_BARRIER(); /* a signal handler from here on sees busy and leaves the lane alone */
            const uint64_t ext = log->ext | p->ext;
            const size_t ext_size = ext ? 8 : 0;
            const size_t size = 16 + ext_size + (args_size + 7) / 8 * 8;
            const uint64_t tail = p->tail;
            /* order: acquire, pairs with R1 - a record may name the entry only once it is complete */
            const uint32_t id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
            const int64_t room = FAPILOGI_CAST(int64_t, p->limit[level >= FAPILOG_LEVEL_ERROR] - tail);
            if (FAPILOGI_LIKELY(room >= FAPILOGI_CAST(int64_t, size) && id)) {
                uint8_t *const w = p->data + (tail & p->mask);
                FAPILOGI_TAKE(p->shared_tail);
                const uint64_t word0 = FAPILOG_WORD0(0, FAPILOG_KIND_EVENT, level & 31, 0, id);
                struct fapilog_record_header head;
                head.word0 = (word0 | size / 8) + (ext ? FAPILOGI_CAST(uint64_t, FAPILOG_FLAG_EXT) << 25 : 0);
                head.cycles = FAPILOGI_COUNTER();
                memcpy(w, &head, sizeof head);
                if (ext)
                    memcpy(w + 16, &ext, sizeof ext);
                c.args = w + 16 + ext_size;
                c.lane = p;
                c.next = tail + size;
                c.pending = FAPILOGI_NULL;
                return c;
            }
            FAPILOGI_BARRIER();
            p->busy = 0;
            FAPILOGI_GIVE(p);
        }
        c.pending = fapilogi_slow(p, log, site, level, args_size);
    } while (c.pending == FAPILOGI_AGAIN);
    c.lane = FAPILOGI_NULL;
    c.next = 0;
    c.args = c.pending ? c.pending->args : FAPILOGI_NULL;
    return c;
}

FAPILOGI_INLINE void fapilogi_end(struct fapilogi_cursor c, uint32_t level)
{
    if (FAPILOGI_LIKELY(c.lane != FAPILOGI_NULL)) {
        c.lane->tail = c.next;
        c.lane->count++;
        /* order: C1 release, pairs with C2 - the record's bytes are complete; the only commit */
        __atomic_store_n(c.lane->shared_tail, c.next, __ATOMIC_RELEASE);
        FAPILOGI_BARRIER();
        c.lane->busy = 0;
        FAPILOGI_GIVE(c.lane->shared_tail);
        FAPILOGI_GIVE(c.lane);
        if (level >= FAPILOG_LEVEL_ERROR)
            fapilogi_urgent();
    } else {
        fapilogi_finish(c.pending);
    }
}

/* ---- modules ------------------------------------------------------------------------------------- */

/* One per shared object or executable: all its translation units share the hidden weak node, which
 * lives in the module itself, so that loading a module allocates nothing. */
struct fapilogi_module {
    struct fapilog_site_desc *start, *stop;
    struct fapilogi_module *next;
    uint32_t linked;
};

FAPILOGI_API void fapilogi_module_add(struct fapilogi_module *m);
FAPILOGI_API void fapilogi_module_remove(struct fapilogi_module *m);

#ifndef FAPILOGI_NO_MODULE
#define FAPILOGI_WEAK __attribute__((weak, visibility("hidden")))
extern struct fapilog_site_desc __start_fapilog_sites[] FAPILOGI_WEAK;
extern struct fapilog_site_desc __stop_fapilog_sites[] FAPILOGI_WEAK;

extern struct fapilogi_module fapilogi_module_node;
FAPILOGI_WEAK struct fapilogi_module fapilogi_module_node = {FAPILOGI_NULL, FAPILOGI_NULL, FAPILOGI_NULL, 0};

FAPILOGI_WEAK __attribute__((constructor(65535))) void fapilogi_module_init(void);
FAPILOGI_WEAK void fapilogi_module_init(void)
{
    fapilogi_module_node.start = __start_fapilog_sites;
    fapilogi_module_node.stop = __stop_fapilog_sites;
    fapilogi_module_add(&fapilogi_module_node);
}

FAPILOGI_WEAK __attribute__((destructor)) void fapilogi_module_done(void);
FAPILOGI_WEAK void fapilogi_module_done(void)
{
    fapilogi_module_remove(&fapilogi_module_node);
}
#endif

#ifdef __cplusplus
}
#define FAPILOGI_SITE_SECTION
#else
#define FAPILOGI_SITE_SECTION __attribute__((section("fapilog_sites"), aligned(8)))
#endif

#endif
