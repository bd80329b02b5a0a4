/* Loggers: a service, a name, bound fields. Objects live as long as the process; the registry entry is what
 * a record names. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct logger {
    struct fapilogi_logger *pub, far; /* what a call looks at: see take_near() */
    struct logger *next;
    const struct logger *parent;
    uint32_t slot;
    bool shares_level; /* there was no level word left: the slot is its parent's */
    bool level_is_set; /* by fapilog_set_level() */
    uint32_t fields_count;
    size_t fields_size;
    uint8_t *fields; /* encoded */
    char *name;
    char *service;
};

enum { NEAR_MAX = LOGGERS_BYTES / sizeof(struct fapilogi_logger) };

static struct logger *loggers;
static uint32_t slots_used;
static uint32_t near_used;

static struct logger *find(const struct logger *parent, const char *service, const char *name,
                           const uint8_t *fields, size_t size)
{
    for (struct logger *l = loggers; l; l = l->next)
        if (l->parent == parent && l->fields_size == size && strcmp(l->service, service) == 0 &&
            strcmp(l->name, name) == 0 && (size == 0 || memcmp(l->fields, fields, size) == 0))
            return l;
    return NULL;
}

/* Of the longest rule that governs the name; or, where the program has set the level of a name that is longer or as
 * long, what that has become since. */
static uint32_t level_for(const char *service, const char *name)
{
    uint32_t level = process.level;
    int best = rules_find(process.ctl, name, strlen(name), &level);
    for (const struct logger *l = loggers; l; l = l->next) {
        const int len = l->level_is_set && strcmp(l->service, service) == 0 ? (int)strlen(l->name) : -1;
        if (len >= 0 && len >= best && rules_fit(l->name, (size_t)len, name, strlen(name))) {
            best = len;
            level = load_rlx(&process.ctl->level[l->slot]); /* order: relaxed - a threshold */
        }
    }
    return level;
}

/* A collector may set a rule at this moment, and did not see the logger, or stored its level before we store ours. */
static void settle_level(const struct logger *l)
{
    uint32_t level;
    do {
        level = level_for(l->service, l->name);
        store_rlx(&process.ctl->level[l->slot], level); /* order: relaxed - a threshold */
        /* order: seq_cst fence - our entry and our store before our second look at the rules, as in levels_apply() the
         * rules come before the look at the entries and the store: one of the two sees the other */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    } while (level_for(l->service, l->name) != level);
}

/* The threshold of a name: that of another logger of the service with the same name, else a word of its
 * own, else the parent's. True: its own. */
static bool take_slot(struct logger *to, const struct logger *parent)
{
    for (const struct logger *l = loggers; l; l = l->next) {
        if (strcmp(l->service, to->service) == 0 && strcmp(l->name, to->name) == 0) {
            to->slot = l->slot;
            to->shares_level = l->shares_level;
            return false;
        }
    }
    to->shares_level = slots_used == FAPILOG_LOGGERS_MAX;
    if (to->shares_level) {
        to->slot = parent ? parent->slot : 0;
        return false;
    }
    to->slot = slots_used++;
    return true;
}

/* A call begins with a look at its logger. After a pause, to find the page of one on the heap took longer than all else
 * in the call (p99 of batches of 20 calls 65 ns a call, and 27 where that page had just been touched). Here it lies
 * beside the level words, which the call reads next, so that the way through the page tables is the same. */
static struct fapilogi_logger *take_near(void)
{
    if (near_used == NEAR_MAX)
        return NULL;
    struct fapilogi_logger *pub = (struct fapilogi_logger *)process.ctl - ++near_used;
    *pub = (struct fapilogi_logger){0};
    return pub;
}

/* The last one taken. */
static void free_logger(struct logger *l)
{
    free(l->fields);
    free(l->name);
    free(l->service);
    if (l->pub != &l->far)
        near_used--;
    free(l);
}

static struct logger *new_logger(const char *service, const char *name, const uint8_t *fields, size_t size)
{
    struct logger *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->pub = take_near();
    if (!l->pub)
        l->pub = &l->far;
    l->service = strdup(service);
    l->name = strdup(name);
    l->fields = malloc(size ? size : 1);
    if (!l->service || !l->name || !l->fields) {
        free_logger(l);
        return NULL;
    }
    if (size)
        memcpy(l->fields, fields, size);
    l->fields_size = size;
    return l;
}

/* No record is lost, so it is not counted. The lock is held. */
static void warn_of_full_registry(const char *name, bool has_fields)
{
    static bool warned;
    if (warned || process.mode != MODE_RING)
        return;
    (void)fprintf(stderr, "fapilog: the registry (%" PRIu64 " bytes) is full: logger '%s'%s and further ones write as "
                          "their parents do; set fapilog_options.registry_bytes\n", process.registry_size, name,
                  has_fields ? " with bound fields" : "");
    warned = true;
}

