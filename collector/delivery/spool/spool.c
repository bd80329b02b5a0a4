#include "collector/delivery/spool/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIDY_NS NS_PER_S

void spool_say(struct spool *s, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (s->cfg.on_message)
        s->cfg.on_message(s->cfg.message_arg, text);
}

struct spool_block *spool_block_new(void)
{
    return calloc(1, sizeof(struct spool_block));
}

/* The last block up to `sequence`. Whoever writes asks for the end, the reader for what lies where it stands, the
 * journal for one of its few right before that: nobody walks over what has gathered elsewhere. */
static struct spool_block *held_up_to(const struct spool *s, uint64_t sequence)
{
    struct spool_block *b = s->held_last;
    if (!b || b->sequence <= sequence)
        return b;
    if (s->held_unread && s->held_unread->sequence <= sequence) {
        for (b = s->held_unread; b->next->sequence <= sequence;)
            b = b->next;
        return b;
    }
    for (b = s->held_unread ? s->held_unread->prev : b; b && b->sequence > sequence;)
        b = b->prev;
    return b;
}

void spool_hold(struct spool *s, struct spool_block *b)
{
    struct spool_block *const prev = held_up_to(s, b->sequence), **const at = prev ? &prev->next : &s->held;
    b->prev = prev;
    b->next = *at;
    *at = b;
    *(b->next ? &b->next->prev : &s->held_last) = b;
    if (b->sequence >= s->reader.sequence && (!s->held_unread || b->sequence < s->held_unread->sequence))
        s->held_unread = b;
    b->seg->pins++;
    b->seg->held += b->left;
    cursor_begin(&s->cursor, b->sequence);
}

struct spool_block *spool_held(const struct spool *s, uint64_t sequence)
{
    struct spool_block *b = held_up_to(s, sequence);
    return b && b->sequence == sequence ? b : NULL;
}

static void held_remove(struct spool *s, struct spool_block *b)
{
    *(b->prev ? &b->prev->next : &s->held) = b->next;
    *(b->next ? &b->next->prev : &s->held_last) = b->prev;
    free(b);
}

static void block_unpin(struct spool_block *b)
{
    if (b->seg)
        seglog_unpin(b->seg);
    b->seg = NULL;
}

void spool_advance(struct spool *s)
{
    while (s->held_unread && s->held_unread->sequence < s->reader.sequence) {
        struct spool_block *b = s->held_unread;
        s->held_unread = b->next;
        if (b->left == 0)
            held_remove(s, b);
    }
    const bool is_first = s->held && s->held->sequence < s->reader.sequence;
    const uint64_t base = is_first ? s->held->sequence : s->reader.sequence, left = s->log.left_sequence;
    cursor_set_base(&s->cursor, left && left < base ? left : base); /* what is left alone is not settled */
}

bool spool_is_settled(const struct spool *s, const struct spool_block *b, uint32_t index)
{
    return cursor_is_settled(&s->cursor, b->sequence, index);
}

/* The reader has to know it as long as it has not come by. */
static void block_settled(struct spool *s, struct spool_block *b)
{
    s->evicted -= b->evicted != NULL;
    block_unpin(b);
    if (b->sequence < s->reader.sequence)
        held_remove(s, b);
}

void spool_settle(struct spool *s, struct spool_block *b, uint32_t index)
{
    CHECK(b->left > 0 && b->seg->live > 0 && s->counts.records > 0);
    cursor_settle(&s->cursor, b->sequence, index);
    b->left--;
    b->seg->live--;
    b->seg->held--;
    s->is_file_done |= b->seg->live == 0;
    s->counts.records--;
    if (b->left > 0)
        return;
    const uint64_t sequence = b->sequence;
    block_settled(s, b);
    spool_advance(s);
    if (sequence >= s->cursor.base) /* an older one holds the base back, or a file that is left alone */
        cursor_settle_whole(&s->cursor, sequence);
}

bool spool_has_evicted(const struct spool *s)
{
    return s->evicted > 0;
}

void spool_give_up(struct spool *s, struct spool_block *b, uint32_t index)
{
    CHECK(b->evicted != NULL);
    ++*b->evicted;
    spool_settle(s, b, index);
}

