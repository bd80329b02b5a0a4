/* The native sink: binary files that hold spans of the ring as they are (include/fapilog/native.h). */
#include "collector/sinks/fileset.h"
#include "collector/sinks/fileset_opts.h"
#include "collector/sinks/native_segments.h"
#include "lib/base/check.h"
#include "lib/reader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A block is closed when this much is in it: small enough to lose little with a damaged one, large
 * enough to compress well. */
enum { BLOCK_BYTES_GOAL = 512 * 1024, BLOCK_SPANS_MAX = 1024 };

/* Rings that may be cut short while one batch is written from them, before it counts as a failure. */
enum { FAULTS_MAX = 16 };

struct native_cfg {
    struct fileset_cfg set;
    uint32_t compress;
    uint32_t level;
};

struct native_anchor {
    uint32_t kind; /* FAPILOG_CLOCK_*, 0: not sampled in this batch */
    uint64_t cycles;
    int64_t real_ns;
};

struct native_state {
    struct fileset set;
    struct native_blocks blocks;
    struct native_segments segments;
    uint64_t serial; /* of the file that segments and index speak of */
    const struct sink_batch *batch;
    unsigned faults; /* of this batch */
    struct native_anchor anchor;
    struct piece *part;
    unsigned parts_room;
    bool is_open;
};

static const struct opt_word compress_words[] = {{"none", COMPRESS_NONE}, {"zstd", COMPRESS_ZSTD}, {NULL, 0}};

/* Negative levels are the fast ones. */
static const struct opt_word level_words[] = {
    {"-5", (uint32_t)-5}, {"-3", (uint32_t)-3}, {"-1", (uint32_t)-1}, {"1", 1}, {"2", 2},
    {"3", 3}, {"5", 5}, {"7", 7}, {"9", 9}, {"12", 12}, {NULL, 0},
};

static const struct opt native_opts[] = {
    FILESET_OPTS(struct native_cfg, set, "fapilog"),
    OPT_WORD_(struct native_cfg, compress, "compress", "none", compress_words, 0,
              "How blocks are compressed."),
    OPT_WORD_(struct native_cfg, level, "compress_level", "-1", level_words, 0,
              "Of zstd; lower is faster, higher is smaller."),
    OPT_END,
};

static int native_check(void *opaque, struct err *e)
{
    struct native_cfg *cfg = opaque;
    cfg->set.codec = COMPRESS_NONE;
    cfg->set.extension = ".fnl";
    return fileset_check(&cfg->set, e);
}

static struct native_state *state_of(struct fileset *f)
{
    return f->sink->state;
}

static unsigned native_footer(struct fileset *f, const struct piece **ret_pieces)
{
    struct native_state *st = state_of(f);
    if (st->serial != f->serial || native_blocks_index(&st->blocks, f->size) < 0)
        return 0; /* nothing of ours in it, or no memory: readers do without an index */
    *ret_pieces = st->blocks.piece;
    return st->blocks.pieces_count;
}

static bool is_index(int fd, uint64_t from, uint64_t size)
{
    struct fapilog_native_block h;
    return pread(fd, &h, sizeof h, (off_t)from) == (ssize_t)sizeof h && h.sync == FAPILOG_NATIVE_SYNC &&
           h.header_xxh3 == XXH3_64bits(&h, offsetof(struct fapilog_native_block, header_xxh3)) &&
           h.kind == FAPILOG_NATIVE_KIND_INDEX && size - from == sizeof h + h.stored_bytes;
}

/* 0: may be appended to. */
static int check_header(const struct fileset *f)
{
    struct fapilog_native_header h;
    const ssize_t n = pread(f->fd, &h, sizeof h, 0);
    if (n < 0)
        return -errno;
    if (n < (ssize_t)sizeof h || h.magic != FAPILOG_NATIVE_MAGIC || h.endian != FAPILOG_ENDIAN_TAG ||
        h.xxh3 != XXH3_64bits(&h, offsetof(struct fapilog_native_header, xxh3)))
        return -EBADMSG;
    return h.major != FAPILOG_NATIVE_MAJOR || h.incompat ? -ENOTSUP : 0;
}

