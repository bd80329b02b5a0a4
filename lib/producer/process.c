/* The life of the process's segment: opened by its first user, closed by its last. */
#include "lib/producer/internal.h"
#include "lib/producer/cancel.h"
#include "lib/producer/mode.h"

#include "lib/base/atomics.h"
#include "lib/base/cleanup.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct process process;
struct writer fapilogi_none = {.hot = {.busy = 2}};
__thread struct fapilogi_lane *fapilogi_self = &fapilogi_none.hot;

static pthread_key_t exit_key;
static bool exit_key_made;

/* Held for opening, closing, loggers, modules and the end of a thread; never by a log call. */
void fapilogi_lock(void)
{
    const uint32_t pid = (uint32_t)getpid();
    const int cancel = cancel_off();
    uint32_t holder = 0;
    /* order: P2 acquire, pairs with P1 - what the last holder changed is visible */
    while (!cas_acq_rel(&process.lock, &holder, pid)) {
        if (holder == pid)
            (void)nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        if (holder == pid)
            holder = 0; /* else a thread of the parent held it at the fork: it is ours to take over */
    }
    process.cancel = cancel;
}

void fapilogi_unlock(void)
{
    const int cancel = process.cancel;
    /* order: P1 release, pairs with P2 - what we changed is complete */
    store_rel(&process.lock, 0);
    cancel_restore(cancel);
}

/* The lock, since another thread may be closing: it would take the lane's memory away. */
static void thread_exit(void *arg)
{
    (void)arg;
    if (self_writer()) {
        fapilogi_lock();
        fapilogi_detach();
        fapilogi_unlock();
    }
    fapilogi_context_thread_exit();
}

void fapilogi_thread_exit_arm(void)
{
    if (load_rlx(&exit_key_made)) /* order: relaxed - goes once, when no thread may be inside a log call */
        (void)pthread_setspecific(exit_key, &fapilogi_none);
}

/* In a child: the writer that the thread had is handed out anew there, perhaps to one that logs before it does. */
static void after_fork(void)
{
    fapilogi_self = &fapilogi_none.hot;
}

/* The key is made as early as can be: the first 32 keys of a process need no memory when a thread uses
 * them, which may be in a signal handler. */
__attribute__((constructor)) static void at_start(void)
{
    exit_key_made = pthread_key_create(&exit_key, thread_exit) == 0;
    (void)pthread_atfork(NULL, NULL, after_fork);
}

void fapilogi_take_settings(const struct settings *s)
{
    process.on_full = s->on_full;
    process.level = s->level;
    process.fallback = s->fallback;
    fapilogi_copy_text(process.env, sizeof process.env, s->env ? s->env : "");
    fapilogi_copy_text(process.version, sizeof process.version, s->version ? s->version : "");
    geometry_compute(&process.geometry, s->lanes, s->lane_bytes, s->registry_bytes);
    process.registry_size = process.geometry.registry_size;
    if (process.registry_ready > process.registry_size)
        process.registry_ready = process.registry_size;
}

static void fall_back(const struct err *why)
{
    (void)fprintf(stderr, "fapilog: %s: %s\n",
                  process.fallback == FAPILOG_FALLBACK_STDERR ? "records go to stderr" : "logging is off",
                  why->text);
    if (!process.area)
        return;
    /* Loggers are made in either case, and each has an entry in the registry. */
    const bool has_registry = fapilogi_placeholder(FAPILOG_LEVEL_OFF, NULL) == 0;
    if (!has_registry)
        process.registry_size = process.registry_ready;
    mode_set(has_registry && process.fallback == FAPILOG_FALLBACK_STDERR ? MODE_STDERR : MODE_CLOSED);
}

/* The last resort is often on a disk, which nobody has chosen. */
static void warn_of_disk(void)
{
    auto_fd dir = ringdir_open(&process.dir, false, NULL);
    if (dir >= 0 && !ringdir_in_memory(dir))
        (void)fprintf(stderr, "fapilog: the rings are on a disk, which slows logging: %s; set FAPILOG_RING_DIR to a "
                              "directory in memory\n", process.dir.path);
}

