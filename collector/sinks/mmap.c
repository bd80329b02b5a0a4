/* The mmap sink: whole lines stored straight into a mapped file, which grows in steps.
 *
 * The file is plain lines and nothing else. While the sink has it open, NUL bytes follow the last line
 * up to the end of the last growth step; close() cuts them off, and so does the next open() after a
 * crash. The bytes of a record are stored first and its line feed last, so:
 *
 *  - a line whose feed is there is whole, and what follows the last feed was never finished;
 *  - a reader, whether it maps the file or reads it, takes the lines that end before the first NUL.
 *
 * Blocks are reserved before they are mapped: a full disk is an error here, never a SIGBUS. Growing is
 * done by the collector's thread; with the default steps of 1 MiB that is one call per several
 * thousand records. A file that others cut while lines are stored has holes, where a guard puts zeros: the batch is
 * stored again at the new end. */
#include "collector/sinks/mmap_file.h"
#include "collector/sinks/sink.h"
#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/reader/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

struct mmap_cfg {
    const char *path;
    uint64_t initial_size;
    uint64_t growth_chunk;
    uint64_t max_size;             /* OPT_UNSET: none */
    bool flush_on_close;
    uint64_t periodic_flush_bytes; /* OPT_UNSET: none */
};

struct mmap_state {
    struct mmap_file file;
    struct io_req req;
    int result;
    uint64_t batch_id;
    uint64_t batch_start;
    bool batch_lacked_feed; /* lacks_feed there */
    bool is_mark_due; /* the next byte goes into a file that no persisted mark names */
    bool has_warned;  /* of the size limit, since it was last kept */
    bool has_told_long; /* that a record is longer than it */
};

static const struct opt mmap_opts[] = {
    OPT_TEXT_(struct mmap_cfg, path, "path", NULL, OPT_REQUIRED | OPT_OUTPUT, "File to map and append to."),
    OPT_NUM_ALIAS_(OPT_SIZE, struct mmap_cfg, initial_size, "initial_size", "initial_size_bytes", "1MiB",
                   4096, 1ull << 40, 0, "Size of a new file."),
    OPT_NUM_ALIAS_(OPT_SIZE, struct mmap_cfg, growth_chunk, "growth_chunk", "growth_chunk_bytes", "1MiB",
                   4096, 1ull << 40, 0, "Bytes by which a full file grows."),
    OPT_NUM_ALIAS_(OPT_SIZE, struct mmap_cfg, max_size, "max_size", "max_size_bytes", "none", 4096,
                   1ull << 50, 0, "The file never grows beyond; records then wait."),
    OPT_BOOL_(struct mmap_cfg, flush_on_close, "flush_on_close", "true", 0,
              "Force the file to disk when it is closed."),
    OPT_NUM_(OPT_SIZE, struct mmap_cfg, periodic_flush_bytes, "periodic_flush_bytes", "none", 1, 1ull << 50,
             0, "Force the file to disk whenever this many bytes were added."),
    OPT_END,
};

static uint64_t first_size(const struct mmap_cfg *cfg)
{
    return cfg->initial_size < cfg->max_size ? cfg->initial_size : cfg->max_size;
}

static int mmap_open(struct sink *s, struct err *e)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_state *const st = s->state;

    *st = (struct mmap_state){ .file.fd = -1 };
    return mmap_file_open(s->io, cfg->path, first_size(cfg), &st->file, e);
}

static int mmap_close(struct sink *s, struct err *e)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_state *const st = s->state;
    const int r = mmap_file_close(s->io, &st->file, cfg->flush_on_close);

    return r < 0 ? err_sys(e, r, "close %s", cfg->path) : 0;
}

static void mmap_mark(struct sink *s, struct sink_mark *ret)
{
    const struct mmap_state *const st = s->state;

    *ret = (struct sink_mark){
        .word = { st->file.dev, st->file.ino, st->file.birth_ns, st->file.written },
    };
}

/* The mark is of another file, which was moved away since, or of none: this one is left alone. What cannot be cut off
 * the other one will be in both; that is no reason not to start. */
static int recover_moved(struct sink *s, const struct sink_mark *mark)
{
    const struct mmap_cfg *const cfg = s->cfg;
    const struct mmap_file moved = { .dev = mark->word[0], .ino = mark->word[1], .birth_ns = mark->word[2] };
    struct err e = { 0 };

    if (mmap_file_cut_moved(s->io, cfg->path, &moved, mark->word[3], &e) < 0 && s->warn)
        s->warn(s, &e);
    return 0;
}

