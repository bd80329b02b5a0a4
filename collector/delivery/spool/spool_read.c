/* Out of the spool: one reader walks over the files in order, finds the next whole block, and steps over what
 * is damaged, settled or too old. */
#include "collector/delivery/spool/internal.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

enum { READ_BYTES = 256 << 10, READ_FAILURES_MAX = 5 };
#define READ_AGAIN_NS NS_PER_S

void spool_reader_close(struct spool *s)
{
    struct spool_reader *r = &s->reader;
    if (r->fd >= 0)
        (void)io_close(s->cfg.io, take_fd(r->fd));
    free(r->buf);
    r->buf = NULL;
    r->len = r->cap = r->at = 0;
}

static void file_close(struct spool *s)
{
    struct spool_reader *r = &s->reader;
    if (r->fd >= 0)
        (void)io_close(s->cfg.io, take_fd(r->fd));
    r->len = r->at = 0;
}

void spool_reader_leave(struct spool *s)
{
    struct spool_reader *r = &s->reader;
    s->is_file_done = true; /* maybe: the next look tells */
    struct seglog_segment *next = r->seg && r->seg->is_listed ? r->seg->next : s->log.first;
    const uint64_t none = spool_journal_waits(s) ? s->journal.first
                          : seglog_has_group(&s->log) ? s->log.group_sequence : s->log.next_sequence;
    const uint64_t sequence = next ? next->sequence : none;
    r->seg = next;
    r->offset = r->want = 0;
    r->failures = 0;
    r->sequence = sequence > r->sequence ? sequence : r->sequence;
    r->is_stale = r->is_reading;
    r->has_result = false;
    if (!r->is_reading)
        file_close(s);
    s->was_told_damage = false;
    spool_advance(s);
}

static bool files_have_unread(const struct spool *s)
{
    const struct seglog_segment *seg = s->reader.seg;
    if (seg && s->reader.offset < seg->bytes)
        return true;
    for (seg = seg ? seg->next : s->log.first; seg; seg = seg->next)
        if (seg->bytes > 0) /* a run that was killed may have left empty ones */
            return true;
    return false;
}

static bool journal_has_unread(const struct spool *s)
{
    return spool_journal_waits(s) && s->reader.sequence < s->journal.next;
}

bool spool_has_unread(const struct spool *s)
{
    return files_have_unread(s) || journal_has_unread(s);
}

bool spool_is_reading(const struct spool *s)
{
    return s->reader.is_reading;
}

static void damage_tell(struct spool *s, const char *what)
{
    char path[PATH_MAX];
    s->reader.seg->is_damaged = true;
    if (s->was_told_damage)
        return;
    s->was_told_damage = true;
    seglog_path(&s->log, s->reader.seg, path);
    spool_say(s, "%s: %s near byte %" PRIu64 "; what can be read is delivered, the rest is counted as dropped", path,
              what, s->reader.offset);
}

/* All that this file holds has been met: what was there and is not any more is damaged. */
static void file_end(struct spool *s)
{
    struct seglog_segment *seg = s->reader.seg;
    if (seg->live > seg->held) {
        damage_tell(s, "damaged");
        spool_lose(s, seg, seg->live - seg->held, &s->counts.dropped_corrupt);
    }
}

static void on_read(struct io_req *req, int result)
{
    struct spool *s = req->owner;
    s->reader.is_reading = false;
    s->reader.has_result = true;
    s->reader.result = result;
}

/* The rest of the file is left out. What is added to it later is read from there. */
static void skip_rest(struct spool_reader *r)
{
    r->offset = r->seg->bytes;
    r->len = r->at = 0;
}

/* A read has ended: its bytes are behind those that were there. */
static void read_take(struct spool *s, uint64_t now_ns)
{
    struct spool_reader *r = &s->reader;
    const int result = r->result;
    r->has_result = false;
    if (r->is_stale) {
        r->is_stale = false;
        file_close(s);
    } else if (result > 0) {
        r->len += (size_t)result;
        r->failures = 0;
    } else if (result != -EINTR && result != -EAGAIN) {
        damage_tell(s, result ? strerror(-result) : "shorter than it was");
        r->again_ns = now_ns + READ_AGAIN_NS;
        if (++r->failures >= READ_FAILURES_MAX)
            skip_rest(r); /* file_end() counts it */
    }
}

