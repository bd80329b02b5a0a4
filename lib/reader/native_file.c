#include "lib/reader/native_file.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

enum {
    SCAN_BYTES_MIN = 512, /* the next header may be near, */
    SCAN_BYTES = 65536,   /* or far away */
    ALIGN = FAPILOG_NATIVE_ALIGN,
};

static int check_header(struct native_file *f, const char *name, struct err *e)
{
    struct fapilog_native_header *h = &f->header;
    const ssize_t n = fd_pread_full(f->fd, h, sizeof *h, 0);
    if (n < 0)
        return err_sys(e, (int)n, "read %s", name);
    if (n < (ssize_t)sizeof *h || h->magic != FAPILOG_NATIVE_MAGIC)
        return err_set(e, -EBADMSG, "%s: not a native file", name);
    if (h->endian != FAPILOG_ENDIAN_TAG)
        return err_set(e, -ENOTSUP, "%s: written on a machine of another byte order", name);
    if (h->xxh3 != XXH3_64bits(h, offsetof(struct fapilog_native_header, xxh3)))
        return err_set(e, -EBADMSG, "%s: the checksum of its header is wrong", name);
    if (h->major != FAPILOG_NATIVE_MAJOR || h->incompat)
        return err_set(e, -ENOTSUP, "%s: format %u.%u with features %#llx is not known", name, h->major,
                       h->minor, (unsigned long long)h->incompat);
    if (h->header_size < sizeof *h || h->header_size % ALIGN)
        return err_set(e, -EBADMSG, "%s: header of %u bytes", name, h->header_size);
    f->offset = f->read_to = h->header_size;
    return 0;
}

int native_file_open_fd(int fd, const char *name, struct native_file **ret, struct err *e)
{
    struct native_file *f = calloc(1, sizeof *f);
    if (!f) {
        (void)close(fd);
        return err_set(e, -ENOMEM, "%s: out of memory", name);
    }
    f->fd = fd;
    const int r = check_header(f, name, e);
    if (r < 0) {
        native_file_close(f);
        return r;
    }
    *ret = f;
    return 0;
}

int native_file_open(const char *path, struct native_file **ret, struct err *e)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_sys(e, -errno, "open %s", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return err_set(e, -EBADMSG, "%s: not a file", path);
    }
    return native_file_open_fd(fd, path, ret, e);
}

void native_file_trim(struct native_file *f)
{
    ZSTD_freeDCtx(f->zstd);
    free(f->stored);
    free(f->raw);
    f->zstd = NULL;
    f->stored = f->raw = NULL;
    f->stored_room = f->raw_room = 0;
}

void native_file_close(struct native_file *f)
{
    if (!f)
        return;
    (void)close(f->fd);
    native_file_trim(f);
    free(f);
}

static bool is_block(const struct fapilog_native_block *h)
{
    return h->sync == FAPILOG_NATIVE_SYNC &&
           h->header_xxh3 == XXH3_64bits(h, offsetof(struct fapilog_native_block, header_xxh3)) &&
           h->stored_bytes <= FAPILOG_NATIVE_STORED_MAX && h->raw_bytes <= FAPILOG_NATIVE_STORED_MAX;
}

static uint64_t stored_end(uint64_t offset, const struct fapilog_native_block *h)
{
    return offset + sizeof *h + h->stored_bytes;
}

static uint64_t block_end(uint64_t offset, const struct fapilog_native_block *h)
{
    return offset + sizeof *h + (((uint64_t)h->stored_bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1));
}

static int reserve(uint8_t **at, size_t *room, size_t need)
{
    if (need <= *room)
        return 0;
    uint8_t *p = realloc(*at, need);
    if (!p)
        return -ENOMEM;
    *at = p;
    *room = need;
    return 0;
}

/* The next header with a good checksum at or after `from`. 1, 0 when there is none, or -errno. */
static int resync(struct native_file *f, uint64_t from, uint64_t *ret)
{
    const int reserved = reserve(&f->stored, &f->stored_room, SCAN_BYTES);
    if (reserved < 0)
        return reserved;
    size_t bytes = SCAN_BYTES_MIN;
    for (uint64_t at = from;; bytes = bytes < SCAN_BYTES ? 2 * bytes : SCAN_BYTES) {
        const ssize_t n = fd_pread_full(f->fd, f->stored, bytes, at);
        if (n < (ssize_t)sizeof(struct fapilog_native_block))
            return n < 0 ? (int)n : 0;
        const size_t last = (size_t)n - sizeof(struct fapilog_native_block);
        size_t i = 0;
        for (; i <= last; i += ALIGN) {
            struct fapilog_native_block h;
            memcpy(&h, f->stored + i, sizeof h);
            if (is_block(&h)) {
                *ret = at + i;
                return 1;
            }
        }
        if (n < (ssize_t)bytes)
            return 0;
        at += i;
    }
}