void spool_forget(struct spool *s, struct spool_block *b, uint32_t index)
{
    if (b->evicted) {
        spool_give_up(s, b, index);
        return;
    }
    b->forgotten++;
    b->seg->held--;
}

void spool_lose(struct spool *s, struct seglog_segment *seg, uint64_t records, uint64_t *counter)
{
    CHECK(seg->live >= records && s->counts.records >= records);
    seg->live -= records;
    s->is_file_done |= seg->live == 0;
    s->counts.records -= records;
    *counter += records;
}

/* Of their records, those in memory are their owner's to give up or to settle. */
static void blocks_evict(struct spool *s, const struct seglog_segment *seg, uint64_t *counter)
{
    for (struct spool_block *b = s->held, *next; b; b = next) {
        next = b->next;
        if (b->seg != seg || b->left == 0)
            continue;
        b->left -= b->forgotten;
        b->forgotten = 0;
        b->evicted = counter;
        s->evicted++;
        if (b->left == 0)
            block_settled(s, b);
    }
    spool_advance(s);
}

static bool may_remove(const struct spool *s, const struct seglog_segment *seg)
{
    return seg != s->log.last || !(seglog_is_last_busy(&s->log) || seglog_has_group(&s->log));
}

static bool file_remove(struct spool *s, struct seglog_segment *seg, uint64_t *counter)
{
    seg->pins++;
    const int r = seglog_drop(&s->log, seg);
    if (r == 0) {
        spool_lose(s, seg, seg->live - seg->held, counter);
        blocks_evict(s, seg, counter);
        if (!s->reader.seg || s->reader.seg == seg)
            spool_reader_leave(s);
    }
    seglog_unpin(seg);
    return r == 0;
}

bool spool_evict(struct spool *s, uint64_t *counter)
{
    struct seglog_segment *seg = s->log.first;
    return seg && may_remove(s, seg) && file_remove(s, seg, counter);
}

/* Whether the reader has met all that the file holds, and goes on without it. The last file is left to it while there
 * are others: there it waits for what comes next. */
static bool is_read(const struct spool *s, const struct seglog_segment *seg)
{
    const struct spool_reader *r = &s->reader;
    if (r->seg != seg)
        return true; /* it lies before that one */
    return r->offset >= seg->bytes && !r->is_reading && (seg->next || seg == s->log.first);
}

/* All that it held is settled or counted, also blocks that were damaged, which nobody must miss when they are gone
 * while an older one holds the cursor's base back. */
static void file_done(struct spool *s, const struct seglog_segment *seg)
{
    const uint64_t most = seg->sequence + SEGLOG_SKIP, end = seg->end_sequence < most ? seg->end_sequence : most;
    for (uint64_t i = seg->sequence > s->cursor.base ? seg->sequence : s->cursor.base; i < end; i++)
        cursor_settle_whole(&s->cursor, i);
}

static bool is_tidy(const struct spool *s)
{
    const struct seglog_segment *seg = s->reader.seg;
    return !s->is_file_done && !(seg && seg->live == 0 && is_read(s, seg));
}

/* Files of which nothing is left to read or to settle: one record that waits for its answer holds its own file, and no
 * other one. */
void spool_tidy(struct spool *s)
{
    if (!s->reader.seg || is_tidy(s))
        return;
    s->is_file_done = false;
    for (struct seglog_segment *seg = s->log.first, *next; seg; seg = next) {
        const bool is_end = seg == s->reader.seg;
        next = is_end ? NULL : seg->next;
        if (seg->live > 0)
            continue;
        if (!is_read(s, seg) || !may_remove(s, seg)) {
            s->is_file_done |= !is_end;
            continue;
        }
        if (is_end && seg->next)
            spool_reader_leave(s);
        file_done(s, seg);
        if (seg->is_damaged)
            spool_quarantine(s, seg);
        s->is_file_done |= !file_remove(s, seg, &s->counts.dropped_corrupt);
    }
}

bool spool_has_records(const struct spool *s)
{
    return s->counts.records > 0;
}

bool spool_is_busy(const struct spool *s)
{
    return seglog_is_busy(&s->log) || s->reader.is_reading;
}

/* Blocks up to `sequence` have not been found, though it is noted that they were put. One of which something is settled
 * may have been delivered from the journal, and never have been in a file. */
