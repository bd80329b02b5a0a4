#include "collector/sinks/native_blocks.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COMPRESS_BYTES_MIN = 256 };

int native_blocks_init(struct native_blocks *b, bool compress, int level)
{
    *b = (struct native_blocks){0};
    b->hash = XXH3_createState();
    if (!b->hash)
        return -ENOMEM;
    if (!compress)
        return 0;
    b->zstd = ZSTD_createCCtx();
    if (!b->zstd)
        return -ENOMEM;
    return ZSTD_isError(ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_compressionLevel, level)) ? -EINVAL : 0;
}

void native_blocks_done(struct native_blocks *b)
{
    arena_done(&b->arena);
    free(b->piece);
    free(b->index);
    ZSTD_freeCCtx(b->zstd);
    XXH3_freeState(b->hash);
    *b = (struct native_blocks){0};
}

void native_blocks_begin(struct native_blocks *b)
{
    CHECK(b->index_pending == 0);
    arena_reset(&b->arena);
    b->pieces_count = 0;
    b->bytes = 0;
    b->sequence_before = b->sequence;
}

static int add_piece(struct native_blocks *b, const void *data, uint32_t len)
{
    if (b->pieces_count == b->pieces_room) {
        const unsigned room = b->pieces_room ? b->pieces_room * 2 : 64;
        struct piece *piece = reallocarray(b->piece, room, sizeof *piece);
        if (!piece)
            return -ENOMEM;
        b->piece = piece;
        b->pieces_room = room;
    }
    b->piece[b->pieces_count++] = (struct piece){data, len, -1};
    b->bytes += len;
    return 0;
}

int native_blocks_raw(struct native_blocks *b, const void *data, uint32_t len)
{
    CHECK(len % FAPILOG_NATIVE_ALIGN == 0);
    return add_piece(b, data, len);
}

/* The stored form in one piece, or -ENODATA when it would not be smaller. */
static int compress(struct native_blocks *b, const struct piece *parts, unsigned count, uint64_t raw,
                    struct piece *ret)
{
    const size_t room = ZSTD_compressBound(raw);
    ZSTD_outBuffer out = {arena_alloc(&b->arena, room), room, 0};
    if (!out.dst)
        return -ENOMEM;
    (void)ZSTD_CCtx_reset(b->zstd, ZSTD_reset_session_only);
    (void)ZSTD_CCtx_setPledgedSrcSize(b->zstd, raw);
    for (unsigned i = 0; i < count; i++) {
        ZSTD_inBuffer in = {parts[i].data, parts[i].len, 0};
        const bool last = i + 1 == count;
        size_t left;
        do {
            left = ZSTD_compressStream2(b->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(left))
                return -EIO;
        } while (last ? left != 0 : in.pos < in.size);
    }
    const bool smaller = out.pos < raw;
    arena_trim(&b->arena, out.dst, smaller ? out.pos : 0);
    *ret = (struct piece){out.dst, (uint32_t)out.pos, -1};
    return smaller ? 0 : -ENODATA;
}

static uint64_t hash_pieces(struct native_blocks *b, const struct piece *parts, unsigned count)
{
    if (count == 1)
        return XXH3_64bits(parts->data, parts->len);
    (void)XXH3_64bits_reset(b->hash);
    for (unsigned i = 0; i < count; i++)
        (void)XXH3_64bits_update(b->hash, parts[i].data, parts[i].len);
    return XXH3_64bits_digest(b->hash);
}

static int add_index(struct native_blocks *b, const struct native_block_info *info)
{
    if (b->index_count == b->index_room) {
        const unsigned room = b->index_room ? b->index_room * 2 : 256;
        struct fapilog_native_index_entry *index = reallocarray(b->index, room, sizeof *index);
        if (!index)
            return -ENOMEM;
        b->index = index;
        b->index_room = room;
    }
    b->index[b->index_count++] = (struct fapilog_native_index_entry){
        .offset = b->bytes, .kind = info->kind, .records = info->records, .real_ns = info->real_ns,
    };
    b->index_pending++;
    b->records += info->records;
    return 0;
}

