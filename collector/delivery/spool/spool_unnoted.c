/* At the start: blocks that the last run has put and had no time to take note of, out of the files and the journal. */
#include "collector/delivery/spool/internal.h"

#include "lib/base/cleanup.h"

#include <errno.h>
#include <string.h>

/* The ring gives again what is damaged here; the reader tells of it. */
static int unless_damaged(int r)
{
    return r == -EBADMSG ? 0 : r;
}

static int block_tell(struct spool_file *f, const struct spool_block_head *h, spool_unnoted_fn *func, void *arg)
{
    const char *raw;
    const int r = spool_file_load(f, h, &raw);
    if (r == 0)
        func(arg, h, raw);
    return unless_damaged(r);
}

static int file_tell(const struct spool *s, const struct seglog_segment *seg, spool_unnoted_fn *func, void *arg)
{
    struct spool_file f;
    struct spool_block_head h;
    struct err e;
    char path[PATH_MAX];
    seglog_path(&s->log, seg, path);
    int r = spool_file_open(&f, path, SPOOL_ENTRIES, &e);
    if (r < 0)
        return r;
    while (r >= 0 && (r = spool_file_next(&f, &h)) > 0)
        if (h.sequence >= s->cursor.noted)
            r = block_tell(&f, &h, func, arg);
    spool_file_close(&f);
    return r;
}

static int journal_tell(const struct spool *s, spool_unnoted_fn *func, void *arg)
{
    const struct journal *j = &s->journal;
    int r = 0;
    for (uint64_t i = j->first; i < j->next && r == 0; i++) {
        const struct journal_block *b = &j->block[i % JOURNAL_SLOTS];
        struct spool_block_head h;
        if (i < s->cursor.noted || !b->bytes)
            continue;
        memcpy(&h, j->area + b->offset, sizeof h);
        auto_free char *raw = malloc(h.raw_bytes + 1u);
        if (!raw)
            return -ENOMEM;
        r = spool_block_unpack(&h, j->area + b->offset + sizeof h, raw);
        if (r == 0)
            func(arg, &h, raw);
        r = unless_damaged(r);
    }
    return r;
}

void spool_unnoted(struct spool *s, spool_unnoted_fn *func, void *arg)
{
    int r = 0;
    for (const struct seglog_segment *seg = s->log.first; seg && r >= 0; seg = seg->next)
        if (!seg->next || seg->next->sequence > s->cursor.noted)
            r = file_tell(s, seg, func, arg);
    if (r >= 0)
        r = journal_tell(s, func, arg);
    if (r < 0)
        spool_say(s, "%s; records that were spooled right before the end of the last run may come twice",
                  strerror(-r));
}