static int mmap_recover(struct sink *s, const struct sink_mark *mark, struct err *e)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_file *const f = &((struct mmap_state *)s->state)->file;
    struct err lost = { 0 };
    int r;

    if (mark->word[0] != f->dev || mark->word[1] != f->ino || mark->word[2] != f->birth_ns)
        return recover_moved(s, mark);
    if (mark->word[3] > f->written && s->warn) {
        (void)err_set(&lost, -EIO, "%s: ends %" PRIu64 " bytes before what was committed", cfg->path,
                      mark->word[3] - f->written);
        s->warn(s, &lost);
    }
    if (mark->word[3] >= f->written)
        return 0;
    r = mmap_file_cut(s->io, f, mark->word[3]);
    return r < 0 ? err_sys(e, r, "cut %s at %" PRIu64, cfg->path, mark->word[3]) : 0;
}

static int mmap_reopen(struct sink *s, struct err *e)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_state *const st = s->state;
    struct mmap_file fresh;
    struct stat now;
    int r = io_stat(s->io, cfg->path, &now);

    if (r == 0 && now.st_dev == st->file.dev && now.st_ino == st->file.ino)
        return 0;
    r = mmap_file_open(s->io, cfg->path, first_size(cfg), &fresh, e);
    if (r < 0)
        return r; /* the old file goes on */
    r = mmap_close(s, e);
    st->file = fresh;
    st->is_mark_due = true;
    return r;
}

/* Someone cut the file under us (copy-and-truncate rotation): storing behind its end would be SIGBUS. */
static int restore_size(struct sink *s)
{
    struct mmap_state *const st = s->state;
    struct mmap_file *const f = &st->file;
    struct stat now;
    const int r = io_fstat(s->io, f->fd, &now);

    if (r < 0 || (uint64_t)now.st_size >= f->size)
        return r;
    st->is_mark_due = true;
    return mmap_file_cut(s->io, f, (uint64_t)now.st_size < f->written ? (uint64_t)now.st_size : f->written);
}

static const char *mmap_place(const struct sink *s)
{
    const struct mmap_cfg *const cfg = s->cfg;
    return cfg->path;
}

/* In steps, and on a disk that has no room for one by what the batch needs. */
static int grow(struct sink *s, uint64_t need)
{
    enum { PAGE_BYTES = 4096 };
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_file *const f = &((struct mmap_state *)s->state)->file;
    const uint64_t steps = (need - f->size + cfg->growth_chunk - 1) / cfg->growth_chunk;
    const uint64_t wanted = f->size + steps * cfg->growth_chunk;
    const uint64_t least = (need + PAGE_BYTES - 1) & -(uint64_t)PAGE_BYTES;
    int r = mmap_file_resize(s->io, f, f->size, wanted < cfg->max_size ? wanted : cfg->max_size);

    if (mmap_file_is_full(r))
        r = mmap_file_resize(s->io, f, f->size, least < cfg->max_size ? least : cfg->max_size);
    return r;
}

static int make_room(struct sink *s, uint64_t bytes)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_state *const st = s->state;
    const struct mmap_file *const f = &st->file;
    const uint64_t need = f->written + bytes;
    struct err e = { 0 };

    if (need > cfg->max_size) {
        (void)err_set(&e, -ENOSPC, "%s: %" PRIu64 " more bytes would exceed max_size %" PRIu64, cfg->path,
                      bytes, cfg->max_size);
        if (s->warn && !st->has_warned)
            s->warn(s, &e);
        st->has_warned = true;
        return -ENOSPC;
    }
    st->has_warned = false;
    return need <= f->size ? 0 : grow(s, need);
}

/* The feed comes last. Readers by read(2) do not see that order; they stop at the first NUL. */
static char *store_record(char *to, const char *record, size_t len)
{
    memcpy(to, record, len - 1);
    /* order: release - who maps the file and loads the feed with acquire has the whole line before it */
    store_rel(to + len - 1, record[len - 1]);
    return to + len;
}

static void store_batch(struct mmap_file *f, const struct sink_batch *b, uint64_t len_max)
{
    char *to = f->map + f->written;

    if (f->lacks_feed) /* by others, who began it or cut it */
        *to++ = '\n';
    for (uint32_t i = 0; i < b->chunks_count; i++) {
        const struct sink_chunk *const c = &b->chunks[i];
        uint32_t begin = 0;

        for (uint32_t k = 0; k < c->records; begin = c->ends[k++])
            if (c->ends[k] > begin && c->ends[k] - begin <= len_max)
                to = store_record(to, c->data + begin, c->ends[k] - begin);
        CHECK(begin == c->len);
    }
    f->written = (uint64_t)(to - f->map);
    CHECK(f->written <= f->size);
    f->stored = f->written;
    f->lacks_feed = f->written > 0 && to[-1] != '\n';
}

static void take_back(struct mmap_state *st)
{
    st->file.written = st->batch_start;
    st->file.lacks_feed = st->batch_lacked_feed;
}

