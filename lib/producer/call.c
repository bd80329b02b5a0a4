/* The log calls that the inline code cannot finish by itself. Signal safe; errno is kept.
 *
 * Most calls need no more than the next block: block.c has tried that before they come here.
 *
 *   own lane, fits a block        -> room is made, the arguments are stored in place
 *   own lane, larger              -> scratch memory, then a chain of fragments
 *   inside another log call, no lane of its own, or more than a quarter of a lane
 *                                 -> a shared lane, in place or as a chain; the record brings its tid and
 *                                    its context with it
 *   no segment                    -> scratch memory, then fapilogi_sink() */
#include "lib/producer/internal.h"
#include "lib/producer/mode.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEADER = sizeof(struct fapilog_record_header) };

/* What goes between the header and the arguments. */
struct extensions {
    uint64_t ext;     /* struct fapilog_ext, 0: none */
    uint32_t tid;     /* 0: none */
    uint32_t context; /* bytes of the inline context list, 0: none */
};

static size_t extensions_size(const struct extensions *x)
{
    return (x->ext ? 8 : 0) + (x->tid ? 8 : 0) + (x->context ? 8 + align_up(x->context, 8) : 0);
}

static uint64_t extensions_flags(const struct extensions *x)
{
    return (uint64_t)((x->ext ? FAPILOG_FLAG_EXT : 0) | (x->tid ? FAPILOG_FLAG_TID : 0) |
                      (x->context ? FAPILOG_FLAG_CONTEXT : 0))
           << 25;
}

static uint8_t *put_extensions(uint8_t *to, const struct extensions *x)
{
    if (x->ext) {
        memcpy(to, &x->ext, 8);
        to += 8;
    }
    if (x->tid) {
        const uint64_t wide = x->tid;
        memcpy(to, &wide, 8);
        to += 8;
    }
    if (x->context) {
        const uint32_t head[2] = {x->context, fapilogi_context_count()};
        memcpy(to, head, 8);
        fapilogi_context_put(to + 8);
        to += 8 + align_up(x->context, 8);
    }
    return to;
}

static struct extensions shared_extensions(const struct fapilogi_logger *log)
{
    return (struct extensions){.ext = log->ext | (uint64_t)fapilogi_context_epoch() << 32,
                               .tid = (uint32_t)syscall(SYS_gettid),
                               .context = (uint32_t)fapilogi_context_size()};
}

static void leave(const struct call *c)
{
    struct writer *self = c->self;
    FAPILOGI_BARRIER();
    if (c->nested)
        return;
    if (self)
        self->hot.busy = self->idle;
    else
        fapilogi_inside = false;
}

/* Shared lanes that have not been found full yet. */
struct shared_search {
    uint32_t lanes;
};

/* The next one, locked; NULL: the search is over, and the record has been counted as refused. */
static struct writer *next_shared(const struct call *c, struct shared_search *search, size_t size)
{
    struct writer *w = search->lanes ? fapilogi_shared_lock(c, search->lanes) : NULL;
    if (!w && search->lanes)
        fapilogi_orphan(size);
    return w;
}

/* The lane, which is locked, has no room: if it was the last one, the record is counted there. */
static void found_full(struct writer *w, struct shared_search *search, size_t size)
{
    search->lanes &= ~(1u << w->index);
    if (!search->lanes)
        fapilogi_drop(w, size);
}

static bool urgent(const struct call *c)
{
    return FAPILOG_WORD0_LEVEL(c->word0) >= FAPILOG_LEVEL_ERROR;
}

/* ---- in place -------------------------------------------------------------------------------------- */

