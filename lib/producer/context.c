/* The context bound to a thread: a stack of fields, kept in memory that a forked child inherits.
 *
 * Each change gives the thread a new epoch; its lane's limit is set to its tail, so that the next log call
 * takes the slow path and writes the context record in front of its own. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { HEAP = FAPILOG_CONTEXT_BYTES_MAX };

struct bound {
    uint16_t name, name_len; /* offsets into the heap */
    uint16_t value, len;
    uint8_t type, role;
    uint64_t scalar;
};

struct context {
    uint32_t epoch; /* 0: nothing bound */
    uint32_t count, bytes;
    uint32_t scope_count; /* fields below it belong to outer scopes */
    uint32_t clears;      /* scopes from before a clear have nothing to restore */
    uint32_t busy;        /* a change is under way: a signal handler finds no context and cannot bind */
    size_t list_size;     /* of the visible fields, encoded */
    uint32_t list_count;
    struct bound bound[FAPILOG_CONTEXT_FIELDS_MAX];
    char heap[HEAP];
};

static __thread struct context *context;

/* Starts a change; leave() ends it. NULL with *ret_error set: no memory, or another change is under way. */
static struct context *enter(int *ret_error)
{
    if (!context) {
        struct context *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (c == MAP_FAILED) {
            *ret_error = -ENOMEM;
            return NULL;
        }
        context = c;
        fapilogi_thread_exit_arm(); /* frees it, even if the thread never logs */
    }
    if (context->busy) {
        *ret_error = -EBUSY;
        return NULL;
    }
    context->busy = 1;
    FAPILOGI_BARRIER(); /* before any change, for a signal handler of this thread */
    return context;
}

static void leave(struct context *c)
{
    FAPILOGI_BARRIER(); /* after every change, for a signal handler of this thread */
    c->busy = 0;
}

static const struct context *readable(void)
{
    return context && !context->busy && context->epoch ? context : NULL;
}

static struct fapilog_field field_of(const struct context *c, uint32_t i)
{
    const struct bound *b = &c->bound[i];
    struct fapilog_field f = {
        .name = {c->heap + b->name, b->name_len}, .type = b->type, .role = b->role, .len = b->len};
    if (b->value != UINT16_MAX)
        f.v.data = c->heap + b->value;
    else
        f.v.u64 = b->scalar;
    return f;
}

/* A field is hidden by a later one with its name. */
static bool visible(const struct context *c, uint32_t i)
{
    const struct bound *b = &c->bound[i];
    for (uint32_t k = i + 1; k < c->count; k++)
        if (c->bound[k].name_len == b->name_len &&
            memcmp(c->heap + c->bound[k].name, c->heap + b->name, b->name_len) == 0)
            return false;
    return true;
}

static void measure(struct context *c)
{
    c->list_size = 0;
    c->list_count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (visible(c, i)) {
            const struct fapilog_field f = field_of(c, i);
            c->list_size = fapilogi_list_end(c->list_size, &f);
            c->list_count++;
        }
    }
}

static uint32_t next_epoch(void)
{
    uint32_t epoch;
    do
        /* order: relaxed - only its being different matters */
        epoch = __atomic_add_fetch(&process.epoch, 1, __ATOMIC_RELAXED);
    while (epoch == 0);
    return epoch;
}

static void apply(struct context *c, uint32_t epoch)
{
    measure(c);
    c->epoch = epoch;
    struct writer *w = self_writer();
    if (w && w->attached) {
        w->hot.ext = (uint64_t)epoch << 32;
        w->hot.limit[0] = w->hot.limit[1] = w->hot.tail;
    }
}

static bool has_bytes(const struct fapilog_field *f)
{
    switch (f->type) {
    case FAPILOG_TYPE_STRING:
    case FAPILOG_TYPE_BYTES:
    case FAPILOG_TYPE_JSON:
    case FAPILOG_TYPE_STACK:
    case FAPILOG_TYPE_IPV4:
    case FAPILOG_TYPE_IPV6:
    case FAPILOG_TYPE_UUID:
    case FAPILOG_TYPE_TRACE_ID:
    case FAPILOG_TYPE_SPAN_ID:
        return true;
    default:
        return false;
    }
}