/* One that ends within its header holds nothing: a kill or a power failure left the begin of ours, or zeros. */
static int clear_torn(struct fileset *f)
{
    const uint64_t magic = FAPILOG_NATIVE_MAGIC;
    char h[sizeof(struct fapilog_native_header)];
    const ssize_t n = pread(f->fd, h, sizeof h, 0);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    const size_t len = (size_t)n < sizeof magic ? (size_t)n : sizeof magic;
    const bool is_zero = h[0] == '\0' && memcmp(h, h + 1, (size_t)n - 1) == 0;
    return is_zero || memcmp(h, &magic, len) == 0 ? fileset_clear(f) : -EBADMSG;
}

static int native_open(struct sink *s, struct err *e)
{
    const struct native_cfg *cfg = s->cfg;
    struct native_state *st = s->state;
    int r = native_blocks_init(&st->blocks, cfg->compress == COMPRESS_ZSTD, (int)cfg->level);
    native_segments_init(&st->segments);
    st->is_open = true;
    if (r < 0)
        return err_set(e, r, "native sink: no compressor");
    r = fileset_open(&st->set, s, &cfg->set, e);
    if (r < 0)
        return r;
    st->set.footer = native_footer;
    st->set.is_footer = is_index;
    if (st->set.is_device)
        return err_set(e, -EINVAL, "open %s: native files are not written to devices", st->set.live);
    if (st->set.fd >= 0 && st->set.size) {
        r = st->set.size < sizeof(struct fapilog_native_header) ? clear_torn(&st->set) : check_header(&st->set);
        if (r < 0)
            return err_set(e, r, "open %s: it exists and is not a native file of this version", st->set.live);
    }
    return 0;
}

static int native_recover(struct sink *s, const struct sink_mark *mark, struct err *e)
{
    struct native_state *st = s->state;
    const int r = fileset_recover(&st->set, mark, e);
    st->blocks.sequence = st->blocks.sequence_before = st->set.sequence;
    return r;
}

static int add_header(struct native_state *st)
{
    struct fapilog_native_header *h = arena_alloc(&st->blocks.arena, sizeof *h);
    if (!h)
        return -ENOMEM;
    *h = (struct fapilog_native_header){
        .magic = FAPILOG_NATIVE_MAGIC, .endian = FAPILOG_ENDIAN_TAG,
        .major = FAPILOG_NATIVE_MAJOR, .minor = FAPILOG_NATIVE_MINOR, .header_size = sizeof *h,
        .created_ns = (uint64_t)fileset_real_ns(),
        .boot_hi = st->segments.boot[0], .boot_lo = st->segments.boot[1],
    };
    uint64_t uuid[2];
    if (getrandom(uuid, sizeof uuid, GRND_NONBLOCK) != (ssize_t)sizeof uuid)
        return -EAGAIN; /* so early after boot that there is no randomness yet: tried again */
    h->uuid_hi = uuid[0];
    h->uuid_lo = uuid[1];
    h->xxh3 = XXH3_64bits(h, offsetof(struct fapilog_native_header, xxh3));
    return native_blocks_raw(&st->blocks, h, sizeof *h);
}

static void take_anchor(struct native_state *st, uint32_t kind, struct fapilog_native_span *head)
{
    struct native_anchor *a = &st->anchor;
    if (a->kind != kind) {
        if (clock_sample(kind, &a->cycles, &a->real_ns) < 0)
            return; /* a kind that this machine has not: the records keep the anchors of their blocks */
        a->kind = kind;
    }
    head->anchor_cycles = a->cycles;
    head->anchor_real_ns = (uint64_t)a->real_ns;
}

static void fill_head(struct native_state *st, const struct native_segment *seg, const struct sink_span *span,
                      uint32_t before, struct fapilog_native_span *ret)
{
    *ret = (struct fapilog_native_span){
        .uuid_hi = seg->uuid[0], .uuid_lo = seg->uuid[1], .lane = span->lane, .generation = span->generation,
        .position = span->position - before, .bytes = span->len + before, .records = span->records,
        .tid = span->tid, .repeated = before,
    };
    const size_t room = sizeof ret->thread - 1, len = span->thread.len < room ? span->thread.len : room;
    if (len)
        memcpy(ret->thread, span->thread.data, len);
    if (seg->is_this_boot)
        take_anchor(st, span->super->clock_kind, ret);
}