/* `c` is a template; the call lives in the writer of the lane, which is ours. NULL: the lane is full. */
static struct fapilogi_pending *begin_in_place(struct writer *w, const struct call *c, const struct extensions *x)
{
    struct call *mine = &w->call;
    *mine = *c;
    mine->target = w;
    mine->mapped = 0;
    mine->size = HEADER + extensions_size(x) + align_up(c->args_size, 8);
    if (!fapilogi_reserve(w, mine->size, urgent(c), !c->may_not_wait))
        return NULL;
    mine->cycles = clock_now(process.clock_kind);
    const struct fapilog_record_header head = {mine->word0 | mine->size / 8 | extensions_flags(x), mine->cycles};
    uint8_t *to = w->hot.data + (w->hot.tail & w->hot.mask);
    memcpy(to, &head, HEADER);
    mine->pending.args = put_extensions(to + HEADER, x);
    return &mine->pending;
}

/* ---- in scratch memory ------------------------------------------------------------------------------ */

static struct fapilogi_pending *begin_scratch(const struct call *c, const struct extensions *x)
{
    const size_t payload = extensions_size(x) + align_up(c->args_size, 8);
    const size_t mapped = align_up(sizeof(struct scratch) + payload, 4096);
    struct scratch *s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return NULL;
    s->call = *c;
    s->call.mapped = mapped;
    s->call.cycles = clock_now(process.clock_kind);
    s->call.word0 = c->word0 | extensions_flags(x);
    s->call.size = extensions_size(x) + c->args_size;
    s->call.pending.args = put_extensions(s->payload, x);
    return &s->call.pending;
}

/* True: the memory has been taken over. `ret_written`: false when it was dropped, and counted. */
static bool finish_scratch(struct scratch *s, bool *ret_written)
{
    struct call *c = &s->call;
    if (s->call.size > FAPILOG_RECORD_BYTES_MAX)
        fapilogi_cut(s);
    s->word0 = c->word0;
    s->cycles = c->cycles;
    s->length = c->size;
    if (process.mode != MODE_RING)
        return fapilogi_sink(s);
    const size_t len = offsetof(struct scratch, payload) - offsetof(struct scratch, word0) + c->size;
    const uint8_t *data = (const uint8_t *)&s->word0;
    const bool fits = c->size <= FAPILOG_RECORD_BYTES_MAX; /* else it could not be cut, and no reader would take it */
    if (c->target) {
        *ret_written = fits && fapilogi_chain(c->target, data, len, c, true);
        if (!*ret_written)
            fapilogi_drop(c->target, len);
        return false;
    }
    *ret_written = false;
    if (!fits) {
        fapilogi_orphan(len);
        return false;
    }
    const bool jumbo = c->size > (UINT64_C(1) << process.geometry.cap_log2) / 4;
    struct shared_search search = {jumbo ? FAPILOGI_JUMBO_LANE : FAPILOGI_COMMON_LANES};
    for (struct writer *w; !*ret_written && (w = next_shared(c, &search, len));) {
        *ret_written = fapilogi_chain(w, data, len, c, !c->may_not_wait);
        if (!*ret_written)
            found_full(w, &search, len);
        fapilogi_shared_unlock(w);
    }
    return false;
}

/* ---- choosing --------------------------------------------------------------------------------------- */

static struct fapilogi_pending *begin_shared(const struct fapilogi_logger *log, const struct call *c, bool jumbo)
{
    const struct extensions x = shared_extensions(log);
    const size_t size = HEADER + extensions_size(&x) + align_up(c->args_size, 8);
    struct call mine = *c;
    if (jumbo || size > fapilogi_reserve_max(&process.area->shared[1])) {
        struct fapilogi_pending *p = begin_scratch(&mine, &x);
        if (!p)
            fapilogi_orphan(size);
        return p;
    }
    struct shared_search search = {FAPILOGI_COMMON_LANES};
    for (struct writer *w; (w = next_shared(&mine, &search, size));) {
        struct fapilogi_pending *p = begin_in_place(w, &mine, &x);
        if (p)
            return p;
        found_full(w, &search, size);
        fapilogi_shared_unlock(w);
    }
    return NULL;
}

