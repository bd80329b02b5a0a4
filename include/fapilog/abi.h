/* abi.h - the layout that producers, the collector and the tools share. This header and
 * docs/abi/ring.md are the only places that define it. Only fixed-width integers and offsets:
 * no pointers, enums, bit-fields or longs live in shared memory. All words are native endian; the
 * superblock carries a tag.
 *
 *   file:  | superblock | ctl | registry | lane table | lane 0 data | lane 1 data | ...
 *   maps:    A (rw)       B     B          A            A
 *
 * Mapping A belongs to the file description that holds the liveness lock; the producer marks it
 * MADV_DONTFORK. Mapping B comes from a second description without the lock and is inherited by
 * forked children, which read the level words and copy the registry from it.
 * The collector maps everything read-only except ctl.
 *
 * Edges (each atomic access names the one it belongs to):
 *   C1 -> C2   producer: store_rel lane.tail            collector: load_acq lane.tail
 *              the bytes of [old tail, new tail) are complete
 *   H1 -> H2   collector: store_rel slot.head           producer (slow path): load_acq slot.head
 *              the collector's reads of [.., head) are done, the bytes may be written again
 *   O1 -> O2   producer: store lane.intent, fence(rel)  reader: copy, fence(acq), load lane.intent
 *              overwrite mode: the copy is good only where pos + cap >= intent
 *   R1 -> R2   producer: store_rel entry.word0          anyone: load_acq entry.word0
 *              a registry entry is complete
 *   L1 -> L2   producer: store_rel lane.state (ACTIVE)  collector: load_acq lane.state
 *              tid, name and geometry of this generation are written
 *   D1 -> D2   collector: store_rel slot.done           producer: load_acq slot.done (flush, lane reuse)
 *              everything before done has reached every sink
 *   T1 -> T2   collector: store ctl.anchor_cycles 0, fence(rel), anchor_real_ns, store_rel anchor_cycles
 *              producer (old anchor): load_acq anchor_cycles, anchor_real_ns, fence(acq), anchor_cycles
 *              equal and not 0: both halves belong together
 */