static int parts_reserve(struct native_state *st, unsigned count)
{
    if (count <= st->parts_room)
        return 0;
    struct piece *part = reallocarray(st->part, count, sizeof *part);
    if (!part)
        return -ENOMEM;
    st->part = part;
    st->parts_room = count;
    return 0;
}

/* One block with the next spans of the batch, as many as make a good block. */
static int add_spans(struct native_state *st, const struct sink_span *span, unsigned count,
                     unsigned *ret_taken)
{
    struct native_block_info info = {.kind = FAPILOG_NATIVE_KIND_SPANS};
    uint64_t bytes = 0;
    unsigned n = 0;
    for (; n < count && n < BLOCK_SPANS_MAX && span[n].is_apart == span[0].is_apart &&
           (n == 0 || bytes + span[n].len <= BLOCK_BYTES_GOAL); n++)
        bytes += span[n].len;
    struct fapilog_native_spans *top;
    struct fapilog_native_span *head;
    const uint32_t table = (uint32_t)(sizeof *top + n * sizeof *head);
    top = arena_alloc(&st->blocks.arena, table);
    head = (struct fapilog_native_span *)(void *)(top + 1);
    int r = top ? parts_reserve(st, n + 1) : -ENOMEM;
    if (r < 0)
        return r;
    *top = (struct fapilog_native_spans){.count = n, .flags = span[0].is_apart ? FAPILOG_NATIVE_SPANS_APART : 0};
    st->part[0] = (struct piece){top, table, -1};
    for (unsigned i = 0; i < n; i++) {
        uint32_t before;
        struct native_segment *seg = native_segments_need(&st->segments, &st->blocks, &span[i], &r);
        if (!seg)
            return r;
        if (span[i].len % FAPILOG_NATIVE_ALIGN)
            return -EBADMSG;
        r = native_segments_before(seg, &span[i], &before);
        if (r < 0)
            return r;
        fill_head(st, seg, &span[i], before, &head[i]);
        st->part[i + 1] = (struct piece){span[i].data - before, span[i].len + before, -1};
        info.records += span[i].records;
    }
    info.real_ns = head[0].anchor_real_ns;
    *ret_taken = n;
    return native_blocks_add(&st->blocks, &info, st->part, n + 1);
}

/* The counters of lanes whose last drops no block header tells, and of segments, which no header has. */
static int add_losses(struct native_state *st, const struct sink_loss *loss, uint32_t count)
{
    const struct native_block_info info = {.kind = FAPILOG_NATIVE_KIND_LOSSES};
    struct fapilog_native_losses *top;
    struct fapilog_native_loss *to;
    const size_t bytes = sizeof *top + (size_t)count * sizeof *to;
    int r = 0;
    for (uint32_t i = 0; i < count && r == 0; i++)
        r = native_segments_need_super(&st->segments, &st->blocks, loss[i].super);
    if (r < 0)
        return r;
    top = arena_alloc(&st->blocks.arena, bytes);
    if (!top)
        return -ENOMEM;
    *top = (struct fapilog_native_losses){.count = count, .stride = sizeof *to};
    to = (struct fapilog_native_loss *)(void *)(top + 1);
    for (uint32_t i = 0; i < count; i++)
        to[i] = (struct fapilog_native_loss){
            .uuid_hi = loss[i].super->uuid_hi, .uuid_lo = loss[i].super->uuid_lo, .lane = loss[i].lane,
            .last_ns = (uint64_t)loss[i].last_ns, .dropped = loss[i].dropped, .overwritten = loss[i].overwritten,
            .no_lane = loss[i].no_lane, .unregistered = loss[i].unregistered, .truncated = loss[i].truncated,
        };
    const struct piece part = {top, (uint32_t)bytes, -1};
    return native_blocks_add(&st->blocks, &info, &part, 1);
}