static struct fapilogi_pending *begin_own(struct writer *w, const struct fapilogi_logger *log, struct call *c)
{
    const struct extensions x = {.ext = log->ext | w->hot.ext};
    const size_t size = HEADER + extensions_size(&x) + align_up(c->args_size, 8);
    if (size <= fapilogi_reserve_max(w)) {
        struct fapilogi_pending *in_place = begin_in_place(w, c, &x);
        if (!in_place)
            fapilogi_drop(w, size);
        return in_place;
    }
    if (size > w->cap / 4)
        return begin_shared(log, c, true);
    c->target = w;
    struct fapilogi_pending *p = begin_scratch(c, &x);
    if (!p)
        fapilogi_drop(w, size);
    return p;
}

static struct fapilogi_pending *begin_without_segment(const struct fapilogi_logger *log, struct call *c)
{
    const struct extensions x = shared_extensions(log);
    return begin_scratch(c, &x);
}

/* `word0` has kind, level and schema. */
struct fapilogi_pending *fapilogi_begin_slow(const struct fapilogi_logger *log, uint64_t word0, size_t args_size)
{
    struct writer *w = self_writer();
    struct call c = {.word0 = word0, .args_size = args_size};
    c.nested = fapilogi_inside || (w && (w->hot.busy & 1));
    if (c.nested)
        c.word0 |= (uint64_t)FAPILOG_FLAG_NESTED << 25;
    if (process.mode != MODE_RING)
        return begin_without_segment(log, &c);
    if (!c.nested && (!w || !w->attached))
        w = fapilogi_attach();
    c.self = w;
    c.may_not_wait = c.nested || self_realtime();
    if (!c.nested) {
        if (w)
            w->hot.busy |= 1;
        else
            fapilogi_inside = true;
        FAPILOGI_BARRIER(); /* a signal handler from here on leaves the lane alone, and does not wait for us */
    }
    struct fapilogi_pending *p =
        w && w->lane && !c.nested ? begin_own(w, log, &c) : begin_shared(log, &c, false);
    if (!p)
        leave(&c);
    return p;
}

struct fapilogi_pending *fapilogi_begin_any(const struct fapilogi_logger *log, struct fapilog_site_desc *site,
                                            uint32_t level, size_t args_size)
{
    const int saved = errno;
    struct fapilogi_pending *p = NULL;
    if (fapilogi_ready()) {
        /* order: acquire, pairs with R1 - the entry is complete */
        uint32_t id = load_acq(&site->id);
        if (id == 0)
            id = fapilogi_register_site(site);
        if (id)
            p = fapilogi_begin_slow(log, FAPILOG_WORD0(0, FAPILOG_KIND_EVENT, level & 31, 0, id), args_size);
        else
            fapilogi_count_unregistered();
    }
    errno = saved;
    return p;
}

/* Whether there is anywhere to write to; in a forked child, makes its segment first. */
bool fapilogi_ready(void)
{
    const uint32_t mode = mode_now();
    if (mode == MODE_RING && process.area->generation == 0)
        return fapilogi_child();
    return mode != MODE_CLOSED;
}

__attribute__((noinline)) static bool end_scratch(struct call *c)
{
    const int saved = errno;
    const struct call copy = *c;
    bool is_written = true;
    if (!finish_scratch((struct scratch *)c, &is_written))
        (void)munmap(c, copy.mapped);
    leave(&copy);
    if (urgent(&copy))
        fapilogi_urgent();
    errno = saved;
    return is_written;
}

bool fapilogi_finish_slow(struct fapilogi_pending *pending)
{
    struct call *c = (struct call *)pending;
    if (unlikely(c->mapped))
        return end_scratch(c);
    struct writer *w = c->target;
    const bool is_urgent = urgent(c), is_shared = w != c->self;
    const struct call copy = {.self = c->self, .nested = c->nested};
    fapilogi_commit(w, w->hot.tail + c->size);
    if (unlikely(is_shared))
        fapilogi_shared_unlock(w);
    leave(&copy);
    if (unlikely(is_urgent))
        fapilogi_urgent();
    return true;
}

void fapilogi_finish(struct fapilogi_pending *pending)
{
    (void)fapilogi_finish_slow(pending);
}