#ifndef FAPILOG_ABI_H
#define FAPILOG_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define FAPILOG_STATIC_ASSERT static_assert
#define FAPILOG_U64_OF_(v) static_cast<uint64_t>(v)
extern "C" {
#else
#define FAPILOG_STATIC_ASSERT _Static_assert
#define FAPILOG_U64_OF_(v) ((uint64_t)(v))
#endif

#define FAPILOG_MAGIC UINT64_C(0x31474e5250414621) /* "!FAPRNG1" read as little endian */
#define FAPILOG_ENDIAN_TAG UINT32_C(0x01020304)
#define FAPILOG_ABI_MAJOR 1
#define FAPILOG_ABI_MINOR 1

#define FAPILOG_SEGMENT_SUFFIX ".ring" /* <pid>-<16 hex digits of the uuid>.ring */
#define FAPILOG_COLLECTOR_LOCK "collector.lock" /* write-locked (OFD) by the directory's collector */

/* Limits of the format. */
enum {
    FAPILOG_RECORD_ALIGN = 8,
    FAPILOG_BLOCK_LOG2_MIN = 12,
    FAPILOG_BLOCK_LOG2_MAX = 18, /* size8 has 16 bits: a record inside one block is < 512 KiB */
    FAPILOG_LANE_LOG2_MIN = 14,
    FAPILOG_LANE_LOG2_MAX = 30,
    FAPILOG_LANES_MAX = 16384,
    FAPILOG_LOGGERS_MAX = 512, /* level words; further loggers share the word of their parent */
    FAPILOG_LEVEL_RULES_MAX = 32,
    FAPILOG_SINKS_MAX = 32,
    FAPILOG_FIELDS_MAX = 64,              /* fields of one record, without bound and context fields */
    FAPILOG_RECORD_BYTES_MAX = 1u << 20,  /* payload of a logical record; longer text is cut and marked */
    FAPILOG_SHARED_LANES = 4,             /* lanes 0..3 belong to no thread, see lane.mode */
};

/* ---- levels -------------------------------------------------------------------------------- */

/* Values leave room between names: they are the OTel severity numbers (1..24) except that AUDIT and
 * SECURITY, which OTel does not know, stand above FATAL. The header of a record stores this number. */
enum fapilog_level {
    FAPILOG_LEVEL_TRACE = 1,
    FAPILOG_LEVEL_DEBUG = 5,
    FAPILOG_LEVEL_INFO = 9,
    FAPILOG_LEVEL_WARNING = 13,
    FAPILOG_LEVEL_ERROR = 17,
    FAPILOG_LEVEL_CRITICAL = 21,
    FAPILOG_LEVEL_AUDIT = 25,
    FAPILOG_LEVEL_SECURITY = 28,
    FAPILOG_LEVEL_OFF = 31, /* as a threshold only */
};

/* ---- superblock, offset 0 ------------------------------------------------------------------- */

/* Offset, size in bits, name, meaning. Struct, proofs, dump table and docs come from this list. */
#define FAPILOG_SUPERBLOCK_FIELDS(F) \
    F(0, 64, magic, "FAPILOG_MAGIC, written last by the creator") \
    F(8, 32, endian, "FAPILOG_ENDIAN_TAG") \
    F(12, 16, major, "another major is refused") \
    F(14, 16, minor, "fields added later are zero in older segments") \
    F(16, 32, super_size, "bytes of the superblock, 4096") \
    F(20, 32, page_size, "of the creator") \
    F(24, 64, compat, "feature bits that a reader may ignore") \
    F(32, 64, incompat, "feature bits that a reader must know or refuse the segment") \
    F(40, 64, file_size, "bytes of the segment file") \
    F(48, 64, uuid_hi, "random identity of the segment, first 8 bytes in memory order") \
    F(56, 64, uuid_lo, "last 8 bytes") \
    F(64, 64, boot_hi, "boot id of the machine") \
    F(72, 64, boot_lo, "") \
    F(80, 64, start_ticks, "start time of the process, field 22 of /proc/self/stat") \
    F(88, 64, pid_ns, "inode of the pid namespace") \
    F(96, 32, pid, "label only: liveness is the lock") \
    F(100, 32, uid, "") \
    F(104, 32, gid, "") \
    F(108, 32, clock_kind, "FAPILOG_CLOCK_*: what the cycles of a record count") \
    F(112, 64, t0_cycles, "anchor taken at creation: counter") \
    F(120, 64, t0_real_ns, "CLOCK_REALTIME at the same instant") \
    F(128, 64, t0_mono_ns, "CLOCK_MONOTONIC at the same instant") \
    F(136, 64, counter_hz, "best estimate at creation, refined by later anchors") \
    F(144, 64, ctl_off, "collector's area") \
    F(152, 64, ctl_size, "") \
    F(160, 64, registry_off, "") \
    F(168, 64, registry_size, "") \
    F(176, 64, lane_off, "lane table") \
    F(184, 64, data_off, "first lane's data; each lane names its own offset") \
    F(192, 32, lane_count, "including the shared lanes") \
    F(196, 32, lane_stride, "256") \
    F(200, 32, slot_stride, "64, of the lane slots in ctl") \
    F(204, 32, parent_pid, "of a forked child, else 0")

#define FAPILOG_U16_ uint16_t
#define FAPILOG_U32_ uint32_t
#define FAPILOG_U64_ uint64_t

#define FAPILOG_CLOCK_TSC 1       /* x86-64 rdtsc */
#define FAPILOG_CLOCK_CNTVCT 2    /* aarch64 CNTVCT_EL0 */
#define FAPILOG_CLOCK_MONOTONIC 3 /* CLOCK_MONOTONIC, ns */

/* superblock.state */
#define FAPILOG_STATE_LIVE 1
#define FAPILOG_STATE_CLEAN 2 /* closed by fapilog_close() or at exit */

struct fapilog_superblock {
#define F(off, bits, name, doc) uint##bits##_t name;
    FAPILOG_SUPERBLOCK_FIELDS(F)
#undef F
    char service[64]; /* 208: NUL-terminated UTF-8, as all texts here */
    char host[64];    /* 272 */
    char exe[160];    /* 336: path of the executable, cut from the left */
    char env[32];     /* 496 */
    char version[32]; /* 528 */
    uint8_t reserved0[8]; /* 560: zero */
    uint64_t xxh3;    /* 568: XXH3-64 of bytes 0..567, everything immutable */

    /* Mutable, producer only. 64-byte aligned: nothing here shares a line with the immutable part. */
    uint64_t registry_tail;   /* 576: bytes handed out; entries below may still be incomplete (R1) */
    uint64_t orphan_dropped;  /* 584: records that found no lane (all shared lanes busy), relaxed adds */
    uint64_t orphan_bytes;    /* 592 */
    uint64_t truncated;       /* 600: records cut at FAPILOG_RECORD_BYTES_MAX */
    uint64_t unregistered;    /* 608: records whose call site found the registry full */
    uint32_t state;           /* 616: FAPILOG_STATE_* */
    uint32_t flush_seq;       /* 620: raised by fapilog_flush() before it rings the bell */
    uint8_t reserved1[4096 - 624];
};

#define F(off, bits, name, doc) \
    FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_superblock, name) == (off), #name " moved");