static bool file_open(struct spool *s, uint64_t now_ns)
{
    struct spool_reader *r = &s->reader;
    char path[PATH_MAX];
    seglog_path(&s->log, r->seg, path);
    r->fd = io_open(s->cfg.io, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (r->fd >= 0)
        return true;
    const int error = r->fd;
    r->fd = -1;
    damage_tell(s, strerror(-error));
    r->again_ns = now_ns + READ_AGAIN_NS;
    if (++r->failures >= READ_FAILURES_MAX || error == -ENOENT)
        skip_rest(r);
    return false;
}

/* Reads on, from behind what is in the buffer. */
static void read_start(struct spool *s, uint64_t now_ns)
{
    struct spool_reader *r = &s->reader;
    if (r->fd < 0 && !file_open(s, now_ns))
        return;
    if (r->at)
        memmove(r->buf, r->buf + r->at, r->len - r->at);
    r->len -= r->at;
    r->at = 0;
    const size_t cap = r->want > READ_BYTES ? r->want : READ_BYTES;
    if (r->cap < cap) {
        char *buf = realloc(r->buf, cap);
        if (!buf) {
            r->again_ns = now_ns + READ_AGAIN_NS;
            return;
        }
        r->buf = buf;
        r->cap = cap;
    }
    const uint64_t left = r->seg->bytes - (r->offset + r->len);
    const size_t room = r->cap - r->len;
    r->req = (struct io_req){
        .op = IO_READ, .fd = r->fd, .buf = r->buf + r->len, .len = (uint32_t)(left < room ? left : room),
        .buf_index = -1, .offset = (int64_t)(r->offset + r->len), .done = on_read, .owner = s,
    };
    r->is_reading = true;
    io_submit(s->cfg.io, &r->req);
}

static void skip(struct spool_reader *r, size_t bytes)
{
    r->at += bytes;
    r->offset += bytes;
}

/* True: a whole block lies at buf + at. Otherwise more is to be read, or the file is at its end. */
static bool block_next(struct spool *s, struct spool_block_head *h)
{
    struct spool_reader *r = &s->reader;
    const uint64_t size = r->seg->bytes;
    for (;;) {
        size_t at = r->at;
        const bool found = spool_block_find(r->buf, r->len, SPOOL_ENTRIES, &at, h);
        if (at > r->at && r->offset > 0)
            damage_tell(s, "damaged");
        if (r->offset == 0 && at > r->at && found && at > r->at + sizeof(struct spool_file_head))
            damage_tell(s, "damaged");
        skip(r, at - r->at);
        r->want = found ? spool_block_bytes(h) : sizeof *h;
        if (r->want > size - r->offset) { /* torn, or not the end of anything */
            if (!found) {
                skip_rest(r);
                return false;
            }
            skip(r, 8);
            continue;
        }
        return found && r->len - r->at >= r->want;
    }
}

/* What the block holds beside what is settled; 0: nothing that is to be read. */
static uint32_t block_live(struct spool *s, const struct spool_block_head *h, struct seglog_segment *seg)
{
    const uint64_t max = s->cfg.delivery->spool_max_age_ns;
    if (h->sequence < s->reader.sequence || spool_held(s, h->sequence))
        return 0;
    uint32_t live = cursor_unsettled(&s->cursor, h->sequence, h->records);
    live = live < seg->live ? live : (uint32_t)seg->live;
    if (max == OPT_UNSET || seglog_age_ns(seg, h->time_ns) <= (int64_t)max)
        return live;
    spool_lose(s, seg, live, &s->counts.dropped_age);
    return 0;
}

/* Entries of raw that are not settled; what is missing of `live` is lost. */
static uint32_t block_count(struct spool *s, const struct spool_block_head *h, struct seglog_segment *seg,
                            const char *raw, uint32_t len, uint32_t live)
{
    struct spool_item item;
    size_t at = 0;
    uint32_t n = 0;
    cursor_begin(&s->cursor, h->sequence);
    for (uint32_t i = 0; i < h->records && spool_item_next(raw, len, SPOOL_ENTRIES, &at, &item); i++)
        n += !cursor_is_settled(&s->cursor, h->sequence, i);
    n = n < live ? n : live;
    if (n < live)
        spool_lose(s, seg, live - n, &s->counts.dropped_corrupt);
    return n;
}

/* What the block holds, as entries. *ret NULL: it is damaged. */
static int block_load(struct spool *s, const struct spool_block_head *h, const char *stored, char **ret,
                      uint32_t *ret_len)
{
    auto_free char *raw = malloc(h->raw_bytes + 1u);
    *ret = NULL;
    if (!raw)
        return -ENOMEM;
    if (spool_block_unpack(h, stored, raw) < 0)
        return 0;
    if (h->kind == SPOOL_IMAGE)
        return s->cfg.expand(s->cfg.expand_arg, raw, h->raw_bytes, h->records, ret, ret_len);
    *ret = take_ptr(raw);
    *ret_len = h->raw_bytes;
    return 0;
}

/* The block lies in seg. 1: there is something in it, which is held now; -EBADMSG: it is damaged; -ENOMEM. */
static int block_hold(struct spool *s, const struct spool_block_head *h, struct seglog_segment *seg, const char *stored,
                      uint32_t live, struct spool_block **ret, char **ret_raw, uint32_t *ret_len)
{
    auto_free char *raw = NULL;
    auto_free struct spool_block *b = live ? spool_block_new() : NULL;
    if (!live)
        return 0;
    if (!b || block_load(s, h, stored, &raw, ret_len) < 0)
        return -ENOMEM;
    if (!raw)
        return -EBADMSG;
    *b = (struct spool_block){ .seg = seg, .sequence = h->sequence, .time_ns = h->time_ns, .records = h->records,
                               .left = block_count(s, h, seg, raw, *ret_len, live) };
    if (!b->left)
        return 0;
    spool_hold(s, b);
    *ret = take_ptr(b);
    *ret_raw = take_ptr(raw);
    return 1;
}

static void block_passed(struct spool *s, uint64_t sequence)
{
    struct spool_reader *r = &s->reader;
    r->sequence = sequence >= r->sequence ? sequence + 1 : r->sequence;
    spool_advance(s);
}

/* The block at buf + at: 1 when there is something in it. */
static int block_take(struct spool *s, const struct spool_block_head *h, struct spool_block **ret, char **ret_raw,
                      uint32_t *ret_len)
{
    struct spool_reader *r = &s->reader;
    const uint32_t live = block_live(s, h, r->seg);
    int n = block_hold(s, h, r->seg, r->buf + r->at + sizeof *h, live, ret, ret_raw, ret_len);
    if (n == -ENOMEM)
        return n;
    if (n == -EBADMSG) {
        damage_tell(s, "a block is damaged");
        spool_lose(s, r->seg, live, &s->counts.dropped_corrupt);
        n = 0;
    }
    skip(r, r->want);
    block_passed(s, h->sequence);
    return n;
}

/* Out of the journal, while that can be written into no file: a server that is there again need not wait for the
 * disk. What is damaged there is left to whoever writes it. */
static int journal_take(struct spool *s, uint64_t now_ns, struct spool_block **ret, char **ret_raw, uint32_t *ret_len)
{
    struct journal *j = &s->journal;
    struct spool_block_head h;
    int n = 0;
    while (n == 0 && journal_has_unread(s)) {
        const uint64_t sequence = s->reader.sequence > j->first ? s->reader.sequence : j->first;
        const struct journal_block *b = journal_at(j, sequence);
        const char *block = j->area + b->offset;
        size_t at = 0;
        if (b->bytes) {
            if (!spool_block_find(block, b->bytes, SPOOL_ENTRIES, &at, &h) || at || h.sequence != sequence)
                return 0;
            n = block_hold(s, &h, &s->journal_part, block + sizeof h, block_live(s, &h, &s->journal_part), ret, ret_raw,
                           ret_len);
        }
        if (n == -ENOMEM)
            s->reader.again_ns = now_ns + READ_AGAIN_NS;
        if (n < 0)
            return 0;
        block_passed(s, sequence);
    }
    return n;
}

int spool_read(struct spool *s, uint64_t now_ns, struct spool_block **ret, char **ret_raw, uint32_t *ret_len)
{
    struct spool_reader *r = &s->reader;
    struct spool_block_head h;
    if (r->is_reading || now_ns < r->again_ns)
        return 0;
    r->again_ns = 0;
    if (r->has_result)
        read_take(s, now_ns);
    while (files_have_unread(s) && !r->again_ns) {
        if (!r->seg)
            r->seg = s->log.first;
        if (r->offset >= r->seg->bytes) {
            file_end(s);
            spool_reader_leave(s);
        } else if (!r->buf || !block_next(s, &h)) {
            if (r->offset < r->seg->bytes) {
                read_start(s, now_ns);
                return 0;
            }
        } else {
            const int n = block_take(s, &h, ret, ret_raw, ret_len);
            if (n < 0)
                r->again_ns = now_ns + READ_AGAIN_NS;
            if (n > 0)
                return 1;
        }
    }
    if (r->seg && r->offset >= r->seg->bytes && !r->seg->next && s->log.fd < 0)
        file_end(s); /* nothing will be added to it */
    if (s->journal_error && !r->again_ns && !files_have_unread(s))
        return journal_take(s, now_ns, ret, ret_raw, ret_len);
    return 0;
}