static int append(struct context *c, const struct fapilog_field *f)
{
    const uint32_t len = has_bytes(f) && f->v.data ? f->len : 0;
    if (!fapilogi_field_ok(f))
        return -EINVAL;
    if (c->count == FAPILOG_CONTEXT_FIELDS_MAX || f->name.len > HEAP || len > HEAP ||
        c->bytes + f->name.len + len > HEAP - 8 * (c->count + 1))
        return -E2BIG;
    struct bound *b = &c->bound[c->count];
    *b = (struct bound){.name = (uint16_t)c->bytes, .name_len = (uint16_t)f->name.len, .len = (uint16_t)len,
                        .type = f->type, .role = f->role, .value = UINT16_MAX, .scalar = f->v.u64};
    memcpy(c->heap + c->bytes, f->name.data, f->name.len);
    c->bytes += f->name.len;
    if (has_bytes(f)) {
        b->value = (uint16_t)c->bytes;
        if (len)
            memcpy(c->heap + c->bytes, f->v.data, len);
        c->bytes += len;
    }
    c->count++;
    return 0;
}

struct fapilog_scope fapilog_context_push(const struct fapilog_field *fields, uint32_t count)
{
    struct fapilog_scope s = {.error = !fields && count ? -EINVAL : 0};
    struct context *c = s.error ? NULL : enter(&s.error);
    if (!c)
        return s;
    s = (struct fapilog_scope){.epoch = c->epoch, .count = c->count, .bytes = c->bytes,
                               .scope_count = c->scope_count, .clears = c->clears};
    for (uint32_t i = 0; i < count && s.error == 0; i++)
        s.error = append(c, &fields[i]);
    if (s.error) {
        c->count = s.count;
        c->bytes = s.bytes;
    } else {
        c->scope_count = s.count;
        if (count)
            apply(c, next_epoch());
    }
    leave(c);
    return s;
}

void fapilog_context_pop(struct fapilog_scope *scope)
{
    int error;
    struct context *c = !scope || scope->error ? NULL : enter(&error);
    if (!c)
        return;
    if (scope->clears == c->clears && scope->count <= c->count) {
        const bool changed = c->epoch != scope->epoch;
        c->count = scope->count;
        c->bytes = scope->bytes;
        c->scope_count = scope->scope_count;
        if (changed)
            apply(c, scope->epoch);
    }
    leave(c);
}

/* Takes field i, which is of the innermost scope, out of the stack. */
static void take_out(struct context *c, uint32_t i)
{
    struct bound *const b = &c->bound[i];
    const uint32_t size = b->name_len + (b->value != UINT16_MAX ? b->len : 0);
    memmove(c->heap + b->name, c->heap + b->name + size, c->bytes - b->name - size);
    c->bytes -= size;
    memmove(b, b + 1, (c->count - i - 1) * sizeof *b);
    c->count--;
    for (uint32_t k = i; k < c->count; k++) {
        c->bound[k].name = (uint16_t)(c->bound[k].name - size);
        if (c->bound[k].value != UINT16_MAX)
            c->bound[k].value = (uint16_t)(c->bound[k].value - size);
    }
}

int fapilog_context_set(const struct fapilog_field *field)
{
    int r = field && fapilogi_field_ok(field) ? 0 : -EINVAL;
    struct context *c = r < 0 ? NULL : enter(&r);
    if (!c)
        return r;
    const struct context before = *c; /* the field may not fit once its predecessor is out */
    for (uint32_t i = c->scope_count; i < c->count; i++) {
        if (c->bound[i].name_len == field->name.len &&
            memcmp(c->heap + c->bound[i].name, field->name.data, field->name.len) == 0) {
            take_out(c, i);
            break;
        }
    }
    r = append(c, field);
    if (r < 0)
        *c = before;
    else
        apply(c, next_epoch());
    leave(c);
    return r;
}

void fapilog_context_clear(void)
{
    int error;
    struct context *c = context ? enter(&error) : NULL;
    if (!c)
        return;
    c->count = c->bytes = c->scope_count = 0;
    c->clears++;
    apply(c, 0);
    leave(c);
}

size_t fapilogi_context_size(void)
{
    const struct context *c = readable();
    return c ? c->list_size : 0;
}

uint32_t fapilogi_context_count(void)
{
    const struct context *c = readable();
    return c ? c->list_count : 0;
}

uint32_t fapilogi_context_epoch(void)
{
    const struct context *c = readable();
    return c ? c->epoch : 0;
}

void fapilogi_context_put(uint8_t *to)
{
    const struct context *c = readable();
    size_t at = 0;
    for (uint32_t i = 0; c && i < c->count; i++) {
        if (visible(c, i)) {
            const struct fapilog_field f = field_of(c, i);
            at = fapilogi_list_put(to, at, &f);
        }
    }
}

void fapilogi_context_thread_exit(void)
{
    struct context *c = context;
    context = NULL;
    if (c)
        (void)munmap(c, sizeof *c);
}