enum verdict { WHOLE, DAMAGED, UNFINISHED };

/* Decompresses or not. A payload that does not unpack is damaged like one with a wrong checksum. */
static int unpack(struct native_file *f, const struct fapilog_native_block *h, enum verdict *ret)
{
    *ret = DAMAGED;
    if (h->codec == FAPILOG_NATIVE_CODEC_NONE) {
        *ret = h->raw_bytes == h->stored_bytes ? WHOLE : DAMAGED;
        return 0;
    }
    if (h->codec != FAPILOG_NATIVE_CODEC_ZSTD ||
        ZSTD_getFrameContentSize(f->stored, h->stored_bytes) != h->raw_bytes)
        return 0;
    if (!f->zstd && !(f->zstd = ZSTD_createDCtx()))
        return -ENOMEM;
    const int r = reserve(&f->raw, &f->raw_room, h->raw_bytes + 1);
    if (r < 0)
        return r;
    const size_t n = ZSTD_decompressDCtx(f->zstd, f->raw, h->raw_bytes, f->stored, h->stored_bytes);
    *ret = !ZSTD_isError(n) && n == h->raw_bytes ? WHOLE : DAMAGED;
    return 0;
}

static int read_block(struct native_file *f, const struct fapilog_native_block *h, enum verdict *ret)
{
    struct stat st;
    *ret = UNFINISHED;
    if (fstat(f->fd, &st) < 0)
        return -errno;
    if ((uint64_t)st.st_size < stored_end(f->offset, h))
        return 0; /* before memory is taken on the word of the header */
    const int r = reserve(&f->stored, &f->stored_room, (size_t)h->stored_bytes + 1);
    if (r < 0)
        return r;
    const ssize_t n = fd_pread_full(f->fd, f->stored, h->stored_bytes, f->offset + sizeof *h);
    if (n < 0)
        return (int)n;
    if (n < (ssize_t)h->stored_bytes)
        return 0;
    *ret = DAMAGED;
    if (XXH3_64bits(f->stored, h->stored_bytes) != h->xxh3)
        return 0;
    return unpack(f, h, ret);
}

static void count_sequence(struct native_file *f, const struct fapilog_native_block *h)
{
    if (h->kind == FAPILOG_NATIVE_KIND_INDEX)
        return;
    if (f->has_sequence && h->sequence > f->sequence)
        f->lost_blocks += h->sequence - f->sequence;
    f->sequence = h->sequence + 1;
    f->has_sequence = true;
}

static void give(struct native_file *f, const struct fapilog_native_block *h, struct native_block *ret)
{
    *ret = (struct native_block){
        .kind = h->kind, .records = h->records, .sequence = h->sequence, .offset = f->offset,
        .data = h->codec == FAPILOG_NATIVE_CODEC_NONE ? f->stored : f->raw, .len = h->raw_bytes,
    };
    f->read_to = stored_end(f->offset, h);
    f->offset = block_end(f->offset, h);
    f->torn_bytes = 0;
    f->is_tail_damaged = false;
    count_sequence(f, h);
}

/* Does the file end, or another block begin, where this one says that it ends? */
static int is_boundary(struct native_file *f, uint64_t offset)
{
    struct fapilog_native_block h;
    const ssize_t n = fd_pread_full(f->fd, &h, sizeof h, offset);
    if (n < 0)
        return (int)n;
    return n == 0 || (n == (ssize_t)sizeof h && is_block(&h));
}

/* Goes on behind damage. h: the block whose payload is bad, if its header is good. That header is
 * believed about where the block ends only when a boundary is there: a payload may hold what looks like
 * a block, and a later run may have appended behind a torn one. 1: f->offset has moved; 0: nothing
 * follows; -errno. */
static int skip(struct native_file *f, const struct fapilog_native_block *h)
{
    uint64_t next = h ? block_end(f->offset, h) : 0, read_to = h ? stored_end(f->offset, h) : 0;
    int r = h ? is_boundary(f, next) : 0;
    if (r == 0) {
        r = resync(f, f->offset + ALIGN, &next);
        read_to = next;
    }
    if (r > 0) {
        f->skipped_bytes += next - f->offset;
        f->skipped_blocks += h != NULL;
        f->vain_bytes += h ? h->stored_bytes : 0;
        f->offset = next;
        f->read_to = read_to;
    }
    return r;
}