FAPILOG_SUPERBLOCK_FIELDS(F)
#undef F
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_superblock, service) == 208, "service moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_superblock, xxh3) == 568, "xxh3 moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_superblock, registry_tail) == 576, "registry_tail moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_superblock, flush_seq) == 620, "flush_seq moved");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_superblock) == 4096, "superblock is one page");

/* ---- ctl: the collector's pages --------------------------------------------------------------- */

/* bell values */
#define FAPILOG_BELL_AWAKE 0
#define FAPILOG_BELL_SLEEPING 1
#define FAPILOG_BELL_RUNG 2

/* One rule per logger name prefix ("" = every logger); the longest prefix that ends at a dot or at
 * the end of the name wins. A rule is written level last; `used` 0 -> 1 with release. The tool or
 * collector that writes a rule also stores the level word of every logger that it governs. */
struct fapilog_level_rule {
    char prefix[56];
    uint32_t level;
    uint32_t used;
};

struct fapilog_sink_status { /* collector writes, fapilog_flush() and tools read */
    char name[48];
    uint32_t state;     /* 0 unused, 1 healthy, 2 failing */
    int32_t last_error; /* negative errno of the last failure */
    uint64_t errors;
};

struct fapilog_lane_slot { /* collector writes */
    uint64_t head;         /* H1: the producer may write up to head + cap; always a block boundary */
    uint64_t done;         /* D1: every record before it has reached every sink */
    uint64_t dropped_seen; /* lane.dropped that has been reported in the output */
    uint64_t delivered;    /* records taken from this lane */
    uint64_t skipped_bytes;/* bytes of damaged blocks passed over */
    uint64_t lost;         /* overwrite mode: records overwritten before they were read */
    uint64_t reserved[2];
};

struct fapilog_ctl {
    uint32_t abi;            /* 0: zero, reserved */
    uint32_t flush_ack;      /* 4: highest flush_seq served (collector) */
    uint64_t heartbeat_ns;   /* 8: CLOCK_MONOTONIC of the collector's last turn; the creator writes the
                                time of creation if a collector lives then, else 0 */
    uint64_t collector_pid;  /* 16: label only */
    uint64_t orphan_seen;    /* 24: superblock.orphan_dropped reported so far */
    uint64_t truncated_seen; /* 32 */
    uint64_t unregistered_seen; /* 40 */
    uint64_t anchor_cycles;  /* 48: T1: anchor of the collector: counter, 0: none, or being changed ... */
    uint64_t anchor_real_ns; /* 56: ... and CLOCK_REALTIME at the same instant */
    uint32_t bell;           /* 64: FAPILOG_BELL_*; the only word here that both sides write */
    uint32_t reserved1[15];
    uint32_t level[FAPILOG_LOGGERS_MAX];                    /* 128: by logger id; relaxed */
    struct fapilog_level_rule rule[FAPILOG_LEVEL_RULES_MAX]; /* 2176 */
    struct fapilog_sink_status sink[FAPILOG_SINKS_MAX];      /* 4224 */
    uint8_t reserved2[8192 - 6272];
    /* struct fapilog_lane_slot slot[lane_count] follows at ctl_off + 8192 */
};
#define FAPILOG_CTL_SLOTS_OFF 8192

FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_lane_slot) == 64, "a slot is one line");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_ctl, bell) == 64, "bell moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_ctl, level) == 128, "level moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_ctl, rule) == 2176, "rule moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_ctl, sink) == 4224, "sink moved");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_ctl) == FAPILOG_CTL_SLOTS_OFF, "slots follow ctl");