/* -EIO: the file was cut meanwhile, and some of the batch went nowhere. */
static int store_guarded(struct mmap_state *st, const struct sink_batch *b, uint64_t len_max)
{
    struct mmap_file *const f = &st->file;
    uint32_t damaged = 0;
    const int guard = guard_add(f->map, f->size, PROT_READ | PROT_WRITE, &damaged);

    if (guard < 0)
        return guard;
    st->batch_start = f->written;
    st->batch_lacked_feed = f->lacks_feed;
    store_batch(f, b, len_max);
    guard_remove(guard);
    f->has_holes = load_acq(&damaged) != 0; /* order: acquire, pairs with the release in the guard's handler */
    if (!f->has_holes)
        return 0;
    take_back(st);
    return -EIO;
}

/* What no file can take would wait for ever, and hold back all that comes after it. */
static void refuse_long(struct sink *s, const struct sink_batch *b)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_state *const st = s->state;
    uint64_t longest = 0;
    struct err e = { 0 };

    for (uint32_t i = 0; i < b->chunks_count && b->bytes > cfg->max_size; i++) {
        const struct sink_chunk *const c = &b->chunks[i];
        uint32_t begin = 0;

        for (uint32_t k = 0; k < c->records; begin = c->ends[k++]) {
            const uint64_t len = c->ends[k] - begin;

            if (len <= cfg->max_size)
                continue;
            longest = len > longest ? len : longest;
            s->refused++;
            s->refused_bytes += len;
        }
    }
    if (!s->refused || st->has_told_long || !s->warn)
        return;
    st->has_told_long = true;
    (void)err_set(&e, -EFBIG, "%s: a record of %" PRIu64 " bytes is longer than max_size %" PRIu64 ", so that no file "
                  "can take it: it is lost, as others of that length will be", cfg->path, longest, cfg->max_size);
    s->warn(s, &e);
}

static int append(struct sink *s, const struct sink_batch *b)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_state *const st = s->state;
    struct mmap_file *const f = &st->file;
    int r = mmap_file_mend(f);

    if (r == 0)
        r = restore_size(s);
    /* What a failed flush left behind: the same batch is stored over itself, another needs NULs. */
    if (r == 0 && f->stored > f->written && b->id != st->batch_id)
        r = mmap_file_cut(s->io, f, f->written);
    if (r < 0)
        return r;
    if (s->refused && s->refused_bytes == b->bytes)
        return 0;
    r = make_room(s, b->bytes - s->refused_bytes + f->lacks_feed);
    if (r < 0)
        return r;
    if (st->is_mark_due) {
        st->is_mark_due = false;
        sink_mark_changed(s);
    }
    st->batch_id = b->id;
    return store_guarded(st, b, cfg->max_size);
}

static void on_result(struct io_req *req, int result)
{
    struct sink *const s = req->owner;
    struct mmap_state *const st = s->state;

    (void)result; /* of the detour, not of the batch */
    sink_done(s, st->result);
}

static void on_flushed(struct io_req *req, int result)
{
    struct sink *const s = req->owner;
    struct mmap_state *const st = s->state;

    if (result < 0)
        take_back(st);
    else
        st->file.flushed = st->file.written;
    sink_done(s, result);
}

static void mmap_write(struct sink *s, const struct sink_batch *b)
{
    const struct mmap_cfg *const cfg = s->cfg;
    struct mmap_state *const st = s->state;

    s->refused = s->refused_bytes = 0;
    refuse_long(s, b);
    st->result = append(s, b);
    /* Through the queue although all is stored: sink_done() never runs inside write. */
    st->req = (struct io_req){ .op = IO_TIMEOUT, .done = on_result, .owner = s };
    if (st->result == 0 && st->file.written - st->file.flushed >= cfg->periodic_flush_bytes)
        st->req = (struct io_req){ .op = IO_FDATASYNC, .fd = st->file.fd, .done = on_flushed, .owner = s };
    io_submit(s->io, &st->req);
}

static uint64_t mmap_room(struct sink *s)
{
    const struct mmap_cfg *const cfg = s->cfg;
    const struct mmap_file *const f = &((const struct mmap_state *)s->state)->file;
    const uint64_t end = f->written + f->lacks_feed;

    return end < cfg->max_size ? cfg->max_size - end : 0;
}

static const char *const env_prefixes[] = {"FAPILOG_MMAP__", NULL};

const struct sink_ops sink_mmap = {
    .abi = SINK_ABI,
    .scheme = "mmap",
    .env_prefixes = env_prefixes,
    .summary = "Stores lines into a mapped file that grows in steps.",
    .format_default = "fapilog", .format_check = sink_needs_lines,
    .opts = mmap_opts,
    .cfg_size = sizeof(struct mmap_cfg),
    .state_size = sizeof(struct mmap_state),
    .open = mmap_open,
    .recover = mmap_recover,
    .room = mmap_room,
    .write = mmap_write,
    .mark = mmap_mark,
    .reopen = mmap_reopen,
    .close = mmap_close,
    .place = mmap_place,
};