/* Headers that lie are soon written: one every few bytes, each with the rest of the file as its payload. Once more has
 * been hashed in vain than damage explains, only a header is still believed that another one, or the end of the file,
 * confirms: from there the walk goes on behind its payload, so nothing is hashed twice for such. */
static int is_worth_hashing(struct native_file *f, const struct fapilog_native_block *h)
{
    struct stat st;
    if (f->vain_bytes == 0)
        return 1;
    if (fstat(f->fd, &st) < 0)
        return -errno;
    if (f->vain_bytes + h->stored_bytes <= NATIVE_FILE_VAIN_FACTOR * (uint64_t)st.st_size)
        return 1;
    return is_boundary(f, block_end(f->offset, h));
}

/* A block is written from its beginning on: one that is unfinished has a good header, or less than a header. */
static int end_here(struct native_file *f, bool may_grow)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return -errno;
    f->torn_bytes = (uint64_t)st.st_size > f->offset ? (uint64_t)st.st_size - f->offset : 0;
    f->is_tail_damaged = !may_grow && f->torn_bytes;
    return 0;
}

/* It was cut, and is as long again as what was read, or longer. */
static bool is_another(const struct native_file *f)
{
    struct fapilog_native_header h;
    return fd_pread_full(f->fd, &h, sizeof h, 0) == (ssize_t)sizeof h && h.magic == FAPILOG_NATIVE_MAGIC &&
           h.xxh3 == XXH3_64bits(&h, offsetof(struct fapilog_native_header, xxh3)) && h.xxh3 != f->header.xxh3;
}

/* Somebody has cut the file (copytruncate), and something else will be written there. 1: the walk begins again; 0: it
 * was not cut, or has no header again yet. */
static int begin_again(struct native_file *f)
{
    const uint64_t before = f->offset, read_before = f->read_to;
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return -errno;
    f->is_cut |= (uint64_t)st.st_size < f->read_to || is_another(f);
    if (!f->is_cut || check_header(f, "", NULL) < 0)
        return 0;
    if ((uint64_t)st.st_size < f->offset) { /* a header that says that it is longer than the file */
        f->offset = before;
        f->read_to = read_before;
        return 0;
    }
    f->cuts++;
    f->is_cut = f->has_sequence = f->is_tail_damaged = false;
    f->torn_bytes = 0;
    return 1;
}

int native_file_next(struct native_file *f, struct native_block *ret)
{
    if (f->is_cut) {
        const int again = begin_again(f);
        if (again <= 0)
            return again;
    }
    for (uint64_t seen_unfinished = 0;;) {
        struct fapilog_native_block h;
        enum verdict verdict = DAMAGED;
        const ssize_t n = fd_pread_full(f->fd, &h, sizeof h, f->offset);
        if (n < 0)
            return (int)n;
        if (n < (ssize_t)sizeof h) {
            const int again = begin_again(f);
            if (again > 0)
                continue;
            return again < 0 ? again : end_here(f, true);
        }
        int r = is_block(&h) ? is_worth_hashing(f, &h) : 0;
        const bool good = r > 0;
        if (good)
            r = read_block(f, &h, &verdict);
        if (r < 0)
            return r;
        if (good && verdict == WHOLE) {
            give(f, &h, ret);
            return 1;
        }
        if (good && verdict == UNFINISHED && seen_unfinished != f->offset) {
            uint64_t next;
            seen_unfinished = f->offset;
            r = resync(f, f->offset + ALIGN, &next);
            if (r <= 0)
                return r < 0 ? r : end_here(f, true);
            continue; /* something stands behind it: its writer may have finished it meanwhile */
        }
        r = begin_again(f);
        if (r > 0)
            continue;
        if (r < 0 || f->is_cut)
            return r;
        r = skip(f, good && verdict == DAMAGED ? &h : NULL);
        if (r <= 0)
            return r < 0 ? r : end_here(f, good && verdict == UNFINISHED);
    }
}

int native_file_load(struct native_file *f, uint64_t offset, uint8_t **ret, uint32_t *ret_len)
{
    struct fapilog_native_block h;
    enum verdict verdict = DAMAGED;
    const uint64_t next = f->offset;
    const ssize_t n = fd_pread_full(f->fd, &h, sizeof h, offset);
    if (n < 0)
        return (int)n;
    if (n < (ssize_t)sizeof h || !is_block(&h))
        return -EBADMSG;
    f->offset = offset;
    const int r = read_block(f, &h, &verdict);
    f->offset = next;
    if (r < 0 || verdict != WHOLE)
        return r < 0 ? r : -EBADMSG;
    uint8_t **from = h.codec == FAPILOG_NATIVE_CODEC_NONE ? &f->stored : &f->raw;
    size_t *room = h.codec == FAPILOG_NATIVE_CODEC_NONE ? &f->stored_room : &f->raw_room;
    *ret = *from;
    *ret_len = h.raw_bytes;
    *from = NULL;
    *room = 0;
    return 0;
}