static void gap_see(struct spool *s, uint64_t sequence)
{
    const uint64_t from = s->found_next, to = sequence < s->cursor.noted ? sequence : s->cursor.noted;
    const uint32_t touched = to > from ? cursor_touched(&s->cursor, from, to) : 0;
    if (to > from && to - from > touched && to - from < SEGLOG_SKIP / 2) /* more have never been there */
        s->missing += to - from - touched;
    s->found_next = sequence + 1 > s->found_next ? sequence + 1 : s->found_next;
}

static void on_found(void *arg, struct seglog_segment *seg, const struct spool_block_head *h)
{
    struct spool *s = arg;
    const uint32_t live = cursor_unsettled(&s->cursor, h->sequence, h->records);
    gap_see(s, h->sequence);
    s->found_sequence = h->sequence > s->found_sequence ? h->sequence : s->found_sequence;
    seg->end_sequence = h->sequence + 1;
    seg->live += live;
    s->counts.records += live;
}

static void log_config(const struct spool *s, struct seglog_config *ret)
{
    const struct sink_delivery *d = s->cfg.delivery;
    const uint64_t part = d->spool_max_bytes / SINK_SPOOL_FILES_MIN;
    *ret = (struct seglog_config){
        .io = s->cfg.io, .dir = s->cfg.dir, .suffix = SPOOL_SUFFIX, .kind = SPOOL_ENTRIES, .sink = s->cfg.sink,
        .format = s->cfg.format, .sync = d->spool_sync, .sync_interval_ns = d->spool_sync_interval_ns,
        .segment_bytes = d->spool_segment_bytes < part ? d->spool_segment_bytes : part,
    };
}

static void found_report(struct spool *s)
{
    if (s->log.foreign)
        spool_say(s, "%s: %u files hold records for another kind of sink or another format than %s and are left "
                     "alone; run a sink of that kind on this directory, or remove them", s->cfg.dir, s->log.foreign,
                  s->cfg.format);
    if (s->log.unreadable)
        spool_say(s, "%s: %u files cannot be read and are left alone, and wait for a run that can: %s", s->cfg.dir,
                  s->log.unreadable, s->log.why.text);
    if (s->missing && !s->log.foreign && !s->log.unreadable)
        spool_say(s, "%s: %" PRIu64 " blocks that were put here are gone: files were removed, cut or damaged; what "
                     "they held is lost, and how many records that were is not known", s->cfg.dir, s->missing);
}

/* Also those that the journal still has, and those at the end. */
static void gaps_see(struct spool *s)
{
    for (uint64_t i = s->journal.first; i < s->journal.next; i++)
        if (s->journal.map && journal_at(&s->journal, i)->bytes)
            gap_see(s, i);
    gap_see(s, s->cursor.noted);
    if (s->missing && !s->counts.records) { /* nothing is left that the reader could pass them with */
        s->reader.sequence = s->log.next_sequence;
        spool_advance(s);
    }
}

/* Those before are taken, whatever has become of the files. */
static void numbers_skip(struct spool *s, uint64_t next)
{
    if (s->log.next_sequence < next)
        s->log.next_sequence = next;
}

/* Of those before, that they are gone means nothing. */
static uint64_t found_begin(const struct cursor *c)
{
    const uint64_t kept = cursor_kept_from(c), base = c->base ? c->base : 1;
    return kept > base ? kept : base;
}

/* The directory is ours. */
static void settled_open(struct spool *s)
{
    struct err why;
    cursor_open(&s->cursor, s->log.dir, &why);
    if (why.code && s->cursor.file)
        spool_say(s, "%s", why.text);
    else if (why.code)
        spool_say(s, "%s; after a crash records that were delivered may be sent again", why.text);
    s->found_next = found_begin(&s->cursor);
}

static int files_open(struct spool *s, struct err *e)
{
    struct seglog_config log;
    log_config(s, &log);
    int r = seglog_open(&s->log, &log, e);
    if (r < 0)
        return r;
    s->cfg.dir = s->log.dir; /* the caller's need not last */
    settled_open(s);
    r = seglog_find(&s->log, on_found, s, e);
    if (r < 0)
        cursor_close(&s->cursor);
    return r;
}

