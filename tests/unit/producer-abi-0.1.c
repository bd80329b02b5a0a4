/* A program as it was compiled with the headers of 0.1: all that it has of them is written out here, and stays as it
 * is as long as the soname does (docs/compatibility.md). Once 0.1 is released, what needs a change here needs another
 * soname. producer-app.sh looks at what it has logged. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- declarations */

struct logger { const uint32_t *level; uint64_t ext; };
struct options {
    size_t size;
    const char *ring_dir, *env, *version;
    uint32_t level, on_full, lanes, fallback;
    uint64_t lane_bytes, registry_bytes;
};
struct text { const char *data; uint32_t len; };
struct field {
    struct text name;
    uint8_t type, role;
    uint16_t reserved;
    uint32_t len;
    union { uint64_t u64; int64_t i64; double f64; const char *data; } v;
};
struct scope { int32_t error; uint32_t epoch, count, bytes, scope_count, clears; };
struct counters {
    uint64_t written, dropped, dropped_bytes, orphaned, unregistered, truncated, bytes, blocked, reserved[8];
};
struct report {
    uint64_t pending_bytes;
    uint32_t failing_count, reserved;
    struct { char name[48]; uint32_t state; int32_t last_error; uint64_t errors; } failing[32];
};
struct record {
    int64_t time_ns;
    uint64_t cycles;
    uint8_t level, flags;
    bool internal;
    uint32_t tid;
    struct text thread, message; /* and more */
};

struct logger *fapilog_open(const char *service, const struct options *options);
void fapilog_close(struct logger *log);
struct logger *fapilog_logger(struct logger *log, const char *name);
struct logger *fapilog_with(struct logger *log, const struct field *fields, uint32_t count);
int fapilog_prepare(struct logger *log);
int fapilog_flush(struct logger *log, uint64_t timeout_ns, struct report *ret);
void fapilog_get_counters(const struct logger *log, struct counters *ret);
struct scope fapilog_context_push(const struct field *fields, uint32_t count);
void fapilog_context_pop(struct scope *scope);
int fapilog_context_set(const struct field *field);
void fapilog_context_clear(void);
bool fapilog_enabled(const struct logger *log, uint32_t level);
int fapilog_log(const struct logger *log, uint32_t level, const char *message, size_t len, const struct field *fields,
                uint32_t count);
int fapilog_capture_start(uint32_t records_max);
const struct record *fapilog_capture_next(void);
const struct field *fapilog_capture_field(const struct record *record, const char *name);
uint64_t fapilog_capture_lost(void);
void fapilog_capture_stop(void);

/* ---- what the macros compile into a program */

struct lane {
    uint32_t busy, mask;
    uint64_t tail, limit[2];
    uint8_t *data;
    uint64_t *shared_tail, ext, count;
};
struct field_desc { const char *name; uint8_t type; };
struct site {
    uint32_t id, line;
    const char *message, *file, *function;
    const struct field_desc *fields;
    uint8_t level, flags;
    uint16_t fields_count;
    uint32_t tag;
    uint64_t reserved;
};
struct pending { uint8_t *args; };
struct module { struct site *start, *stop; struct module *next; uint32_t linked; };
struct ptext { const char *data; uint32_t len; char hex[20]; };

extern __thread struct lane *fapilogi_self __attribute__((tls_model("initial-exec")));
struct pending *fapilogi_slow(struct lane *lane, const struct logger *log, struct site *site, uint32_t level,
                              size_t size);
void fapilogi_finish(struct pending *pending);
void fapilogi_urgent(void);
void fapilogi_module_add(struct module *m);
void fapilogi_module_remove(struct module *m);
struct ptext fapilogi_printf_text(const char *format, int index, int prev, const char *s);
uint32_t fapilogi_backtrace(void **frames, uint32_t max);

static const struct field_desc fields[] = {{"n", 6}, {"text", 12}, {NULL, 0}};
static struct site site = {0, 17, "by macro", "old.c", "main", fields, 9, 0, 2, 0x53504146, 0};
static struct module module = {&site, &site + 1, NULL, 0};
static unsigned in_place;

static void put(uint8_t *to, int32_t n)
{
    const uint32_t len = 4;
    memcpy(to, &n, 4);
    memcpy(to + 4, &len, 4);
    memcpy(to + 8, "text", 4);
}