/* NULL: no memory or no room in the registry. The lock is held. */
static struct logger *add(const struct logger *parent, const char *service, const char *name,
                          const uint8_t *fields, size_t size, uint32_t count)
{
    struct logger *l = find(parent, service, name, fields, size);
    if (l)
        return l;
    l = new_logger(service, name, fields, size);
    if (!l)
        return NULL;
    l->parent = parent;
    l->fields_count = count;
    const bool has_own_slot = take_slot(l, parent);
    l->pub->level = &process.ctl->level[l->slot];
    const bool first = !loggers; /* the root logger of the process's first service needs no entry */
    if (!first) {
        const struct fapilog_logger_entry head = {
            .parent = parent ? (uint32_t)parent->pub->ext : 0,
            .level_slot = l->slot,
            .name_len = (uint16_t)strlen(name),
            .service_len = (uint16_t)strlen(service),
            .fields_count = (uint16_t)count,
            .fields_bytes = (uint32_t)size,
        };
        l->pub->ext = fapilogi_register_logger(&head, name, service, fields);
        if (l->pub->ext == 0) {
            free_logger(l);
            warn_of_full_registry(name, count > 0);
            return NULL;
        }
    }
    if (has_own_slot && process.mode != MODE_CLOSED)
        settle_level(l);
    l->next = loggers;
    loggers = l;
    return l;
}

fapilog_t *fapilogi_root_logger(const char *service)
{
    struct logger *l = add(NULL, service, "", NULL, 0, 0);
    return l ? l->pub : NULL;
}

/* After a segment was opened: thresholds as the rules and options say. */
void fapilogi_reset_levels(void)
{
    for (uint32_t i = 0; i < FAPILOG_LOGGERS_MAX; i++)
        store_rlx(&process.ctl->level[i], process.level); /* order: relaxed - a threshold */
    for (struct logger *l = loggers; l; l = l->next)
        l->level_is_set = false;
    for (const struct logger *l = loggers; l; l = l->next)
        settle_level(l);
}

/* Drops everything: of a process without memory for loggers, and of a caller without one. */
fapilog_t *fapilogi_nothing(void)
{
    static const uint32_t off = FAPILOG_LEVEL_OFF;
    static struct fapilogi_logger nothing = {&off, 0};
    return &nothing;
}

/* NULL for a logger that fapilog_open() could not make. */
static struct logger *of(fapilog_t *log)
{
    for (struct logger *l = loggers; l; l = l->next)
        if (l->pub == log)
            return l;
    return NULL;
}

fapilog_t *fapilog_logger(fapilog_t *log, const char *name)
{
    if (!log)
        return fapilogi_nothing();
    fapilogi_lock();
    (void)fapilogi_ready();
    const struct logger *parent = of(log);
    struct logger *l = NULL;
    if (parent && name && strlen(name) < UINT16_MAX)
        l = strcmp(parent->name, name) == 0 ? NULL : add(parent, parent->service, name, NULL, 0, 0);
    fapilogi_unlock();
    return l ? l->pub : log;
}

/* Of its name, and of those of the service below it that have a word of their own. */
static void set_levels(struct logger *of_these, uint32_t level)
{
    of_these->level_is_set = true;
    for (const struct logger *l = loggers; l; l = l->next)
        if (!l->shares_level && strcmp(l->service, of_these->service) == 0 &&
            rules_fit(of_these->name, strlen(of_these->name), l->name, strlen(l->name)))
            store_rlx(&process.ctl->level[l->slot], level); /* order: relaxed - a threshold */
}

int fapilog_set_level(fapilog_t *log, uint32_t level)
{
    if (!log || level < FAPILOG_LEVEL_TRACE || level > FAPILOG_LEVEL_OFF)
        return -EINVAL;
    fapilogi_lock();
    const bool is_ready = fapilogi_ready(); /* in a forked child the words are its parent's until now */
    struct logger *const l = of(log);
    const int r = !is_ready ? -ENOTCONN : !l ? -EINVAL : l->shares_level ? -ENOSPC : 0;
    if (r == 0)
        set_levels(l, level);
    fapilogi_unlock();
    return r;
}

fapilog_t *fapilog_with(fapilog_t *log, const struct fapilog_field *fields, uint32_t count)
{
    if (!log)
        return fapilogi_nothing();
    size_t size = 0;
    const bool is_ok = fields && count <= FAPILOG_FIELDS_MAX && fapilogi_list_size(fields, count, &size) &&
                       size <= GEOMETRY_REGISTRY_MAX;
    uint8_t *list = is_ok && size ? calloc(1, size) : NULL;
    if (!list)
        return log;
    fapilogi_list_fill(list, fields, count);
    fapilogi_lock();
    (void)fapilogi_ready();
    const struct logger *parent = of(log);
    struct logger *l = parent ? add(parent, parent->service, parent->name, list, size, count) : NULL;
    fapilogi_unlock();
    free(list);
    return l ? l->pub : log;
}
