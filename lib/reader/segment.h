/* segment.h - a segment file, opened, validated and mapped for reading.
 *
 * The file belongs to another process, which may be broken or hostile: the superblock is read once
 * into private memory and validated there, so that every offset and size used later is known to lie
 * in the file; truncation under the mapping is caught by guard.h and shows as segment.damaged. */
#ifndef LIB_READER_SEGMENT_H
#define LIB_READER_SEGMENT_H

#include <fapilog/reader.h>

#include "lib/base/atomics.h"
#include "lib/base/err.h"
#include "lib/reader/clock.h"
#include "lib/reader/registry.h"

#include <sys/types.h>

enum segment_flags {
    SEGMENT_CTL_WRITE = 1,  /* map ctl read-write: the collector */
    SEGMENT_ANY_OWNER = 2,  /* files of other uids too */
    SEGMENT_ANY_FS = 4,     /* of other uids also on file systems other than tmpfs and hugetlbfs */
    SEGMENT_SALVAGE = 8,    /* go on with a short file or a wrong superblock hash, marked damaged; one flipped
                             * bit is mended */
};

struct segment_limits {
    uint64_t file_bytes_max;     /* 0: 64 GiB */
    uint64_t registry_bytes_max; /* 0: 64 MiB */
    uint32_t lanes_max;          /* 0: FAPILOG_LANES_MAX */
    uint32_t anchors_max;        /* 0: CLOCK_MAP_ANCHORS_DEFAULT */
};

/* Where a lane's bytes lie. A lane that was never claimed may have none yet: cap_log2 is then 0. */
struct segment_lane {
    uint64_t data_off;
    uint8_t cap_log2;
    uint8_t block_log2;
};

/* What an owner of a lane said about itself; a consistent private copy. */
struct segment_lane_owner {
    uint32_t generation;
    uint32_t state; /* FAPILOG_LANE_* */
    uint32_t tid;
    uint8_t mode;
    uint8_t flags;
    uint32_t headroom;
    uint64_t open_cycles;
    char thread[32]; /* NUL-terminated */
};

struct segment {
    const uint8_t *base;  /* the whole file, read-only */
    size_t bytes;
    struct fapilog_superblock sb; /* private copy; use its immutable part only */
    struct fapilog_ctl *ctl;      /* writable with SEGMENT_CTL_WRITE, else it faults on a store */
    uint32_t lanes_count;
    uint32_t damaged;     /* set when the file was found shorter or unreadable; see segment_is_damaged() */
    struct segment_lane *lanes;
    uint64_t lanes_bytes; /* sum of their capacities */
    uint64_t lanes_bytes_max;
    struct registry registry;
    struct clock_map clock;
    struct fapilog_process_info process;
    int fd;               /* for the liveness probe */
    uid_t uid;            /* owner of the file */
    dev_t dev;
    ino_t ino;
    bool slow_fs;         /* on a disk file system: works, but its producer pays for write-back */
    void *ctl_map;        /* SEGMENT_CTL_WRITE */
    size_t ctl_bytes;
    int guard, ctl_guard; /* slots of guard.h */
};

/* Opens `name` below dir_fd without following links or leaving the directory. -EBADMSG: not a valid
 * segment (e says why); -ENOTSUP: a major version or incompat bit that we do not know; -EPERM: refused
 * by owner, links or file system; others from the system calls. limits may be NULL. */
int segment_open(int dir_fd, const char *name, unsigned flags, const struct segment_limits *limits,
                 struct segment **ret, struct err *e);
/* The same from an open descriptor, which it takes over even on failure. */
int segment_open_fd(int fd, unsigned flags, const struct segment_limits *limits, struct segment **ret,
                    struct err *e);
/* What formats and stages have compiled for sites, loggers and the process goes: others will look at its records. */
void segment_forget_caches(struct segment *s);
void segment_close(struct segment *s); /* NULL is fine */

/* 1: its producer lives (holds the lock); 0: it is gone; negative errno when that cannot be told. */
int segment_is_alive(const struct segment *s);

static inline bool segment_is_damaged(const struct segment *s)
{
    return load_acq(&s->damaged) != 0; /* order: guard_add's handler */
}

/* The shared words. Load each once, through lib/base/atomics.h. */
static inline const struct fapilog_superblock *segment_shared(const struct segment *s)
{
    return (const struct fapilog_superblock *)(const void *)s->base;
}

static inline const struct fapilog_lane *segment_lane_shared(const struct segment *s, uint32_t lane)
{
    return (const struct fapilog_lane *)(const void *)(s->base + s->sb.lane_off +
                                                       (uint64_t)lane * s->sb.lane_stride);
}

static inline struct fapilog_lane_slot *segment_slot(const struct segment *s, uint32_t lane)
{
    return (struct fapilog_lane_slot *)(void *)((uint8_t *)s->ctl + FAPILOG_CTL_SLOTS_OFF +
                                                (size_t)lane * s->sb.slot_stride);
}

/* Copies the owner's words of a lane; retries while a claim is under way, so that the copy is of one
 * generation. -EAGAIN when it kept changing. */
int segment_lane_owner(const struct segment *s, uint32_t lane, struct segment_lane_owner *ret);

/* Reads the geometry of a lane that had none when the segment was opened. True when it has one now. */
bool segment_lane_refresh(struct segment *s, uint32_t lane);

/* Fills in segment.process from the superblock; frees what formats cached in it. */
void segment_process_init(struct segment *s);
void segment_process_done(struct segment *s);

/* Validates the immutable part of a superblock against a file of `file_bytes`; no I/O. */
int segment_check(const struct fapilog_superblock *sb, uint64_t file_bytes, unsigned flags,
                  const struct segment_limits *limits, struct err *e);

#endif
