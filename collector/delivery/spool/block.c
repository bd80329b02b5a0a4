#include "collector/delivery/spool/block.h"

#include "lib/base/check.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    ZSTD_LEVEL = 1,
    PACK_MAX = 2 * SPOOL_BLOCK_RAW, /* packing more would hold up the reactor for longer than a millisecond */
    GATHER_STEP = 8 << 10, /* is still in the first cache when it is checksummed */
};

/* Making a context costs more than packing a block with it: one of each kind, made when it is first needed. NULL: no
 * memory; a block is stored plain then, and one that is packed cannot be read. */
static ZSTD_CCtx *packer(void)
{
    static _Thread_local ZSTD_CCtx *context;
    if (!context)
        context = ZSTD_createCCtx();
    return context;
}

static ZSTD_DCtx *unpacker(void)
{
    static _Thread_local ZSTD_DCtx *context;
    if (!context)
        context = ZSTD_createDCtx();
    return context;
}

void spool_file_head_seal(struct spool_file_head *h)
{
    h->magic = SPOOL_FILE_MAGIC;
    h->endian = SPOOL_ENDIAN;
    h->major = h->kind == SPOOL_ENTRIES ? SPOOL_MAJOR : 1;
    h->head_bytes = sizeof *h;
    h->xxh3 = XXH3_64bits(h, offsetof(struct spool_file_head, xxh3));
}

bool spool_file_head_is_valid(const struct spool_file_head *h)
{
    return h->magic == SPOOL_FILE_MAGIC && h->endian == SPOOL_ENDIAN && h->major >= 1 && h->major <= SPOOL_MAJOR &&
           h->head_bytes == sizeof *h && h->xxh3 == XXH3_64bits(h, offsetof(struct spool_file_head, xxh3));
}

size_t spool_block_bound(size_t raw_len)
{
    const size_t packed = raw_len <= PACK_MAX ? ZSTD_compressBound(raw_len) : raw_len;
    return sizeof(struct spool_block_head) + (packed > raw_len ? packed : raw_len) + 8;
}

/* raw_bytes, stored_bytes, codec and xxh3 are given. */
static size_t head_seal(struct spool_block_head *h, char *out)
{
    h->sync = SPOOL_BLOCK_SYNC;
    h->head_xxh3 = XXH3_64bits(h, offsetof(struct spool_block_head, head_xxh3));
    memset(out + sizeof *h + h->stored_bytes, 0, spool_block_bytes(h) - sizeof *h - h->stored_bytes);
    memcpy(out, h, sizeof *h);
    return spool_block_bytes(h);
}

size_t spool_block_gather(struct spool_block_head *h, const struct iovec *piece, uint32_t count, char *out)
{
    XXH3_state_t hash;
    char *to = out + sizeof *h;
    (void)XXH3_64bits_reset(&hash);
    for (uint32_t i = 0; i < count; i++) {
        const char *from = piece[i].iov_base;
        for (size_t left = piece[i].iov_len, n; left; left -= n, from += n, to += n) {
            n = left < GATHER_STEP ? left : GATHER_STEP;
            memcpy(to, from, n);
            (void)XXH3_64bits_update(&hash, to, n); /* the copy: its source may be changing */
        }
    }
    h->codec = SPOOL_PLAIN;
    h->raw_bytes = h->stored_bytes = (uint32_t)(to - out - (ptrdiff_t)sizeof *h);
    h->xxh3 = XXH3_64bits_digest(&hash);
    return head_seal(h, out);
}

size_t spool_block_seal(struct spool_block_head *h, const char *raw, uint32_t raw_len, char *out)
{
    char *stored = out + sizeof *h;
    size_t len = raw_len;
    const bool is_packed = h->codec == SPOOL_ZSTD && raw_len <= PACK_MAX;
    h->codec = SPOOL_PLAIN;
    if (is_packed && packer()) {
        const size_t n = ZSTD_compressCCtx(packer(), stored, ZSTD_compressBound(raw_len), raw, raw_len, ZSTD_LEVEL);
        if (!ZSTD_isError(n) && n < raw_len) {
            h->codec = SPOOL_ZSTD;
            len = n;
        }
    }
    if (h->codec == SPOOL_PLAIN)
        memcpy(stored, raw, raw_len);
    h->raw_bytes = raw_len;
    h->stored_bytes = (uint32_t)len;
    h->xxh3 = XXH3_64bits(stored, len);
    return head_seal(h, out);
}

static bool head_is_valid(const struct spool_block_head *h, enum spool_kind kind)
{
    const bool is_image = kind == SPOOL_ENTRIES && h->kind == SPOOL_IMAGE;
    return h->sync == SPOOL_BLOCK_SYNC && (h->kind == kind || is_image) &&
           h->raw_bytes <= (is_image ? SPOOL_IMAGE_MAX : SPOOL_RAW_MAX) &&
           h->stored_bytes <= h->raw_bytes && h->codec <= SPOOL_ZSTD &&
           h->records <= (is_image ? SPOOL_BLOCK_RECORDS : h->raw_bytes / sizeof(struct entry_head)) &&
           h->head_xxh3 == XXH3_64bits(h, offsetof(struct spool_block_head, head_xxh3));
}

bool spool_block_find(const char *data, size_t len, enum spool_kind kind, size_t *at, struct spool_block_head *ret)
{
    const uint64_t sync = SPOOL_BLOCK_SYNC;
    for (; *at + sizeof *ret <= len; *at += 8) {
        if (memcmp(data + *at, &sync, sizeof sync) != 0)
            continue;
        memcpy(ret, data + *at, sizeof *ret);
        if (head_is_valid(ret, kind))
            return true;
    }
    return false;
}

int spool_block_unpack(const struct spool_block_head *h, const char *stored, char *out)
{
    if (XXH3_64bits(stored, h->stored_bytes) != h->xxh3)
        return -EBADMSG;
    if (h->codec == SPOOL_ZSTD)
        return unpacker() && ZSTD_decompressDCtx(unpacker(), out, h->raw_bytes, stored, h->stored_bytes) == h->raw_bytes
                   ? 0
                   : -EBADMSG;
    if (h->stored_bytes != h->raw_bytes)
        return -EBADMSG;
    memcpy(out, stored, h->raw_bytes);
    return 0;
}

bool spool_item_next(const char *raw, size_t len, enum spool_kind kind, size_t *at, struct spool_item *ret)
{
    *ret = (struct spool_item){0};
    if (kind == SPOOL_DEAD) {
        const struct spool_dead_head *d = (const void *)(raw + *at);
        if (len - *at < sizeof *d || d->bytes % 8 || d->bytes > len - *at || sizeof *d + d->reason_len > d->bytes)
            return false;
        ret->dead = d;
        ret->reason = (const char *)(d + 1);
        *at += d->bytes;
    }
    ret->entry = entry_at(raw + *at, len - *at);
    if (!ret->entry)
        return false;
    *at += ret->entry->bytes;
    return true;
}
