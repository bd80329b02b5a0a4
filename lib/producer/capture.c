/* Capture, for tests of programs that log: the scratch memory of each record is kept as it is, and decoded
 * when the record is taken. Putting is signal safe. */
#include "lib/producer/capture.h"
#include "lib/producer/internal.h"
#include "lib/producer/mode.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RECORDS_MAX = 10000, /* each is a mapping of its own */
    LOCK_TRIES = 10000,  /* a handler that interrupted the holder gives up */
    ALL_FIELDS = 4 * FAPILOG_FIELDS_MAX,
    PARENTS_MAX = 16,
};

static struct {
    uint32_t lock;
    uint32_t count, max;
    struct scratch *first, *last;
    uint64_t lost;
    uint64_t taken;
} list;

/* The record handed out last, with all it points to. */
static struct {
    struct scratch *scratch;
    struct decoded decoded;
    struct fapilog_record record;
    struct fapilog_site site;
    struct fapilog_logger_info logger;
    struct fapilog_process_info process;
    struct fapilog_context_info context;
    uint32_t bound_count;
    struct fapilog_field bound[ALL_FIELDS];
    struct fapilog_field context_fields[FAPILOG_CONTEXT_FIELDS_MAX];
} out;

static bool try_lock(void)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        uint32_t free_ = 0;
        /* order: K2 acquire, pairs with K1 - the list as the last holder left it */
        if (cas_acq_rel(&list.lock, &free_, 1))
            return true;
        (void)sched_yield();
    }
    return false;
}

static void unlock(void)
{
    store_rel(&list.lock, 0); /* order: K1 release, pairs with K2 */
}

static void release(struct scratch *s)
{
    if (s)
        (void)munmap(s, s->call.mapped);
}

static struct scratch *pop(void)
{
    struct scratch *s = list.first;
    if (s) {
        list.first = s->next;
        list.count--;
    }
    return s;
}

static void lose(void)
{
    /* order: relaxed - a counter */
    __atomic_fetch_add(&list.lost, 1, __ATOMIC_RELAXED);
}

bool fapilogi_capture_put(struct scratch *s)
{
    struct scratch *oldest = NULL;
    s->next = NULL;
    s->time_ns = (int64_t)clock_real_ns();
    if (!try_lock()) {
        lose();
        return false;
    }
    if (list.count == list.max) {
        oldest = pop();
        lose();
    }
    if (list.first)
        list.last->next = s;
    else
        list.first = s;
    list.last = s;
    list.count++;
    unlock();
    release(oldest);
    return true;
}

int fapilog_capture_start(uint32_t records_max)
{
    if (records_max < 1 || records_max > RECORDS_MAX)
        return -EINVAL;
    fapilogi_lock();
    int r = process.mode == MODE_CLOSED ? fapilogi_memory_init(NULL) : -EBUSY;
    if (r == 0 && process.registry_size == 0) {
        struct settings s;
        fapilogi_settings(NULL, &s);
        fapilogi_take_settings(&s);
    }
    if (r == 0)
        r = fapilogi_placeholder(FAPILOG_LEVEL_OFF, NULL);
    if (r == 0) {
        list.max = records_max;
        list.lost = list.taken = 0;
        mode_set(MODE_CAPTURE); /* the levels that follow let the first record in */
        fapilogi_register_modules();
        fapilogi_reset_levels();
    }
    fapilogi_unlock();
    return r;
}

void fapilog_capture_stop(void)
{
    fapilogi_lock();
    if (process.mode == MODE_CAPTURE) {
        (void)fapilogi_placeholder(FAPILOG_LEVEL_OFF, NULL);
        store_rlx(&process.mode, MODE_CLOSED); /* order: relaxed - no thread may be inside a log call now */
        process.users = 0;
        while (list.first)
            release(pop());
        release(out.scratch);
        out.scratch = NULL;
    }
    fapilogi_unlock();
}

uint64_t fapilog_capture_lost(void)
{
    return load_rlx(&list.lost); /* order: relaxed - a counter */
}

static const char *entry_texts(const struct fapilog_site_entry *e)
{
    return (const char *)(e + 1) + 2u * e->fields_count;
}

static void fill_site(const struct fapilog_site_entry *e)
{
    const char *text = entry_texts(e);
    out.site = (struct fapilog_site){
        .id = FAPILOG_WORD0_SCHEMA(out.scratch->call.word0),
        .line = e->line,
        .level = e->level,
        .is_printf = e->flags & FAPILOG_SITE_PRINTF,
        .fields_count = e->fields_count,
        .message = {text, e->message_len},
        .file = {text + e->message_len + 1, e->file_len},
        .function = {text + e->message_len + e->file_len + 2, e->function_len},
        .fields = out.decoded.fields,
    };
}

