/* native.h - layout of native files (.fnl): records as they lay in the ring, with everything that is
 * needed to decode them. docs/abi/native.md explains it; this header is the only other place that
 * defines it. Fixed-width integers in the byte order of the writer; the header carries a tag.
 *
 *   file:   | header | block | block | ...                  each on a multiple of 8 bytes
 *   block:  | struct fapilog_native_block | stored bytes | zeros up to a multiple of 8 |
 *
 * A file decodes by itself: before the first span of a segment come a segment block and registry
 * blocks with every entry that the span names. Blocks may be appended by several runs of a collector;
 * what one run wrote never depends on another's. */
#ifndef FAPILOG_NATIVE_H
#define FAPILOG_NATIVE_H

#include <fapilog/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAPILOG_NATIVE_MAGIC UINT64_C(0x3154414e50414621) /* "!FAPNAT1" read as little endian */
#define FAPILOG_NATIVE_SYNC UINT64_C(0xb1d7c3a95e28f46b)  /* starts every block */
#define FAPILOG_NATIVE_TRAILER UINT64_C(0x2144444e45504146) /* "FAPENDD!": last word of a finished file */
#define FAPILOG_NATIVE_MAJOR 1
#define FAPILOG_NATIVE_MINOR 2

enum {
    FAPILOG_NATIVE_ALIGN = 8,
    FAPILOG_NATIVE_STORED_MAX = 1 << 30, /* stored and raw bytes of one block */
    FAPILOG_NATIVE_SEGMENT_BYTES = 576,  /* the immutable part of a superblock with its checksum */
};

#define FAPILOG_NATIVE_HEADER_FIELDS(F) \
    F(0, 64, magic, "FAPILOG_NATIVE_MAGIC") \
    F(8, 32, endian, "FAPILOG_ENDIAN_TAG") \
    F(12, 16, major, "another major is refused") \
    F(14, 16, minor, "fields added later are zero in older files") \
    F(16, 32, header_size, "bytes before the first block, 128") \
    F(20, 32, reserved0, "zero") \
    F(24, 64, compat, "feature bits that a reader may ignore") \
    F(32, 64, incompat, "feature bits that a reader must know or refuse the file") \
    F(40, 64, uuid_hi, "random identity of the file, first 8 bytes in memory order") \
    F(48, 64, uuid_lo, "last 8 bytes") \
    F(56, 64, created_ns, "CLOCK_REALTIME") \
    F(64, 64, boot_hi, "boot id of the machine that wrote the file") \
    F(72, 64, boot_lo, "")

struct fapilog_native_header {
#define F(off, bits, name, doc) uint##bits##_t name;
    FAPILOG_NATIVE_HEADER_FIELDS(F)
#undef F
    uint64_t reserved1[5]; /* 80: zero */
    uint64_t xxh3;         /* 120: XXH3-64 of bytes 0..119 */
};

#define FAPILOG_NATIVE_BLOCK_FIELDS(F) \
    F(0, 64, sync, "FAPILOG_NATIVE_SYNC") \
    F(8, 16, kind, "FAPILOG_NATIVE_KIND_*; unknown ones are skipped") \
    F(10, 8, codec, "FAPILOG_NATIVE_CODEC_*") \
    F(11, 8, reserved0, "zero") \
    F(12, 32, records, "events in it: EVENT, DYNAMIC and whole fragment chains; 0 if none") \
    F(16, 32, raw_bytes, "of the payload") \
    F(20, 32, stored_bytes, "of the payload as stored; the block takes 48 + this, rounded up to 8") \
    F(24, 64, sequence, "rises by one per block but INDEX; a gap is a lost block, 0 a new count") \
    F(32, 64, xxh3, "XXH3-64 of the stored bytes") \
    F(40, 64, header_xxh3, "XXH3-64 of bytes 0..39")

struct fapilog_native_block {
#define F(off, bits, name, doc) uint##bits##_t name;
    FAPILOG_NATIVE_BLOCK_FIELDS(F)
#undef F
};

#define FAPILOG_NATIVE_CODEC_NONE 0
#define FAPILOG_NATIVE_CODEC_ZSTD 1 /* one frame */

