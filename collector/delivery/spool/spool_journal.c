/* Images on their way through the journal: into it at once, out of it into the files while others do their work. */
#include "collector/delivery/spool/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <inttypes.h>

enum {
    DRAIN_WORTH = 256 << 10,        /* a write: each costs a wake-up on another CPU */
    DRAIN_BYTES = 2 << 20,          /* at most */
    CROWDED = JOURNAL_AREA / 4 * 3, /* the kernel's workers do not follow: this thread writes */
    PART_OF_LIMIT = 4,              /* it is longer than that of spool_max_bytes: not used */
};
#define DRAIN_NS (10 * NS_PER_MS)   /* what is not as much waits for so long */
#define AGAIN_NS NS_PER_S           /* after a failed write */
#define CREATE_AGAIN_NS (10 * NS_PER_S)

bool spool_journal_waits(const struct spool *s)
{
    return s->journal.map && !journal_is_empty(&s->journal);
}

/* What an earlier run has left in it, but for what is in files: up to `found`. */
void spool_journal_open(struct spool *s, uint64_t found)
{
    struct err e;
    uint32_t lost;
    const int r = journal_open(&s->journal, s->log.dir, &s->log.head, found, &lost, &e);
    if (r == -ENOENT)
        return;
    s->is_journal_left = r < 0;
    if (r < 0)
        spool_say(s, "%s; it is left alone", e.text);
    if (lost)
        spool_say(s, "%" PRIu32 " damaged blocks in the journal", lost);
    if (!spool_journal_waits(s))
        return;
    for (uint64_t i = s->journal.first; i < s->journal.next; i++) {
        const struct journal_block *b = journal_at(&s->journal, i);
        struct spool_block_head h;
        size_t at = 0;
        s->journal_part.live += cursor_unsettled(&s->cursor, i, b->records);
        if (b->bytes && spool_block_find(s->journal.area + b->offset, b->bytes, SPOOL_ENTRIES, &at, &h))
            seglog_date(&s->journal_part, h.time_ns);
    }
    s->counts.records += s->journal_part.live;
    if (s->log.next_sequence < s->journal.next)
        s->log.next_sequence = s->journal.next;
    seglog_drop_begun(&s->log, s->journal.first);
}

static bool is_ready(struct spool *s)
{
    struct err e;
    if (s->log.sync == SINK_SYNC_ALWAYS || s->cfg.delivery->spool_max_bytes / PART_OF_LIMIT < JOURNAL_AREA)
        return false;
    if (s->journal.map)
        return true;
    const uint64_t now = clock_mono_ns();
    if (s->is_journal_left || now < s->journal_again_ns)
        return false;
    s->journal_again_ns = now + CREATE_AGAIN_NS;
    const int r = journal_create(&s->journal, s->log.dir, &s->log.head, &e);
    if (r < 0 && !s->was_told_journal)
        spool_say(s, "%s; goes on without a journal, which takes more of the collector's time", e.text);
    s->was_told_journal = r < 0;
    return r == 0;
}

/* Somebody has cut the file: what was in it is gone. */
static void journal_lose(struct spool *s)
{
    const uint64_t records = s->journal_part.live - s->journal_part.held;
    spool_say(s, "its journal was cut while it was in use; %" PRIu64 " records are counted as dropped", records);
    spool_lose(s, &s->journal_part, records, &s->counts.dropped_corrupt);
    s->journal_error = 0;
    s->drain_ns = 0;
    s->is_put_blocked = false;
    journal_discard(&s->journal, s->log.dir);
}

static void damage_see(struct spool *s)
{
    if (s->journal.map && !s->drain_blocks && journal_is_damaged(&s->journal))
        journal_lose(s);
}

int spool_journal_put(struct spool *s, struct spool_block_head *h, const struct iovec *piece, uint32_t count)
{
    int r = -ENOTSUP;
    damage_see(s);
    const bool is_first = !spool_journal_waits(s);
    if (!s->group.total && !s->group.records && is_ready(s))
        r = s->journal_error ? s->journal_error : journal_add(&s->journal, h, piece, count);
    if (r == 0) {
        s->log.next_sequence++;
        s->counts.records += h->records;
        s->journal_part.live += h->records;
        s->journal_part.youngest_ns = (int64_t)clock_boot_ns();
        if (is_first)
            s->journal_part.oldest_ns = s->journal_part.youngest_ns;
        return 0;
    }
    if (r == -ENOTSUP && spool_journal_waits(s))
        r = -EAGAIN; /* what is to be written directly comes after what lies in it */
    s->is_put_blocked |= r == -EAGAIN;
    return r;
}

int spool_journal_blocks(struct spool *s)
{
    if (!spool_journal_waits(s))
        return 0;
    s->is_put_blocked = !s->journal_error;
    return s->journal_error ? s->journal_error : -EAGAIN;
}