static const struct fapilog_logger_entry *logger_entry(uint32_t id)
{
    return id ? (const struct fapilog_logger_entry *)(process.registry + (uint64_t)id * 8) : NULL;
}

static void add_bound(const struct fapilog_logger_entry *e)
{
    const size_t texts = sizeof *e + e->name_len + e->service_len + 2u;
    const uint8_t *fields = (const uint8_t *)e + align_up(texts, 8);
    size_t at = 0;
    for (uint32_t i = 0; i < e->fields_count && out.bound_count < ALL_FIELDS; i++)
        at = fapilogi_list_get(fields, at, &out.bound[out.bound_count++]);
}

static void fill_logger(uint32_t id)
{
    const struct fapilog_logger_entry *chain[PARENTS_MAX];
    uint32_t depth = 0;
    out.bound_count = 0;
    out.logger = (struct fapilog_logger_info){
        .id = id, .name = {"", 0}, .service = {process.service, (uint32_t)strlen(process.service)}};
    for (const struct fapilog_logger_entry *e = logger_entry(id); e && depth < PARENTS_MAX;
         e = logger_entry(e->parent))
        chain[depth++] = e;
    if (depth) {
        const char *text = (const char *)(chain[0] + 1);
        out.logger.name = (struct fapilog_text){text, chain[0]->name_len};
        out.logger.service = (struct fapilog_text){text + chain[0]->name_len + 1, chain[0]->service_len};
    }
    while (depth)
        add_bound(chain[--depth]);
    out.logger.fields = out.bound;
    out.logger.fields_count = out.bound_count;
}

static void fill_context(void)
{
    size_t at = 0;
    for (uint32_t i = 0; i < out.decoded.context_count; i++)
        at = fapilogi_list_get(out.decoded.context, at, &out.context_fields[i]);
    out.context = (struct fapilog_context_info){.epoch = out.decoded.context_epoch,
                                                .fields = out.context_fields,
                                                .fields_count = out.decoded.context_count};
}

static void fill_record(const struct scratch *s)
{
    const struct decoded *d = &out.decoded;
    out.process = (struct fapilog_process_info){
        .pid = (uint32_t)getpid(),
        .service = {process.service, (uint32_t)strlen(process.service)},
        .env = {process.env, (uint32_t)strlen(process.env)},
        .version = {process.version, (uint32_t)strlen(process.version)}};
    out.record = (struct fapilog_record){
        .time_ns = s->time_ns,
        .cycles = s->cycles,
        .level = (uint8_t)FAPILOG_WORD0_LEVEL(s->word0),
        .flags = (uint8_t)FAPILOG_WORD0_FLAGS(s->word0),
        .tid = d->tid,
        .message = d->message,
        .site = d->site ? &out.site : NULL,
        .source = d->source ? &out.site : NULL,
        .logger = &out.logger,
        .process = &out.process,
        .context = d->context_count ? &out.context : NULL,
        .fields = d->fields,
        .fields_count = d->fields_count,
        .id = {.position = list.taken++},
    };
}

const struct fapilog_record *fapilog_capture_next(void)
{
    if (process.mode != MODE_CAPTURE || !try_lock())
        return NULL;
    struct scratch *s = pop();
    unlock();
    if (!s)
        return NULL;
    release(out.scratch);
    out.scratch = s;
    fapilogi_decode(s, &out.decoded);
    if (out.decoded.site || out.decoded.source)
        fill_site(out.decoded.site ? out.decoded.site : out.decoded.source);
    fill_logger(out.decoded.logger);
    fill_context();
    fill_record(s);
    return &out.record;
}

static const struct fapilog_field *find(const struct fapilog_field *fields, uint32_t count, const char *name)
{
    const size_t len = strlen(name);
    for (uint32_t i = 0; i < count; i++)
        if (fields[i].name.len == len && memcmp(fields[i].name.data, name, len) == 0)
            return &fields[i];
    return NULL;
}

const struct fapilog_field *fapilog_capture_field(const struct fapilog_record *record, const char *name)
{
    const struct fapilog_field *f = find(record->fields, record->fields_count, name);
    if (!f)
        f = find(record->logger->fields, record->logger->fields_count, name);
    if (!f && record->context)
        f = find(record->context->fields, record->context->fields_count, name);
    return f;
}