int spool_open(const struct spool_config *cfg, struct spool **ret, struct err *e)
{
    struct spool *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "spool: out of memory");
    s->cfg = *cfg;
    s->reader.fd = -1;
    s->journal.guard = -1;
    s->journal_part.pins = 1;
    s->group.last = &s->group.first;
    const int r = files_open(s, e);
    if (r < 0) {
        free(s);
        return err_wrap(e, r, "spool");
    }
    numbers_skip(s, s->cursor.base);
    numbers_skip(s, s->cursor.noted);
    numbers_skip(s, cursor_next(&s->cursor));
    s->reader.sequence = s->cursor.base;
    if (s->found_sequence + 1 < s->cursor.base)
        s->found_sequence = s->cursor.base - 1;
    spool_journal_open(s, s->found_sequence);
    gaps_see(s);
    if (!s->cursor.noted)
        spool_set_noted(s);
    s->counts.found = s->counts.records;
    found_report(s);
    *ret = s;
    return 0;
}

static void cursor_again(struct spool *s)
{
    struct err e;
    const bool was_cut = cursor_was_cut(&s->cursor);
    if (was_cut && cursor_mend(&s->cursor, s->cfg.dir, &e) < 0)
        spool_say(s, "%s/" CURSOR_FILE " was cut while it was in use, and cannot be made again now: %s; after a crash "
                     "records that were delivered may be sent again", s->cfg.dir, e.text);
    else if (was_cut)
        spool_say(s, "%s/" CURSOR_FILE " was cut while it was in use; it is made again, and nothing is missing in it",
                  s->cfg.dir);
    else if (!s->cursor.file && cursor_mend(&s->cursor, s->cfg.dir, &e) == 0)
        spool_say(s, "%s: what is delivered is kept across a crash now", s->cfg.dir);
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    spool_reader_close(s);
    spool_journal_end(s, clock_mono_ns());
    for (struct spool_block *b = s->held, *next; b; b = next) {
        next = b->next;
        block_unpin(b);
        free(b);
    }
    for (struct spool_block *b = s->group.first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(s->group.open);
    free(s->group.raw);
    journal_close(&s->journal, s->log.dir);
    cursor_again(s);
    seglog_close(&s->log); /* gives up the directory's lock */
    cursor_close(&s->cursor);
    free(s);
}

static void age_limit(struct spool *s)
{
    const uint64_t max = s->cfg.delivery->spool_max_age_ns;
    if (max == OPT_UNSET)
        return;
    const int64_t now = (int64_t)clock_boot_ns();
    while (s->log.first && s->log.first->records && now - s->log.first->youngest_ns > (int64_t)max &&
           !s->reader.is_reading && spool_evict(s, &s->counts.dropped_age))
        ;
}

static void log_options(struct spool *s)
{
    struct seglog_config cfg;
    log_config(s, &cfg);
    s->log.segment_bytes = cfg.segment_bytes;
    s->log.sync = cfg.sync;
    s->log.sync_interval_ns = cfg.sync_interval_ns;
}

void spool_tick(struct spool *s, uint64_t now_ns)
{
    spool_journal_end(s, now_ns);
    const int r = seglog_tick(&s->log, now_ns);
    if (r < 0 && !s->was_told_sync)
        spool_say(s, "fdatasync: %s; records are on their way to the disk and not yet safe there", strerror(-r));
    s->was_told_sync = r < 0 || (s->was_told_sync && r == 0);
    spool_tidy(s);
    if (now_ns >= s->tidy_ns) {
        s->tidy_ns = now_ns + TIDY_NS;
        cursor_again(s);
        if (s->log.step == SEGLOG_IDLE && !seglog_has_group(&s->log)) {
            log_options(s);
            age_limit(s);
        }
    }
    spool_journal_start(s, now_ns);
}

uint64_t spool_deadline(const struct spool *s)
{
    const uint64_t sync = seglog_deadline(&s->log), tidy_ns = s->counts.records ? s->tidy_ns : UINT64_MAX;
    const uint64_t again = s->reader.again_ns ? s->reader.again_ns : UINT64_MAX;
    const uint64_t drain = spool_journal_deadline(s);
    const uint64_t first = sync < tidy_ns ? sync : tidy_ns, second = again < drain ? again : drain;
    return first < second ? first : second;
}

void spool_counts(const struct spool *s, struct spool_counts *ret)
{
    *ret = s->counts;
    ret->bytes = s->log.bytes;
}
