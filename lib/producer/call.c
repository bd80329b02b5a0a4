/* The log calls that the inline code cannot finish by itself. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <string.h>

/* Where the record's header and extensions go; returns the place of the arguments. */
static uint8_t *put_head(uint8_t *to, const struct call *c, uint64_t ext, uint32_t tid)
{
    const struct fapilog_record_header head = {c->word0 | c->size / 8, c->cycles};
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    if (ext) {
        memcpy(to, &ext, 8);
        to += 8;
    }
    if (tid) {
        const uint64_t wide = tid;
        memcpy(to, &wide, 8);
        to += 8;
    }
    return to;
}

static struct fapilogi_pending *begin_own(struct writer *w, const struct fapilog *log, uint64_t word0,
                                          size_t args_size)
{
    struct call *c = &w->call;
    const bool urgent = FAPILOG_WORD0_LEVEL(word0) >= FAPILOG_LEVEL_ERROR;
    const uint64_t ext = log->ext | w->hot.ext;
    c->size = 16 + (ext ? 8 : 0) + ((args_size + 7) & ~(size_t)7);
    c->word0 = word0 | (ext ? (uint64_t)FAPILOG_FLAG_EXT << 25 : 0);
    c->self = c->target = w;
    if (c->size > w->block - sizeof(struct fapilog_block) || !fapilogi_reserve(w, c->size, urgent)) {
        fapilogi_drop(w, c->size);
        w->hot.busy = w->idle;
        return NULL;
    }
    c->cycles = clock_now(process.clock_kind);
    c->pending.args = put_head(w->hot.data + (w->hot.tail & w->hot.mask), c, ext, 0);
    return &c->pending;
}

struct fapilogi_pending *fapilogi_slow(const struct fapilog *log, struct fapilog_site_desc *site,
                                       uint32_t level, size_t args_size)
{
    if (process.mode != MODE_RING)
        return NULL;
    const int saved = errno;
    /* order: acquire, pairs with R1 - the entry is complete */
    uint32_t id = load_acq(&site->id);
    if (id == 0)
        id = fapilogi_register_site(site);
    struct writer *w = (struct writer *)fapilogi_self;
    if (w == &fapilogi_none || !w->lane)
        w = fapilogi_attach();
    struct fapilogi_pending *p = NULL;
    if (id && w && w->lane && !(w->hot.busy & 1)) {
        w->hot.busy |= 1;
        FAPILOGI_BARRIER();
        p = begin_own(w, log, FAPILOG_WORD0(0, FAPILOG_KIND_EVENT, level, 0, id), args_size);
    }
    errno = saved;
    return p;
}

void fapilogi_finish(struct fapilogi_pending *pending)
{
    struct call *c = (struct call *)pending;
    struct writer *w = c->target;
    fapilogi_commit(w, w->hot.tail + c->size, 1);
    FAPILOGI_BARRIER();
    w->hot.busy = w->idle;
    if (FAPILOG_WORD0_LEVEL(c->word0) >= FAPILOG_LEVEL_ERROR)
        fapilogi_urgent();
}
