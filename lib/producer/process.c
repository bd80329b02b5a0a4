/* Opening and closing the process's segment. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/rules.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct process process;
struct writer fapilogi_none = {.hot = {.busy = 2}};
__thread struct fapilogi_lane *fapilogi_self = &fapilogi_none.hot;

static struct fapilog root;
static pthread_key_t exit_key;
static bool exit_key_made;
static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;

void fapilogi_lock(uint32_t *lock)
{
    (void)lock;
    (void)pthread_mutex_lock(&open_mutex);
}

void fapilogi_unlock(uint32_t *lock)
{
    (void)lock;
    (void)pthread_mutex_unlock(&open_mutex);
}

static void thread_exit(void *arg)
{
    fapilogi_detach(arg);
}

void fapilogi_thread_exit_arm(struct writer *w)
{
    if (exit_key_made)
        (void)pthread_setspecific(exit_key, w);
}

static uint32_t parse_level(const char *text, uint32_t otherwise)
{
    static const struct { const char *name; uint32_t level; } names[] = {
        {"TRACE", FAPILOG_LEVEL_TRACE}, {"DEBUG", FAPILOG_LEVEL_DEBUG}, {"INFO", FAPILOG_LEVEL_INFO},
        {"WARNING", FAPILOG_LEVEL_WARNING}, {"WARN", FAPILOG_LEVEL_WARNING}, {"ERROR", FAPILOG_LEVEL_ERROR},
        {"CRITICAL", FAPILOG_LEVEL_CRITICAL}, {"AUDIT", FAPILOG_LEVEL_AUDIT},
        {"SECURITY", FAPILOG_LEVEL_SECURITY}, {"OFF", FAPILOG_LEVEL_OFF},
    };
    for (size_t i = 0; text && i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(text, names[i].name) == 0)
            return names[i].level;
    return otherwise;
}

static void *reserve_memory(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Address space that stays for the process's life. */
int fapilogi_areas_init(struct err *e)
{
    if (process.area)
        return 0;
    struct area *a = reserve_memory(sizeof *a);
    uint8_t *ctl = reserve_memory(CTL_MAX);
    uint8_t *registry = reserve_memory(GEOMETRY_REGISTRY_MAX);
    if (!a || !ctl || !registry || madvise(a, sizeof *a, MADV_WIPEONFORK) < 0)
        return err_sys(e, -errno, "private memory");
    a->generation = 1;
    process.ctl = (struct fapilog_ctl *)ctl;
    process.registry = registry;
    process.registry_used = FAPILOG_REGISTRY_PREAMBLE;
    for (uint32_t i = 0; i < FAPILOG_LOGGERS_MAX; i++)
        process.ctl->level[i] = FAPILOG_LEVEL_OFF;
    exit_key_made = pthread_key_create(&exit_key, thread_exit) == 0;
    process.area = a;
    root.level = &process.ctl->level[0];
    return 0;
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static int first_open(const char *service, const struct fapilog_options *o, struct err *e)
{
    int r = fapilogi_areas_init(e);
    if (r < 0)
        return r;
    const char *policy = getenv("FAPILOG_ON_FULL");
    process.on_full = policy && strcmp(policy, "overwrite") == 0 ? FAPILOG_MODE_OVERWRITE
                      : policy && strcmp(policy, "block") == 0   ? FAPILOG_MODE_BLOCK
                                                                 : FAPILOG_MODE_DISCARD;
    if (o && o->on_full)
        process.on_full = o->on_full - 1;
    geometry_compute(&process.geometry,
                     o && o->lanes ? o->lanes : (uint32_t)env_number("FAPILOG_LANES", GEOMETRY_LANES_DEFAULT),
                     o && o->lane_bytes ? o->lane_bytes
                                        : env_number("FAPILOG_LANE_SIZE", 1 << GEOMETRY_LANE_LOG2_DEFAULT),
                     o && o->registry_bytes ? o->registry_bytes : GEOMETRY_REGISTRY_DEFAULT);
    (void)snprintf(process.service, sizeof process.service, "%s", service);
    process.level = o && o->level ? o->level : parse_level(getenv("FAPILOG_LEVEL"), FAPILOG_LEVEL_INFO);
    r = ringdir_choose(&process.dir, o ? o->ring_dir : NULL, e);
    if (r == 0)
        r = fapilogi_segment_create(e);
    if (r < 0)
        return r;
    fapilogi_register_modules();
    process.ctl->level[0] = process.level;
    return 0;
}

fapilog_t *fapilog_open(const char *service, const struct fapilog_options *options)
{
    fapilogi_lock(NULL);
    if (process.users == 0) {
        struct err e = {0};
        if (first_open(service, options, &e) < 0)
            (void)fprintf(stderr, "fapilog: logging is off: %s\n", e.text);
    }
    process.users++;
    if (!root.level) {
        static const uint32_t off = FAPILOG_LEVEL_OFF;
        root.level = &off;
    }
    fapilogi_unlock(NULL);
    return &root;
}

void fapilog_close(fapilog_t *log)
{
    if (!log)
        return;
    fapilogi_lock(NULL);
    if (process.users && --process.users == 0 && process.mode == MODE_RING) {
        process.ctl->level[0] = FAPILOG_LEVEL_OFF;
        /* order: relaxed - a state, the records are released by their lanes */
        store_rlx(&process.area->super->state, FAPILOG_STATE_CLEAN);
    }
    fapilogi_unlock(NULL);
}