/* ---- views ---- */

int native_segment_view(const struct native_block *b, struct fapilog_superblock *ret)
{
    if (b->kind != FAPILOG_NATIVE_KIND_SEGMENT || b->len < FAPILOG_NATIVE_SEGMENT_BYTES)
        return -EBADMSG;
    memset(ret, 0, sizeof *ret);
    memcpy(ret, b->data, FAPILOG_NATIVE_SEGMENT_BYTES);
    return 0;
}

int native_registry_view(const struct native_block *b, struct native_registry *ret)
{
    struct fapilog_native_registry head;
    if (b->kind != FAPILOG_NATIVE_KIND_REGISTRY || b->len < sizeof head)
        return -EBADMSG;
    memcpy(&head, b->data, sizeof head);
    if (head.from > head.to || head.to - head.from != b->len - sizeof head || head.from % 8)
        return -EBADMSG;
    *ret = (struct native_registry){{head.uuid_hi, head.uuid_lo}, head.from, head.to, b->data + sizeof head};
    return 0;
}

int native_spans_view(const struct native_block *b, struct native_spans *ret)
{
    struct fapilog_native_spans top;
    uint64_t bytes = 0;
    if (b->kind != FAPILOG_NATIVE_KIND_SPANS || b->len < sizeof top)
        return -EBADMSG;
    memcpy(&top, b->data, sizeof top);
    const uint64_t table = sizeof top + (uint64_t)top.count * sizeof(struct fapilog_native_span);
    if (table > b->len)
        return -EBADMSG;
    for (uint32_t i = 0; i < top.count; i++) {
        struct fapilog_native_span head;
        memcpy(&head, b->data + sizeof top + i * sizeof head, sizeof head);
        if (head.bytes % ALIGN || head.repeated > head.bytes || head.repeated % ALIGN)
            return -EBADMSG;
        bytes += head.bytes;
    }
    if (table + bytes != b->len)
        return -EBADMSG;
    *ret = (struct native_spans){top.count, top.flags, b->data + sizeof top, b->data + table, b->data + b->len};
    return 0;
}

int native_spans_next(struct native_spans *it, struct native_span *ret)
{
    if (it->left == 0)
        return 0;
    memcpy(&ret->head, it->head, sizeof ret->head);
    CHECK(ret->head.bytes <= (uint64_t)(it->end - it->data)); /* native_spans_view() has summed them up */
    ret->head.thread[sizeof ret->head.thread - 1] = '\0';
    ret->data = it->data;
    it->head += sizeof ret->head;
    it->data += ret->head.bytes;
    it->left--;
    return 1;
}

int native_losses_view(const struct native_block *b, struct native_losses *ret)
{
    struct fapilog_native_losses top;
    if (b->kind != FAPILOG_NATIVE_KIND_LOSSES || b->len < sizeof top)
        return -EBADMSG;
    memcpy(&top, b->data, sizeof top);
    if (top.stride < sizeof(struct fapilog_native_loss) ||
        sizeof top + (uint64_t)top.count * top.stride != b->len)
        return -EBADMSG;
    *ret = (struct native_losses){top.count, top.stride, b->data + sizeof top};
    return 0;
}

int native_losses_next(struct native_losses *it, struct fapilog_native_loss *ret)
{
    if (it->left == 0)
        return 0;
    memcpy(ret, it->entry, sizeof *ret);
    it->entry += it->stride;
    it->left--;
    return 1;
}

int native_index_view(const struct native_block *b, struct native_index *ret)
{
    struct fapilog_native_index head;
    const size_t ends = sizeof head + sizeof(struct fapilog_native_trailer);
    if (b->kind != FAPILOG_NATIVE_KIND_INDEX || b->len < ends)
        return -EBADMSG;
    memcpy(&head, b->data, sizeof head);
    if (head.count != (b->len - ends) / sizeof(struct fapilog_native_index_entry) ||
        (b->len - ends) % sizeof(struct fapilog_native_index_entry))
        return -EBADMSG;
    *ret = (struct native_index){
        .records = head.records, .count = head.count,
        .entry = (const struct fapilog_native_index_entry *)(const void *)(b->data + sizeof head),
    };
    return 0;
}