/* ---- lanes ------------------------------------------------------------------------------------ */

#define FAPILOG_LANE_FREE 0
#define FAPILOG_LANE_CLAIMING 1
#define FAPILOG_LANE_ACTIVE 2
#define FAPILOG_LANE_CLOSING 3 /* its thread is gone; free to claim once slot.done == tail */
#define FAPILOG_LANE_STATE(w) ((w) & 0xff)
#define FAPILOG_LANE_GENERATION(w) ((w) >> 8) /* raised by each claim, never 0 in an ACTIVE lane */

/* lane.mode */
#define FAPILOG_MODE_DISCARD 0
#define FAPILOG_MODE_OVERWRITE 1
#define FAPILOG_MODE_BLOCK 2
/* lane.flags */
#define FAPILOG_LANE_SHARED 1   /* written by many threads behind a private lock: records carry TID */
#define FAPILOG_LANE_REALTIME 2 /* never rings, never blocks */

struct fapilog_lane {
    uint64_t tail;          /* 0: C1, the only commit */
    uint64_t intent;        /* 8: O1 */
    uint64_t dropped;       /* 16: records refused because the lane was full, cumulative over generations */
    uint64_t dropped_bytes; /* 24 */
    uint64_t dropped_cycles;/* 32: time of the last drop */
    uint32_t waiting;       /* 40: 1 while the thread waits on slot.head (block policy) */
    uint32_t reserved0;
    uint64_t blocked;       /* 48: times the thread had to wait */
    uint64_t reserved1[9];
    uint32_t state;         /* 128: generation << 8 | FAPILOG_LANE_*; L1 */
    uint32_t tid;           /* 132 */
    uint64_t data_off;      /* 136: from the start of the file, page aligned; constant */
    uint8_t cap_log2;       /* 144: constant */
    uint8_t block_log2;     /* 145: constant */
    uint8_t mode;           /* 146: FAPILOG_MODE_* */
    uint8_t flags;          /* 147: FAPILOG_LANE_* */
    uint32_t headroom;      /* 148: bytes at the end that only ERROR and above may use */
    uint64_t open_cycles;   /* 152: when this generation was claimed */
    char thread[32];        /* 160 */
    uint64_t reserved2[8];  /* 192 */
};
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_lane, state) == 128, "state moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_lane, data_off) == 136, "data_off moved");
FAPILOG_STATIC_ASSERT(offsetof(struct fapilog_lane, thread) == 160, "thread moved");
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_lane) == 256, "stride");

/* ---- records ---------------------------------------------------------------------------------- */

/* Positions (tail, head, done, block.pos) count bytes since the lane was made, over all generations,
 * and never wrap; the byte at position p lies at data_off + (p & (cap - 1)). A lane's life starts at
 * position 0; each claim starts at a block boundary.
 *
 * Inside a block: struct fapilog_block, then records, each 8-byte aligned; a word0 of 0, or fewer
 * than 16 bytes left, ends the block. No record straddles a block.
 *
 * word0:  bits 0..15 size8 (length of the record in units of 8, header included, >= 2)
 *         bits 16..19 kind   20..24 level   25..31 flags   32..63 schema
 */
#define FAPILOG_KIND_BLOCK 1    /* struct fapilog_block; schema = generation */
#define FAPILOG_KIND_EVENT 2    /* schema = registry offset / 8 of the call site; arguments by its fields */
#define FAPILOG_KIND_DYNAMIC 3  /* describes itself: struct fapilog_dynamic follows; schema = its place, or 0 */
#define FAPILOG_KIND_CONTEXT 4  /* schema = epoch; fields as in a dynamic record */
#define FAPILOG_KIND_FRAGMENT 5 /* schema: bit 0 first, bit 1 last; payload bytes of a larger record */

#define FAPILOG_FLAG_EXT 1       /* struct fapilog_ext comes first in the payload */
#define FAPILOG_FLAG_TID 2       /* then a u64: tid in the low half, zero above (shared lanes) */
#define FAPILOG_FLAG_CONTEXT 4   /* then the context inline: u32 bytes, u32 count, fields (shared lanes) */
#define FAPILOG_FLAG_TRUNCATED 8 /* text was cut at FAPILOG_RECORD_BYTES_MAX */
#define FAPILOG_FLAG_NESTED 16   /* logged by a signal handler that interrupted a log call */