/* Payloads. */
#define FAPILOG_NATIVE_KIND_SEGMENT 1  /* FAPILOG_NATIVE_SEGMENT_BYTES of the superblock */
#define FAPILOG_NATIVE_KIND_REGISTRY 2 /* struct fapilog_native_registry, then bytes [from, to) of the registry */
#define FAPILOG_NATIVE_KIND_SPANS 3    /* struct fapilog_native_spans, `count` span heads, then their bytes in order */
#define FAPILOG_NATIVE_KIND_INDEX 4    /* struct fapilog_native_index, `count` entries, struct fapilog_native_trailer */
#define FAPILOG_NATIVE_KIND_LOSSES 5   /* struct fapilog_native_losses, `count` struct fapilog_native_loss; since 1.2 */

struct fapilog_native_registry {
    uint64_t uuid_hi, uuid_lo; /* segment */
    uint64_t from, to;         /* offsets from the start of the registry; from 0 on the preamble is included */
};

struct fapilog_native_spans {
    uint32_t count;
    uint32_t flags; /* FAPILOG_NATIVE_SPANS_*; since 1.1, zero before */
};

/* Each span is one record that the collector has encoded anew, at the position of the one in the ring. It may be
 * longer than that was, so what seems to overlap the next span does not. */
#define FAPILOG_NATIVE_SPANS_APART 1

/* Whole records of one lane; data begins and ends between records and is a multiple of 8 long. */
struct fapilog_native_span {
    uint64_t uuid_hi, uuid_lo; /* segment */
    uint32_t lane;
    uint32_t generation;
    uint64_t position;         /* of the first byte (the repeated ones included), in the lane */
    uint32_t bytes;
    uint32_t records;          /* without those in the first `repeated` bytes */
    uint32_t tid;
    uint32_t repeated;         /* leading bytes that another file or block holds too: the begin of the ring
                                  block, for its header and context records; its events do not count again */
    uint64_t anchor_cycles;    /* the segment's counter and CLOCK_REALTIME at one instant after the last */
    uint64_t anchor_real_ns;   /* record was written; both 0: none (a segment of another boot) */
    char thread[32];           /* name, NUL-terminated */
};

struct fapilog_native_losses {
    uint32_t count;
    uint32_t stride; /* bytes from entry to entry: a later version may add fields at their end */
};

/* What a lane, or with FAPILOG_NATIVE_LANE_NONE the segment itself, had lost since it was made. */
#define FAPILOG_NATIVE_LANE_NONE UINT32_MAX
struct fapilog_native_loss {
    uint64_t uuid_hi, uuid_lo; /* segment */
    uint32_t lane;
    uint32_t reserved0;
    uint64_t last_ns;          /* CLOCK_REALTIME of the last one that the lane refused, 0: unknown */
    uint64_t dropped;          /* lane: refused since it was full */
    uint64_t overwritten;      /* lane: written over before they were read */
    uint64_t no_lane;          /* segment: refused since no lane was free */
    uint64_t unregistered;     /* segment: refused since the registry was full */
    uint64_t truncated;        /* segment: records that were cut, not lost */
    uint64_t reserved1;
};

struct fapilog_native_index {
    uint64_t count;
    uint64_t records; /* in all spans of this run of the writer */
};

struct fapilog_native_index_entry {
    uint64_t offset;  /* of the block in the file */
    uint32_t kind;
    uint32_t records;
    uint64_t real_ns; /* anchor of the block's first span, 0: none */
};

/* At the very end of a finished file, since the index is then its last block. */
struct fapilog_native_trailer {
    uint64_t index_offset;
    uint64_t magic; /* FAPILOG_NATIVE_TRAILER */
};

#define F(off, bits, name, doc) \
    FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_native_header, name) == (off), #name " moved");
FAPILOG_NATIVE_HEADER_FIELDS(F)
#undef F
#define F(off, bits, name, doc) \
    FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_native_block, name) == (off), #name " moved");
FAPILOG_NATIVE_BLOCK_FIELDS(F)
#undef F
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_native_header, xxh3) == 120, "xxh3 moved");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_header) == 128, "header");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_block) == 48, "block");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_registry) == 32, "registry");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_spans) == 8, "spans");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_native_span, position) == 24, "position moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_native_span, anchor_cycles) == 48, "anchor moved");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_span) == 96, "span");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_losses) == 8, "losses");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_loss) == 80, "loss");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_index) == 16, "index");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_index_entry) == 24, "index entry");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_native_trailer) == 16, "trailer");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_superblock, registry_tail) == FAPILOG_NATIVE_SEGMENT_BYTES,
                      "the segment block ends where the mutable part begins");

#ifdef __cplusplus
}
#endif
#endif
