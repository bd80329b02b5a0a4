/* layout.h - the bytes of a spool's and of a dead letter's files; docs/abi/spool.md tells them in prose.
 *
 *   file   struct spool_file_head | block | block | ...
 *   block  struct spool_block_head | stored bytes | zeros up to a multiple of 8
 *
 * What is stored is, packed or not, a run of whole entries (collector/sinks/entry.h), in a file of dead letters
 * each with a struct spool_dead_head and its reason before it; or an image (collector/delivery/image.h). Native
 * endian. */
#ifndef COLLECTOR_DELIVERY_SPOOL_LAYOUT_H
#define COLLECTOR_DELIVERY_SPOOL_LAYOUT_H

#include "collector/sinks/entry.h"

#include <stdint.h>

#define SPOOL_FILE_MAGIC UINT64_C(0x314c4f4f50534146)  /* "FASPOOL1" */
#define SPOOL_BLOCK_SYNC UINT64_C(0x4b434f4c42504146)  /* "FAPBLOCK" */
#define SPOOL_SEQUENCE_MAX (UINT64_MAX / 2)            /* of a block: beyond it is damage */
#define SPOOL_SUFFIX ".spool"
#define SPOOL_DEAD_SUFFIX ".dead"

enum {
    SPOOL_ENDIAN = 0x01020304,
    SPOOL_MAJOR = 2, /* 1: no images */
    SPOOL_BLOCK_RAW = 256 << 10,   /* a block is closed before it holds more; a longer entry is alone in its own */
    SPOOL_BLOCK_RECORDS = 4096,
    SPOOL_REASON_MAX = 256,
    SPOOL_RAW_MAX = ENTRY_BYTES_MAX + 4096, /* of any block of entries */
    SPOOL_IMAGE_MAX = 1 << 30,     /* of any image */
};

/* Of files; of blocks, too, and a file of SPOOL_ENTRIES has SPOOL_IMAGE among them. */
enum spool_kind { SPOOL_ENTRIES = 1, SPOOL_DEAD = 2, SPOOL_IMAGE = 3 };
enum spool_codec { SPOOL_PLAIN = 0, SPOOL_ZSTD = 1 };

struct spool_file_head {
    uint64_t magic;
    uint32_t endian;
    uint16_t major;
    uint16_t head_bytes;
    uint64_t sequence;  /* of the first block */
    int64_t time_ns;    /* CLOCK_REALTIME: when it was begun */
    uint16_t kind;
    uint8_t zero[6];
    char sink[64];      /* its name, ends with NUL */
    char format[64];    /* scheme/format: whom these entries can be sent to */
    uint64_t xxh3;      /* of all before */
};
_Static_assert(sizeof(struct spool_file_head) == 176, "lies in files");

struct spool_block_head {
    uint64_t sync;
    uint16_t kind;
    uint16_t codec;
    uint32_t records;
    uint32_t raw_bytes;
    uint32_t stored_bytes;
    uint64_t sequence;  /* rises by one per block, over all files of a directory */
    int64_t time_ns;    /* CLOCK_REALTIME: when it was written */
    int64_t oldest_ns;  /* CLOCK_REALTIME: of its oldest record */
    uint64_t xxh3;      /* of the stored bytes */
    uint64_t head_xxh3; /* of all before */
};
_Static_assert(sizeof(struct spool_block_head) == 64, "lies in files");

struct spool_dead_head {
    uint32_t bytes;      /* of head, reason and padding; the entry follows */
    uint16_t reason_len;
    uint16_t zero;
    int32_t status;      /* of the protocol, 0: none */
    uint32_t attempts;
    int64_t time_ns;     /* CLOCK_REALTIME: when it was given up */
};
_Static_assert(sizeof(struct spool_dead_head) == 24, "lies in files");

#endif