#define FAPILOG_WORD0(size8, kind, level, flags, schema) \
    (FAPILOG_U64_OF_(size8) | FAPILOG_U64_OF_(kind) << 16 | FAPILOG_U64_OF_(level) << 20 | \
     FAPILOG_U64_OF_(flags) << 25 | FAPILOG_U64_OF_(schema) << 32)
#define FAPILOG_WORD0_SIZE(w) ((uint32_t)((w) & 0xffff) * 8)
#define FAPILOG_WORD0_KIND(w) ((uint32_t)((w) >> 16) & 0xf)
#define FAPILOG_WORD0_LEVEL(w) ((uint32_t)((w) >> 20) & 0x1f)
#define FAPILOG_WORD0_FLAGS(w) ((uint32_t)((w) >> 25) & 0x7f)
#define FAPILOG_WORD0_SCHEMA(w) ((uint32_t)((w) >> 32))

struct fapilog_record_header {
    uint64_t word0;
    uint64_t cycles;
};

struct fapilog_block {
    uint64_t word0;   /* size8 6, KIND_BLOCK, schema = generation of the lane */
    uint64_t pos;     /* position of this header */
    uint64_t seq;     /* events committed to this lane before it: EVENT, DYNAMIC and whole fragment chains */
    uint64_t dropped; /* lane.dropped when the block was opened */
    uint64_t cycles;  /* anchor: counter ... */
    uint64_t real_ns; /* ... and CLOCK_REALTIME at the same instant */
};
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_block) == 48, "block header");

struct fapilog_ext {
    uint32_t logger;  /* logger entry: registry offset / 8; 0 = the segment's root logger */
    uint32_t epoch;   /* of the last context record that applies, 0 = none */
};

/* Large records: a chain of FRAGMENT records, each inside its block, published by one store of tail.
 * The payloads joined are: u64 word0 (with size8 0) and u64 cycles of the logical record, u64 length
 * of what follows, then its payload. */

/* ---- payload ---------------------------------------------------------------------------------- */

/* Arguments follow in the order of the fields, each at its natural alignment from the start of the
 * record (1, 2, 4 or 8; padding bytes are zero or old data, never read). Sizes: */
enum fapilog_type {
    FAPILOG_TYPE_NULL = 0,      /* no bytes */
    FAPILOG_TYPE_BOOL = 1,      /* 1, 0 or 1 */
    FAPILOG_TYPE_I8 = 2,
    FAPILOG_TYPE_U8 = 3,
    FAPILOG_TYPE_I16 = 4,
    FAPILOG_TYPE_U16 = 5,
    FAPILOG_TYPE_I32 = 6,
    FAPILOG_TYPE_U32 = 7,
    FAPILOG_TYPE_I64 = 8,
    FAPILOG_TYPE_U64 = 9,
    FAPILOG_TYPE_F32 = 10,
    FAPILOG_TYPE_F64 = 11,
    FAPILOG_TYPE_STRING = 12,   /* u32 length (align 4), bytes; UTF-8 wanted, not promised */
    FAPILOG_TYPE_BYTES = 13,    /* as STRING; printed as base64 */
    FAPILOG_TYPE_JSON = 14,     /* as STRING; JSON text of a map, list or scalar */
    FAPILOG_TYPE_ERRNO = 15,    /* i32, positive errno */
    FAPILOG_TYPE_POINTER = 16,  /* u64 */
    FAPILOG_TYPE_IPV4 = 17,     /* 4 bytes, network order, align 1 */
    FAPILOG_TYPE_IPV6 = 18,     /* 16 bytes, network order, align 1 */
    FAPILOG_TYPE_TIME = 19,     /* i64, ns since the epoch, UTC */
    FAPILOG_TYPE_DURATION = 20, /* i64, ns */
    FAPILOG_TYPE_UUID = 21,     /* 16 bytes, align 1 */
    FAPILOG_TYPE_STACK = 22,    /* u32 count (align 4), then count u64 at align 8: return addresses */
    FAPILOG_TYPE_CHAR = 23,     /* 1, one byte of text */
    FAPILOG_TYPE_TRACE_ID = 24, /* 16 bytes, align 1; lower-case hex */
    FAPILOG_TYPE_SPAN_ID = 25,  /* 8 bytes, align 1; lower-case hex */
    FAPILOG_TYPE_COUNT = 26,
};

