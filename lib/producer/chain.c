/* Records larger than a block: a chain of fragments, each inside its block, published by one store of the
 * tail. */
#include "lib/producer/internal.h"

#include "lib/ring/clock.h"

#include <string.h>

enum {
    HEADER = sizeof(struct fapilog_record_header),
    FIRST_MIN = 256, /* less than this at the end of the open block is padded over */
};

/* Room for fragment payload in a fresh block. */
static size_t fresh(const struct writer *w)
{
    return w->block - sizeof(struct fapilog_block) - HEADER;
}

/* In the open block, 0 when the chain starts in a fresh one (as it must when a context record is due). */
static size_t in_open_block(const struct writer *w)
{
    const uint64_t left = block_end(w) - w->hot.tail;
    const bool due = w->index >= FAPILOG_SHARED_LANES && w->written_epoch != (uint32_t)(w->hot.ext >> 32);
    return left < FIRST_MIN || due ? 0 : left - HEADER;
}

/* Position behind the last byte of the chain, were it written now. */
static uint64_t chain_end(const struct writer *w, size_t len)
{
    const size_t open = in_open_block(w);
    if (len <= open)
        return w->hot.tail + HEADER + align_up(len, 8);
    uint64_t at = block_end(w);
    len -= open;
    /* The first fresh block holds a context record too. */
    const size_t first = fapilogi_reserve_max(w) - HEADER;
    if (open == 0) {
        if (len <= first)
            return at + w->block - first + align_up(len, 8);
        at += w->block;
        len -= first;
    }
    const size_t blocks = (len - 1) / fresh(w);
    return at + blocks * w->block + sizeof(struct fapilog_block) + HEADER + align_up(len - blocks * fresh(w), 8);
}

size_t fapilogi_chain_size(const struct writer *w, size_t len)
{
    const size_t blocks = len / fresh(w) + 2;
    return len + blocks * (w->block - fresh(w)) + FIRST_MIN;
}

static void put_fragment(struct writer *w, const uint8_t *data, size_t len, const struct call *c, uint32_t marks)
{
    uint8_t *to = w->hot.data + (w->hot.tail & w->hot.mask);
    const size_t size = HEADER + align_up(len, 8);
    const struct fapilog_record_header head = {
        FAPILOG_WORD0(size / 8, FAPILOG_KIND_FRAGMENT, FAPILOG_WORD0_LEVEL(c->word0),
                      FAPILOG_WORD0_FLAGS(c->word0), marks),
        c->cycles};
    memcpy(to, &head, HEADER);
    memcpy(to + HEADER, data, len);
    w->hot.tail += size;
}

bool fapilogi_chain(struct writer *w, const uint8_t *data, size_t len, const struct call *c, bool may_wait)
{
    const bool urgent = FAPILOG_WORD0_LEVEL(c->word0) >= FAPILOG_LEVEL_ERROR;
    const uint64_t tail = w->hot.tail;
    const uint32_t epoch = w->written_epoch;
    if (!fapilogi_space_until(w, chain_end(w, len), urgent, may_wait))
        return false;
    uint32_t marks = 1;
    size_t room = in_open_block(w);
    while (len) {
        if (room == 0) {
            if (!fapilogi_open_block(w)) {
                /* Nothing is published: the blocks opened so far are free again. */
                w->hot.tail = tail;
                w->written_epoch = epoch;
                return false;
            }
            if (marks & 1)
                fapilogi_context_record(w);
            room = block_end(w) - w->hot.tail - HEADER;
        }
        const size_t part = len < room ? len : room;
        marks |= part == len ? 2 : 0;
        put_fragment(w, data, part, c, marks);
        data += part;
        len -= part;
        marks = 0;
        room = 0;
    }
    fapilogi_commit(w, w->hot.tail);
    fapilogi_room_settle(w);
    return true;
}