static int add_payload(struct native_blocks *b, struct fapilog_native_block *head, const struct piece *parts,
                       unsigned count, uint64_t stored)
{
    static const uint64_t zeros;
    head->stored_bytes = (uint32_t)stored;
    head->xxh3 = hash_pieces(b, parts, count);
    head->header_xxh3 = XXH3_64bits(head, offsetof(struct fapilog_native_block, header_xxh3));
    int r = add_piece(b, head, sizeof *head);
    for (unsigned i = 0; i < count && r == 0; i++)
        r = add_piece(b, parts[i].data, parts[i].len);
    const uint32_t pad = (uint32_t)(-stored & (FAPILOG_NATIVE_ALIGN - 1));
    return r == 0 && pad ? add_piece(b, &zeros, pad) : r;
}

int native_blocks_add(struct native_blocks *b, const struct native_block_info *info,
                      const struct piece *parts, unsigned count)
{
    struct fapilog_native_block *head = arena_alloc(&b->arena, sizeof *head);
    struct piece packed;
    uint64_t raw = 0;
    if (!head)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        raw += parts[i].len;
    if (raw > FAPILOG_NATIVE_STORED_MAX)
        return -EFBIG;
    *head = (struct fapilog_native_block){
        .sync = FAPILOG_NATIVE_SYNC, .kind = info->kind, .codec = FAPILOG_NATIVE_CODEC_NONE,
        .records = info->records, .raw_bytes = (uint32_t)raw, .sequence = b->sequence,
    };
    int r = add_index(b, info);
    if (r < 0)
        return r;
    r = -ENODATA;
    if (b->zstd && !info->is_plain && raw >= COMPRESS_BYTES_MIN)
        r = compress(b, parts, count, raw, &packed);
    if (r < 0 && r != -ENODATA)
        return r;
    if (r == 0)
        head->codec = FAPILOG_NATIVE_CODEC_ZSTD;
    r = r == 0 ? add_payload(b, head, &packed, 1, packed.len) : add_payload(b, head, parts, count, raw);
    if (r == 0 && info->kind != FAPILOG_NATIVE_KIND_INDEX) /* an index may be cut off again */
        b->sequence++;
    return r;
}

void native_blocks_commit(struct native_blocks *b, uint64_t offset)
{
    for (; b->index_pending; b->index_pending--)
        b->index[b->index_count - b->index_pending].offset += offset;
    b->sequence_before = b->sequence;
}

void native_blocks_abort(struct native_blocks *b)
{
    for (; b->index_pending; b->index_pending--)
        b->records -= b->index[--b->index_count].records;
    b->sequence = b->sequence_before;
}

void native_blocks_new_file(struct native_blocks *b)
{
    b->index_count = b->index_pending = 0;
    b->records = 0;
}

int native_blocks_index(struct native_blocks *b, uint64_t offset)
{
    const struct native_block_info info = {.kind = FAPILOG_NATIVE_KIND_INDEX, .is_plain = true};
    const unsigned count = b->index_count;
    native_blocks_begin(b);
    struct fapilog_native_index *head = arena_alloc(&b->arena, sizeof *head);
    struct fapilog_native_trailer *end = arena_alloc(&b->arena, sizeof *end);
    const uint64_t bytes = (uint64_t)count * sizeof *b->index;
    if (!head || !end || bytes > FAPILOG_NATIVE_STORED_MAX / 2)
        return -ENOMEM;
    *head = (struct fapilog_native_index){.count = count, .records = b->records};
    *end = (struct fapilog_native_trailer){.index_offset = offset, .magic = FAPILOG_NATIVE_TRAILER};
    struct fapilog_native_index_entry *copy = arena_alloc(&b->arena, bytes + 1);
    if (!copy)
        return -ENOMEM;
    if (count)
        memcpy(copy, b->index, bytes); /* the list itself may move while its own block is added */
    const struct piece parts[] = {
        {head, sizeof *head, -1}, {copy, (uint32_t)bytes, -1}, {end, sizeof *end, -1},
    };
    const int r = native_blocks_add(b, &info, parts, ARRAY_COUNT(parts));
    native_blocks_abort(b);
    return r;
}