static int lay_out(struct native_state *st, struct fileset *f)
{
    const struct sink_batch *b = st->batch;
    int r = 0;
    st->anchor.kind = 0;
    if (st->serial != f->serial || f->size == 0) { /* what was stored elsewhere is not in this file */
        st->serial = f->serial;
        native_segments_forget(&st->segments);
        native_blocks_new_file(&st->blocks);
        if (f->size && (r = check_header(f)) < 0) {
            fileset_warn(f, r, "not a native file of this version:", f->live);
            return r;
        }
    }
    native_blocks_begin(&st->blocks);
    if (f->size == 0)
        r = add_header(st);
    for (unsigned i = 0, taken = 0; i < b->spans_count && r == 0; i += taken)
        r = add_spans(st, &b->spans[i], b->spans_count - i, &taken);
    if (r == 0 && b->losses_count)
        r = add_losses(st, b->losses, b->losses_count);
    return r;
}

static void native_ready(struct fileset *f, int result);

static void native_finish(struct fileset *f, int result)
{
    struct native_state *st = state_of(f);
    if (result < 0) {
        native_blocks_abort(&st->blocks);
        st->serial = 0; /* the next batch begins with everything it needs */
        /* The kernel met a hole: the producer has cut its segment short since we hashed it. To lay the batch
         * out again reads all of it, where the guard puts zeros into the hole and marks the segment, which
         * ingest then puts aside. */
        if (result == -EFAULT && st->faults++ < FAULTS_MAX) {
            fileset_prepare(f, st->batch->bytes, native_ready);
            return;
        }
    } else {
        native_blocks_commit(&st->blocks, f->size - st->blocks.bytes);
        f->sequence = st->blocks.sequence;
    }
    st->batch = NULL;
    sink_done(f->sink, result);
}

static void native_ready(struct fileset *f, int result)
{
    struct native_state *st = state_of(f);
    if (result == 0) {
        result = lay_out(st, f);
        if (result == 0 && st->blocks.bytes) {
            fileset_append(f, st->blocks.piece, st->blocks.pieces_count, native_finish);
            return;
        }
    }
    fileset_later(f, result, native_finish);
}

static uint64_t native_room(struct sink *s)
{
    struct native_state *st = s->state;
    return fileset_room(&st->set);
}

static void native_write(struct sink *s, const struct sink_batch *b)
{
    struct native_state *st = s->state;
    CHECK(!st->batch);
    st->batch = b;
    st->faults = 0;
    fileset_prepare(&st->set, b->bytes, native_ready);
}

static void native_mark(struct sink *s, struct sink_mark *ret)
{
    const struct native_state *st = s->state;
    fileset_mark(&st->set, ret);
}

static void native_tick(struct sink *s, uint64_t now_ns)
{
    struct native_state *st = s->state;
    (void)now_ns;
    fileset_tick(&st->set);
}

static int native_reopen(struct sink *s, struct err *e)
{
    struct native_state *st = s->state;
    return fileset_reopen(&st->set, e);
}

static int native_rotate(struct sink *s, struct err *e)
{
    struct native_state *st = s->state;
    return fileset_rotate(&st->set, e);
}

static const char *native_place(const struct sink *s)
{
    const struct native_state *st = s->state;
    return fileset_place(&st->set);
}

static int native_close(struct sink *s, struct err *e)
{
    struct native_state *st = s->state;
    if (!st->is_open)
        return 0;
    const int r = fileset_close(&st->set, e);
    native_blocks_done(&st->blocks);
    native_segments_done(&st->segments);
    free(st->part);
    st->part = NULL;
    st->is_open = false;
    return r;
}

static const char *const env_prefixes[] = {"FAPILOG_NATIVE__", NULL};

const struct sink_ops sink_native = {
    .abi = SINK_ABI, .scheme = "native", .env_prefixes = env_prefixes,
    .summary = "Writes binary files: records as they lie in the ring.",
    .wants_raw = true, .opts = native_opts,
    .cfg_size = sizeof(struct native_cfg), .state_size = sizeof(struct native_state),
    .check = native_check, .open = native_open, .recover = native_recover, .room = native_room,
    .write = native_write, .mark = native_mark, .tick = native_tick, .reopen = native_reopen,
    .rotate = native_rotate, .close = native_close, .place = native_place,
};