static void log_by_macro(const struct logger *log, uint32_t level, int32_t n)
{
    enum { ARGS = 12 };
    struct pending *pending;
    if (level >= 31 || level < __atomic_load_n(log->level, __ATOMIC_RELAXED))
        return;
    do {
        struct lane *const p = fapilogi_self;
        if (p->busy == 0) {
            p->busy = 1;
            const uint64_t ext = log->ext | p->ext, tail = p->tail;
            const size_t size = 16 + (ext ? 8 : 0) + (ARGS + 7) / 8 * 8;
            const uint32_t id = __atomic_load_n(&site.id, __ATOMIC_ACQUIRE);
            if ((int64_t)(p->limit[level >= 17] - tail) >= (int64_t)size && id) {
                uint8_t *w = p->data + (tail & p->mask);
                const uint64_t head[2] = {size / 8 | UINT64_C(2) << 16 | (uint64_t)level << 20 |
                                              (uint64_t)(ext ? 1 : 0) << 25 | (uint64_t)id << 32,
                                          __builtin_ia32_rdtsc()};
                memcpy(w, head, 16);
                if (ext)
                    memcpy(w + 16, &ext, 8);
                put(w + 16 + (ext ? 8 : 0), n);
                p->tail = tail + size;
                p->count++;
                __atomic_store_n(p->shared_tail, p->tail, __ATOMIC_RELEASE);
                p->busy = 0;
                in_place++;
                if (level >= 17)
                    fapilogi_urgent();
                return;
            }
            p->busy = 0;
        }
        pending = fapilogi_slow(p, log, &site, level, ARGS);
    } while (pending == (struct pending *)1);
    if (pending) {
        put(pending->args, n);
        fapilogi_finish(pending);
    }
}

/* ---- the program */

#define NEED(what) \
    do { \
        if (!(what)) { \
            (void)fprintf(stderr, "line %d: not so: %s\n", __LINE__, #what); \
            return 1; \
        } \
    } while (0)

static const uint64_t canary = UINT64_C(0xc0ffee0000c0ffee);

static int log_all(struct logger *log)
{
    const struct field list[] = {{.name = {"bound", 5}, .type = 8, .v.i64 = -7},
                                 {.name = {"t", 1}, .type = 12, .len = 2, .v.data = "ok"}};
    struct logger *const below = fapilog_with(fapilog_logger(log, "old.below"), list, 1);
    NEED(below != log && site.id != 0 && fapilog_enabled(log, 9) && !fapilog_enabled(log, 5));
    for (int i = 0; i < 3; i++)
        log_by_macro(log, 9, i);
    struct scope scope = fapilog_context_push(list + 1, 1);
    NEED(scope.error == 0);
    log_by_macro(below, 17, 3);
    fapilog_context_pop(&scope);
    NEED(fapilog_context_set(&list[1]) == 0);
    fapilog_context_clear();
    NEED(fapilog_log(below, 13, "by function", 11, list, 2) == 0);
    log_by_macro(log, 5, 99);
    NEED(in_place >= 2 || fapilogi_self->busy); /* which is where the clock is not the CPU's counter */
    NEED(fapilog_prepare(log) != -107);
    return 0;
}

static int look(struct logger *log)
{
    struct { struct counters counters; uint64_t canary; } c = {.canary = canary};
    struct { struct report report; uint64_t canary; } r = {.canary = canary};
    fapilog_get_counters(log, &c.counters);
    NEED(c.counters.written == 5 && c.counters.dropped == 0 && c.counters.bytes > 0 && c.canary == canary);
    const int error = fapilog_flush(log, 1, &r.report);
    NEED((error == -110 || error == -107) && r.canary == canary);
    struct ptext t = fapilogi_printf_text("%.3s", 0, 0, "texts");
    void *frame[4];
    NEED(t.len == 3 && memcmp(t.data, "tex", 3) == 0 && fapilogi_backtrace(frame, 4) <= 4);
    return 0;
}

static int capture(void)
{
    NEED(fapilog_capture_start(10) == 0);
    struct logger *log = fapilog_open("old", NULL);
    const struct field field = {.name = {"n", 1}, .type = 9, .v.u64 = 5};
    NEED(fapilog_log(log, 13, "captured", 8, &field, 1) == 0);
    const struct record *record = fapilog_capture_next();
    NEED(record && record->level == 13 && record->message.len == 8 && record->time_ns > 0);
    const struct field *n = fapilog_capture_field(record, "n");
    NEED(n && n->type == 9 && n->v.u64 == 5 && fapilog_capture_lost() == 0 && !fapilog_capture_next());
    fapilog_close(log);
    fapilog_capture_stop();
    return 0;
}

int main(void)
{
    /* Its options end before those that came later; what follows in memory is something else. */
    struct { struct options options; } o = {{.size = offsetof(struct options, lane_bytes), .env = "test", .lanes = 4}};
    o.options.lane_bytes = o.options.registry_bytes = canary;
    fapilogi_module_add(&module);
    struct logger *log = fapilog_open("old", &o.options);
    if (log_all(log) || look(log))
        return 1;
    fapilog_close(log);
    fapilogi_module_remove(&module);
    if (capture())
        return 1;
    return 0;
}