static void drain_failed(struct spool *s, int error, uint64_t now_ns)
{
    s->journal_error = error;
    s->is_mended = false;
    s->is_put_blocked = false; /* whoever tries is told */
    s->drain_ns = now_ns + AGAIN_NS;
}

static bool is_due(struct spool *s, uint64_t now_ns)
{
    if (!spool_journal_waits(s) || s->log.step != SEGLOG_IDLE)
        return false;
    if (!s->drain_ns)
        s->drain_ns = now_ns + DRAIN_NS;
    if (s->journal_error)
        return now_ns >= s->drain_ns;
    return now_ns >= s->drain_ns || s->is_put_blocked || s->journal.bytes >= DRAIN_WORTH;
}

/* What comes faster than one write in DRAIN_NS is not read while it is in the page cache, and to keep it there
 * would take time from those who write beside us: the kernel is to write it to disk at once. */
static bool is_much(const struct spool *s, size_t len)
{
    return len >= DRAIN_WORTH && s->log.sync != SINK_SYNC_NEVER;
}

/* The oldest blocks of which nothing is left to deliver need no file. */
static void pass_settled(struct spool *s)
{
    const struct spool_block *b;
    if (!spool_journal_waits(s) || s->drain_blocks)
        return;
    while (!journal_is_empty(&s->journal) && s->journal.first < s->reader.sequence &&
           (!(b = spool_held(s, s->journal.first)) || !b->left))
        journal_release(&s->journal, 1);
    if (!journal_is_empty(&s->journal))
        return;
    s->journal_error = 0; /* nobody would try again; that it works is not known */
    s->drain_ns = 0;
    s->is_put_blocked = false;
}

void spool_journal_start(struct spool *s, uint64_t now_ns)
{
    const uint64_t part = s->cfg.delivery->spool_max_bytes / PART_OF_LIMIT;
    const char *blocks;
    size_t len;
    pass_settled(s);
    if (!is_due(s, now_ns))
        return;
    s->drain_ns = 0;
    s->drain_blocks = journal_peek(&s->journal, part < DRAIN_BYTES ? part : DRAIN_BYTES, &blocks, &len,
                                   &s->drain_records);
    spool_make_room(s, len);
    s->log.is_inline = s->journal.bytes > CROWDED;
    s->log.is_uncached = is_much(s, len);
    int r = seglog_add_sealed(&s->log, blocks, len, s->journal.first, s->drain_records);
    if (r == 0)
        r = seglog_start(&s->log);
    if (r == 0)
        return;
    s->drain_blocks = 0;
    if (r == -EBUSY) /* files are on their way to the disk: soon there are fewer */
        s->drain_ns = now_ns + DRAIN_NS;
    else
        drain_failed(s, r, now_ns);
}

uint64_t spool_journal_deadline(const struct spool *s)
{
    return spool_journal_waits(s) && s->log.step == SEGLOG_IDLE ? s->drain_ns : UINT64_MAX;
}

/* The block lies in a file now: what is live in it is the file's. */
static void move_live(struct spool *s, uint64_t sequence)
{
    struct seglog_segment *to = s->log.last;
    struct spool_block *b = spool_held(s, sequence);
    uint64_t live = 0;
    if (b && b->left) {
        live = b->left;
        s->journal_part.held -= b->left - b->forgotten;
        to->held += b->left - b->forgotten;
        b->seg = to;
        to->pins++;
        seglog_unpin(&s->journal_part);
    } else if (sequence >= s->reader.sequence) {
        live = cursor_unsettled(&s->cursor, sequence, journal_at(&s->journal, sequence)->records);
    }
    CHECK(s->journal_part.live >= live);
    s->journal_part.live -= live;
    to->live += live;
}

void spool_journal_end(struct spool *s, uint64_t now_ns)
{
    const int r = s->drain_blocks ? seglog_poll(&s->log) : -EAGAIN;
    if (r != -EAGAIN) {
        if (r == 0) {
            for (uint32_t i = 0; i < s->drain_blocks; i++)
                move_live(s, s->journal.first + i);
            s->log.last->end_sequence = s->journal.first + s->drain_blocks;
            journal_release(&s->journal, s->drain_blocks);
            s->journal_error = 0;
            s->is_mended = true;
        } else if (r == -EFAULT) {
            s->journal.damaged = 1;
        } else {
            drain_failed(s, r, now_ns);
        }
        s->drain_blocks = 0;
        s->is_put_blocked = false;
    }
    damage_see(s);
}

int spool_trouble(const struct spool *s)
{
    return s->journal_error;
}

bool spool_is_mended(const struct spool *s)
{
    return s->is_mended;
}
