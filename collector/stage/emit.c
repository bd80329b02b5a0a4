/* Records that stages make. Each waits as a copy in a place of its own, so that neither the ring nor the
 * stage has to keep what it was made of; the places are used again. */
#include "collector/stage/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    SLACK = 16,               /* formats copy text in steps of 16 */
    KEEP_BYTES_MAX = 1 << 20, /* of a place between two records */
};

struct emitted_place {
    struct fapilog_record r;
    struct fapilog_logger_info logger;
    struct fapilog_process_info process;
    struct fapilog_context_info context;
    uint32_t next; /* stage to go on with */
    char *data;
    size_t size;
};

struct stage_emitted {
    uint32_t head;   /* the oldest */
    bool is_out;     /* it was handed out and is freed by the next call */
    uint8_t uuid[16];
    uint64_t position;
    struct emitted_place place[STAGE_EMIT_MAX];
};

int stages_emitted_open(struct stages *c)
{
    c->emitted = calloc(1, sizeof *c->emitted);
    if (!c->emitted)
        return -ENOMEM;
    /* Without entropy it stays zero: still an id of no process, only the same in each run. */
    if (getrandom(c->emitted->uuid, sizeof c->emitted->uuid, GRND_NONBLOCK) < 0)
        memset(c->emitted->uuid, 0, sizeof c->emitted->uuid);
    return 0;
}

/* What later stages, routes and formats have cached of a logger and a process that end here. */
static void caches_free(struct emitted_place *p)
{
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        free(p->logger.cache[i]);
        free(p->process.cache[i]);
        p->logger.cache[i] = p->process.cache[i] = NULL;
    }
}

void stages_emitted_close(struct stages *c)
{
    for (uint32_t i = 0; c->emitted && i < STAGE_EMIT_MAX; i++) {
        caches_free(&c->emitted->place[i]);
        free(c->emitted->place[i].data);
    }
    free(c->emitted);
    c->emitted = NULL;
    c->emitted_count = 0;
}

static bool is_bytes(uint8_t type)
{
    switch (type) {
    case FAPILOG_TYPE_STRING: case FAPILOG_TYPE_BYTES: case FAPILOG_TYPE_JSON: case FAPILOG_TYPE_STACK:
    case FAPILOG_TYPE_IPV4: case FAPILOG_TYPE_IPV6: case FAPILOG_TYPE_UUID: case FAPILOG_TYPE_TRACE_ID:
    case FAPILOG_TYPE_SPAN_ID: return true;
    default: return false;
    }
}

/* First pass: `at` counts from NULL and nothing is written. Second pass: it writes. */
struct copier {
    bool writes;
    uintptr_t at;
};

static const char *keep_bytes(struct copier *c, const char *data, uint32_t len)
{
    char *const to = (char *)c->at;
    if (c->writes && len)
        memcpy(to, data, len);
    c->at += (len + 7u) & ~(uintptr_t)7;
    return to;
}

static void keep_text(struct copier *c, struct fapilog_text *t)
{
    t->data = keep_bytes(c, t->data, t->len);
}

static const struct fapilog_field *keep_fields(struct copier *c, const struct fapilog_field *from, uint32_t count)
{
    struct fapilog_field *const to = (struct fapilog_field *)c->at;
    c->at += count * sizeof *to;
    for (uint32_t i = 0; i < count; i++) {
        struct fapilog_field f = from[i];
        keep_text(c, &f.name);
        if (is_bytes(f.type))
            f.v.data = keep_bytes(c, f.v.data, f.len);
        if (c->writes)
            to[i] = f;
    }
    return to;
}

static void keep_process(struct copier *c, struct fapilog_process_info *p)
{
    keep_text(c, &p->service);
    keep_text(c, &p->host);
    keep_text(c, &p->exe);
    keep_text(c, &p->env);
    keep_text(c, &p->version);
    p->enriched = keep_fields(c, p->enriched, p->enriched_count);
    memset(p->cache, 0, sizeof p->cache);
}

/* Fills the place with copies; returns the bytes that they took. */
static size_t place_fill(struct emitted_place *p, const struct fapilog_record *r, char *data)
{
    struct copier c = {.writes = data != NULL, .at = (uintptr_t)data};
    p->r = *r;
    keep_text(&c, &p->r.thread);
    keep_text(&c, &p->r.message);
    p->r.fields = keep_fields(&c, r->fields, r->fields_count);
    if (r->logger) {
        p->logger = *r->logger;
        keep_text(&c, &p->logger.name);
        keep_text(&c, &p->logger.service);
        p->logger.fields = keep_fields(&c, r->logger->fields, r->logger->fields_count);
        memset(p->logger.cache, 0, sizeof p->logger.cache);
        p->r.logger = &p->logger;
    }
    if (r->process) {
        p->process = *r->process;
        keep_process(&c, &p->process);
        p->r.process = &p->process;
    }
    if (r->context) {
        p->context = *r->context;
        p->context.fields = keep_fields(&c, r->context->fields, r->context->fields_count);
        p->r.context = &p->context;
    }
    return c.at - (uintptr_t)data;
}

static bool place_reserve(struct emitted_place *p, size_t bytes)
{
    if (p->data && p->size >= bytes && (p->size <= KEEP_BYTES_MAX || bytes > KEEP_BYTES_MAX / 2))
        return true;
    char *const data = malloc(bytes);
    if (!data)
        return false;
    free(p->data);
    p->data = data;
    p->size = bytes;
    return true;
}

void stage_emit(struct stage *s, const struct fapilog_record *r)
{
    struct stages *const c = s->chain;
    struct stage_emitted *const q = c->emitted;
    struct emitted_place *const p = &q->place[(q->head + c->emitted_count) % STAGE_EMIT_MAX];
    if (c->emitted_count == STAGE_EMIT_MAX || !place_reserve(p, place_fill(p, r, NULL) + SLACK)) {
        s->counters.failed++;
        return;
    }
    (void)place_fill(p, r, p->data);
    p->r.site = p->r.source = NULL;
    p->r.module_of = NULL;
    p->r.internal = true;
    p->r.id = (struct fapilog_record_id){.lane = UINT32_MAX, .position = q->position++};
    memcpy(p->r.id.uuid, q->uuid, sizeof q->uuid);
    p->next = 0;
    while (c->stage[p->next++] != s) {
    }
    s->counters.emitted++;
    c->emitted_count++;
}

static void take_off(struct stages *c)
{
    struct stage_emitted *const q = c->emitted;
    caches_free(&q->place[q->head]);
    q->head = (q->head + 1) % STAGE_EMIT_MAX;
    q->is_out = false;
    c->emitted_count--;
}

const struct fapilog_record *stages_emitted(struct stages *c)
{
    struct stage_emitted *const q = c->emitted;
    if (q->is_out)
        take_off(c);
    while (c->emitted_count) {
        const struct emitted_place *const p = &q->place[q->head];
        /* Filters have decided on what it tells of; they do not decide again. */
        const uint32_t from = p->next > c->filters ? p->next : c->filters;
        const struct fapilog_record *const r = stages_run_from(c, &c->made, &p->r, from);
        if (r) {
            q->is_out = true;
            return r;
        }
        take_off(c);
    }
    return NULL;
}