static void open_segment(const struct settings *s)
{
    struct err e = {0};
    int r = fapilogi_memory_init(&e);
    if (r == 0) {
        fapilogi_take_settings(s);
        r = fapilogi_make_writers(&e);
    }
    if (r == -ENOMEM)
        (void)err_wrap(&e, r, "about 100 MB of address space are wanted, not of memory: see ulimit -v");
    if (r == 0)
        r = ringdir_choose(&process.dir, s->ring_dir, &e);
    if (r == 0)
        r = fapilogi_segment_create(&e);
    if (r < 0)
        fall_back(&e);
    else if (process.dir.in_tmp)
        warn_of_disk();
}

static void warn_of_difference(const struct settings *s, const struct fapilog_options *o)
{
    static bool warned;
    const struct geometry g = process.geometry;
    struct geometry asked;
    struct ringdir dir;
    if (!o || warned || process.mode != MODE_RING)
        return;
    geometry_compute(&asked, s->lanes, s->lane_bytes, s->registry_bytes);
    const bool same = asked.file_size == g.file_size && asked.lane_count == g.lane_count &&
                      asked.registry_size == g.registry_size && s->on_full == process.on_full &&
                      s->level == process.level;
    const bool is_there = !s->ring_dir || (ringdir_choose(&dir, s->ring_dir, NULL) == 0 &&
                                           strcmp(dir.path, process.dir.path) == 0);
    if (same && is_there)
        return;
    warned = true;
    (void)fprintf(stderr, "fapilog: the segment is already open: other options of a later fapilog_open() are "
                          "ignored\n");
}

fapilog_t *fapilog_open(const char *service, const struct fapilog_options *options)
{
    char name[SERVICE_MAX + 1];
    struct settings s;
    fapilogi_lock();
    fapilogi_settings(options, &s);
    fapilogi_service_name(service, name);
    (void)fapilogi_ready(); /* in a forked child: its own segment, before anything is added to it */
    if (!process.service[0]) /* logger 0 is of this service, in each segment of the process */
        memcpy(process.service, name, sizeof name);
    if (process.users == 0 && process.mode == MODE_CLOSED)
        open_segment(&s);
    else
        warn_of_difference(&s, options);
    fapilog_t *log = NULL;
    if (process.area) {
        process.users++;
        if (process.mode != MODE_CLOSED)
            fapilogi_register_modules();
        log = fapilogi_root_logger(name);
        if (process.users == 1 && process.mode != MODE_CLOSED) /* else the gate stays shut */
            fapilogi_reset_levels();
    }
    fapilogi_unlock();
    fapilogi_backtrace_prime(false);
    return log ? log : fapilogi_nothing();
}

/* Everything that the rings hold stays there; the lock goes with the last mapping. */
static void close_segment(void)
{
    struct area *a = process.area;
    const bool had_segment = process.mode == MODE_RING && a->generation != 0;
    uint8_t *base = a->base;
    /* order: relaxed - no other thread may be inside a log call now; a signal handler of this one, which would attach
     * to what is about to go, sees it */
    store_rlx(&process.mode, MODE_CLOSED);
    if (had_segment) {
        fapilogi_detach_all();
        /* order: release - a label for people, after the last tail; that we are gone, the lock says */
        store_rel(&a->super->state, FAPILOG_STATE_CLEAN);
        fapilogi_bell();
    }
    (void)fapilogi_placeholder(FAPILOG_LEVEL_OFF, NULL);
    if (had_segment) {
        memset(a->lane_events, 0, process.geometry.lane_count * sizeof a->lane_events[0]);
        a->base = NULL;
        (void)munmap(base, process.geometry.file_size);
    } else if (a->generation == 0) { /* a forked child that has not logged */
        fapilogi_self = &fapilogi_none.hot;
        a->generation = 1;
    }
}

void fapilog_close(fapilog_t *log)
{
    if (!log)
        return;
    fapilogi_lock();
    if (process.users && --process.users == 0 && process.mode != MODE_CAPTURE)
        close_segment();
    fapilogi_unlock();
}

/* A process that ends without fapilog_close(), but by exit(), leaves a clean segment too. A plug-in that contains the
 * library may be unloaded before the threads end that logged from it: libc must not look for thread_exit() then. */
__attribute__((destructor)) static void at_exit(void)
{
    const struct area *a = process.area;
    if (a && process.mode == MODE_RING && a->generation != 0)
        /* order: release - a label for people, after the last tail; that we are gone, the lock says */
        store_rel(&a->super->state, FAPILOG_STATE_CLEAN);
    if (exit_key_made) {
        store_rlx(&exit_key_made, false); /* order: relaxed - as in fapilogi_thread_exit_arm() */
        (void)pthread_key_delete(exit_key);
    }
}
