/* The rules a superblock must satisfy before anything in the file is used. */
#include "lib/base/check.h"
#include "lib/reader/segment.h"
#include "lib/ring/geometry.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <unistd.h>
#include <xxhash.h>

enum { KNOWN_INCOMPAT = 0, STRIDE_MAX = 4096, SUPER_SIZE_MAX = 65536 };

struct extent {
    const char *name;
    uint64_t off, bytes;
};

static int extent_check(const struct extent *x, uint64_t align, uint64_t file_bytes, struct err *e)
{
    if (x->off % align)
        return err_set(e, -EBADMSG, "%s at offset %" PRIu64 " is not aligned to %" PRIu64, x->name, x->off,
                       align);
    if (x->off > file_bytes || x->bytes > file_bytes - x->off)
        return err_set(e, -EBADMSG,
                       "%s (%" PRIu64 " bytes at offset %" PRIu64 ") lies outside the file of %" PRIu64
                       " bytes",
                       x->name, x->bytes, x->off, file_bytes);
    return 0;
}

static int extents_check(const struct fapilog_superblock *sb, struct err *e)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const struct extent all[] = {
        {"superblock", 0, sb->super_size},
        {"ctl area", sb->ctl_off, sb->ctl_size},
        {"registry", sb->registry_off, sb->registry_size},
        {"lane table", sb->lane_off, (uint64_t)sb->lane_count * sb->lane_stride},
    };
    const uint64_t align[] = {1, page, 64, 64};
    for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
        const int r = extent_check(&all[i], align[i], sb->file_size, e);
        if (r < 0)
            return r;
        if (all[i].off + all[i].bytes > sb->data_off)
            return err_set(e, -EBADMSG, "%s overlaps the lanes' data", all[i].name);
        for (unsigned j = 0; j < i; j++) {
            if (all[i].off < all[j].off + all[j].bytes && all[j].off < all[i].off + all[i].bytes)
                return err_set(e, -EBADMSG, "%s overlaps the %s", all[i].name, all[j].name);
        }
    }
    if (sb->data_off % 8 || sb->data_off > sb->file_size)
        return err_set(e, -EBADMSG, "data offset %" PRIu64 " lies outside the file", sb->data_off);
    return 0;
}

static int sizes_check(const struct fapilog_superblock *sb, const struct segment_limits *l, struct err *e)
{
    const uint64_t registry_max = l && l->registry_bytes_max ? l->registry_bytes_max : UINT64_C(64) << 20;
    const uint32_t lanes_max = l && l->lanes_max ? l->lanes_max : FAPILOG_LANES_MAX;
    if (sb->super_size < sizeof *sb || sb->super_size > SUPER_SIZE_MAX)
        return err_set(e, -EBADMSG, "superblock of %" PRIu32 " bytes", sb->super_size);
    if (sb->lane_count < 1 || sb->lane_count > lanes_max)
        return err_set(e, -EBADMSG, "%" PRIu32 " lanes, allowed are 1..%" PRIu32, sb->lane_count, lanes_max);
    if (sb->lane_stride < sizeof(struct fapilog_lane) || sb->lane_stride > STRIDE_MAX || sb->lane_stride % 64)
        return err_set(e, -EBADMSG, "lane stride %" PRIu32, sb->lane_stride);
    if (sb->slot_stride < sizeof(struct fapilog_lane_slot) || sb->slot_stride > STRIDE_MAX ||
        sb->slot_stride % 64)
        return err_set(e, -EBADMSG, "slot stride %" PRIu32, sb->slot_stride);
    if (sb->ctl_size < FAPILOG_CTL_SLOTS_OFF + (uint64_t)sb->lane_count * sb->slot_stride)
        return err_set(e, -EBADMSG, "ctl area of %" PRIu64 " bytes does not hold %" PRIu32 " slots",
                       sb->ctl_size, sb->lane_count);
    if (sb->registry_size < FAPILOG_REGISTRY_PREAMBLE || sb->registry_size > registry_max)
        return err_set(e, -EBADMSG, "registry of %" PRIu64 " bytes, allowed are %d..%" PRIu64,
                       sb->registry_size, FAPILOG_REGISTRY_PREAMBLE, registry_max);
    return 0;
}

int segment_check(const struct fapilog_superblock *sb, uint64_t file_bytes, unsigned flags,
                  const struct segment_limits *limits, struct err *e)
{
    if (sb->magic != FAPILOG_MAGIC)
        return err_set(e, -EBADMSG, "not a ring (magic %016" PRIx64 ")", sb->magic);
    if (sb->endian != FAPILOG_ENDIAN_TAG)
        return err_set(e, -ENOTSUP, "written on a machine of other endianness");
    if (sb->major != FAPILOG_ABI_MAJOR)
        return err_set(e, -ENOTSUP, "layout version %u.%u, this program reads %d.x", sb->major, sb->minor,
                       FAPILOG_ABI_MAJOR);
    if (sb->incompat & ~(uint64_t)KNOWN_INCOMPAT)
        return err_set(e, -ENOTSUP, "needs features %#" PRIx64 " that this program does not know",
                       sb->incompat);
    const bool salvage = flags & SEGMENT_SALVAGE;
    if (!salvage && XXH3_64bits(sb, offsetof(struct fapilog_superblock, xxh3)) != sb->xxh3)
        return err_set(e, -EBADMSG, "the superblock's hash is wrong");
    if (sb->file_size > file_bytes && !salvage)
        return err_set(e, -EBADMSG, "file has %" PRIu64 " bytes, its superblock says %" PRIu64, file_bytes,
                       sb->file_size);
    const uint64_t file_max = limits && limits->file_bytes_max ? limits->file_bytes_max : GEOMETRY_FILE_MAX;
    if (sb->file_size > file_max)
        return err_set(e, -EBADMSG, "%" PRIu64 " bytes, allowed are %" PRIu64, sb->file_size, file_max);
    if (sb->clock_kind < FAPILOG_CLOCK_TSC || sb->clock_kind > FAPILOG_CLOCK_MONOTONIC)
        return err_set(e, -EBADMSG, "unknown clock kind %" PRIu32, sb->clock_kind);
    const int r = sizes_check(sb, limits, e);
    return r < 0 ? r : extents_check(sb, e);
}
