/* Where the process's private memory lies, and its segment.
 *
 * After a pause, to find a page takes longer than to read what is there: its entry in the page tables, the tables
 * themselves and, in a virtual machine, the host's for them are as cold as the line. A page of the page tables
 * reaches over 2 MiB, and a cache line of it over 32 KiB. So what a call looks at shares two of those pages:
 *
 *   | area, first writers last | loggers | ctl: levels, slots |            segment: lane table | first own lane | ...
 *                             \____ one line of a table ____/                \______ one table's reach ______/
 *
 * The kernel is only asked for that place of a segment: elsewhere it works as well. */
#include "lib/producer/internal.h"

#include <errno.h>
#include <sys/mman.h>

enum {
    PAGE = 4096,
    TABLE_REACH = 2 << 20,
    SEGMENT_AT = 448 << 10, /* beyond a multiple of that: lane table and first own lane end before the next one */
};

static size_t area_bytes(void)
{
    return align_up(sizeof(struct area), PAGE);
}

/* Address space, which costs nothing before parts of it are made usable, even under mlockall(). */
static uint8_t *reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* For area, loggers and ctl; a segment of the default size finds room right behind. */
static uint8_t *reserve_together(void)
{
    struct geometry g;
    geometry_compute(&g, GEOMETRY_LANES_DEFAULT, UINT64_C(1) << GEOMETRY_LANE_LOG2_DEFAULT, GEOMETRY_REGISTRY_DEFAULT);
    const size_t ours = area_bytes() + LOGGERS_BYTES + CTL_MAX, size = ours + TABLE_REACH + g.file_size;
    uint8_t *const all = reserve(size);
    if (!all)
        return NULL;
    const uint64_t least = (uint64_t)(uintptr_t)all + ours;
    const uint64_t skipped = align_up(least - SEGMENT_AT, TABLE_REACH) + SEGMENT_AT - least;
    if (skipped)
        (void)munmap(all, skipped);
    process.segment_place = all + skipped + ours;
    (void)munmap(process.segment_place, size - ours - skipped);
    return all + skipped;
}

static bool make_usable(void *from, size_t size)
{
    return mprotect(from, size, PROT_READ | PROT_WRITE) == 0;
}

/* Address space that stays for the process's life. There is no segment. */
int fapilogi_memory_init(struct err *e)
{
    if (process.area) {
        if (process.area->generation == 0) { /* a forked child of a process that had closed its segment */
            fapilogi_self = &fapilogi_none.hot;
            process.area->generation = 1;
        }
        return 0;
    }
    uint8_t *const registry = reserve(GEOMETRY_REGISTRY_MAX), *const all = reserve_together();
    if (!all || !registry)
        return err_sys(e, -ENOMEM, "private memory");
    struct area *a = (struct area *)all;
    uint8_t *const loggers = all + area_bytes();
    if (!make_usable(a, align_up(offsetof(struct area, writer), PAGE)) ||
        !make_usable(loggers, LOGGERS_BYTES + sizeof(struct fapilog_ctl)) ||
        !make_usable(registry, GEOMETRY_REGISTRY_MIN))
        return err_sys(e, -ENOMEM, "private memory");
    if (madvise(a, area_bytes(), MADV_WIPEONFORK) < 0)
        return err_sys(e, -errno, "private memory: MADV_WIPEONFORK");
    a->generation = 1;
    process.ctl = (struct fapilog_ctl *)(loggers + LOGGERS_BYTES);
    process.registry = registry;
    process.registry_used = FAPILOG_REGISTRY_PREAMBLE;
    process.registry_ready = GEOMETRY_REGISTRY_MIN;
    for (uint32_t i = 0; i < FAPILOG_LOGGERS_MAX; i++)
        process.ctl->level[i] = FAPILOG_LEVEL_OFF;
    process.area = a;
    return 0;
}

/* A writer for each thread with a lane, and for some without. */
int fapilogi_make_writers(struct err *e)
{
    uint32_t max = (process.geometry.lane_count + WRITERS_MORE) / 64 * 64;
    max = max < WRITERS_MAX ? max : WRITERS_MAX;
    if (max <= process.writers_max)
        return 0;
    const uint64_t from = (uint64_t)(uintptr_t)writer_at(max - 1) / PAGE * PAGE;
    uint8_t *const end = (uint8_t *)process.area + area_bytes();
    if (!make_usable((void *)(uintptr_t)from, (uint64_t)(uintptr_t)end - from))
        return err_sys(e, -errno, "private memory: %u writers", max);
    process.writers_max = max;
    return 0;
}