/* A self-describing field list (dynamic records, context records, bound fields of loggers): for each
 * field, at align 4:
 *   u8 type, u8 role, u16 name length, name bytes, then the value at its alignment from the start of
 *   the list (which itself is 8-byte aligned). */
struct fapilog_dynamic { /* payload of KIND_DYNAMIC, after the extensions */
    uint32_t fields_count;
    uint32_t message_bytes; /* the message's bytes follow, then at align 8 the field list */
};

/* Role of a field: where the formats put it. */
#define FAPILOG_ROLE_DATA 0
#define FAPILOG_ROLE_TRACE_ID 1
#define FAPILOG_ROLE_SPAN_ID 2
#define FAPILOG_ROLE_REQUEST_ID 3
#define FAPILOG_ROLE_USER_ID 4
#define FAPILOG_ROLE_TENANT_ID 5
#define FAPILOG_ROLE_CORRELATION_ID 6
#define FAPILOG_ROLE_TRACE_FLAGS 7
#define FAPILOG_ROLE_COUNT 8

/* ---- registry --------------------------------------------------------------------------------- */

/* Entries are 8-byte aligned; an id is (offset from registry_off) / 8. Offset 0 holds a 64-byte
 * preamble, so id 0 is never an entry. word0 is stored last (R1): bits 0..31 length in bytes of the
 * whole entry, bits 32..39 kind, bits 40..63 the low 24 bits of XXH3-64 over the bytes from 8 to the
 * end. Entries are immutable once word0 is set. */
#define FAPILOG_REGISTRY_PREAMBLE 64
#define FAPILOG_ENTRY_SITE 1
#define FAPILOG_ENTRY_LOGGER 2
#define FAPILOG_ENTRY_MODULE 3
#define FAPILOG_ENTRY_WORD0(bytes, kind, hash24) \
    ((uint64_t)(uint32_t)(bytes) | (uint64_t)(kind) << 32 | ((uint64_t)(hash24) & 0xffffff) << 40)
#define FAPILOG_ENTRY_BYTES(w) ((uint32_t)(w))
#define FAPILOG_ENTRY_KIND(w) ((uint32_t)((w) >> 32) & 0xff)
#define FAPILOG_ENTRY_HASH(w) ((uint32_t)((w) >> 40))

/* Texts follow the fixed part in the order given, each NUL-terminated, lengths without the NUL. */
struct fapilog_site_entry { /* texts: message, file, function, then the field names */
    uint64_t word0;
    uint32_t line;
    uint8_t level;
    uint8_t flags;        /* FAPILOG_SITE_PRINTF: the message is a format, the fields its arguments */
    uint16_t fields_count;
    uint16_t message_len;
    uint16_t file_len;
    uint16_t function_len;
    uint16_t reserved;
    /* fields_count times: u8 type, u8 name_len (then texts) */
};
#define FAPILOG_SITE_PRINTF 1
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_site_entry) == 24, "site entry");

struct fapilog_logger_entry { /* texts: name, service; then at align 8 the bound field list */
    uint64_t word0;
    uint32_t parent;      /* id of the parent logger, 0 = root */
    uint32_t level_slot;  /* index into ctl.level */
    uint16_t name_len;
    uint16_t service_len;
    uint16_t fields_count; /* bound fields, in front of every record of this logger */
    uint16_t reserved;
    uint32_t fields_bytes;
    uint32_t reserved1;
};
FAPILOG_STATIC_ASSERT(sizeof(struct fapilog_logger_entry) == 32, "logger entry");

struct fapilog_module_entry { /* texts: path, build id as hex; then at align 8 what the flags name */
    uint64_t word0;
    uint64_t base;
    uint64_t size;
    uint16_t path_len;
    uint16_t build_id_len;
    uint32_t flags;       /* FAPILOG_MODULE_SINCE: u64, the counter when the module was found in this place */
};
#define FAPILOG_MODULE_SINCE 1

#ifdef __cplusplus
}
#endif
#endif
