/* clock.h - from a record's raw counter to CLOCK_REALTIME.
 *
 * A map holds anchors: pairs of counter and wall clock read at the same instant. They come from the
 * superblock, from block headers and from the reader's own samples. Between two anchors the time is
 * interpolated, before the first and after the last it is extrapolated along the nearest slope.
 * All arithmetic is on integers: nanoseconds since the epoch do not fit a double (256 ns would be
 * lost); a slope has 48 fraction bits, so that an hour's extrapolation is exact to 0.1 ns.
 *
 * An interval whose slope differs by more than 200 ppm from its neighbour's, or runs backwards, is a
 * step of the wall clock: times inside it follow the slope before it, and a new epoch starts at its
 * end. Anchors of a hostile producer can only falsify the times of its own records. */
#ifndef LIB_READER_CLOCK_H
#define LIB_READER_CLOCK_H

#include "lib/base/check.h"

#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_MAP_ANCHORS_DEFAULT = 64, CLOCK_MAP_ANCHORS_MAX = 65536, CLOCK_MAP_SLOPE_BITS = 48 };

__extension__ typedef unsigned __int128 clock_u128;

struct clock_map_anchor {
    uint64_t cycles;
    int64_t real_ns;
    uint64_t slope; /* ns per cycle << 48 used from here to the next anchor */
    uint64_t raw;   /* the slope as measured over this interval, 0 = step back or unknown */
};

struct clock_map {
    uint32_t kind;       /* FAPILOG_CLOCK_* */
    uint32_t count;
    uint32_t limit;      /* anchors kept; the oldest half goes when they are full */
    uint32_t cap;        /* for which there is memory; may be more */
    bool keeps_old;      /* every other one goes instead: times may be asked for from the beginning */
    uint32_t last;       /* interval that answered last: records come in order */
    uint64_t nominal;    /* slope from the counter's stated frequency, 0 = unknown */
    uint64_t gap_cycles; /* anchors nearer to each other than this are not kept */
    uint64_t steps;      /* epochs started */
    struct clock_map_anchor *anchors;
};

/* hz 0 = unknown. 0, -EINVAL for an unknown kind, or -ENOMEM. */
int clock_map_init(struct clock_map *m, uint32_t kind, uint64_t hz, uint32_t anchors_max);
void clock_map_done(struct clock_map *m);

/* Offers an anchor; one that lies nearer than 20 ms to a known one is dropped. */
void clock_map_add(struct clock_map *m, uint64_t cycles, int64_t real_ns);

/* The interval of a counter value, for clock_map_ns(). */
uint32_t clock_map_find(const struct clock_map *m, uint64_t cycles);

/* CLOCK_REALTIME in ns of a counter value; the counter itself, taken as ns, while there is no anchor. */
static inline int64_t clock_map_ns(struct clock_map *m, uint64_t cycles)
{
    if (unlikely(!m->count))
        return (int64_t)cycles;
    uint32_t i = m->last;
    if (unlikely(cycles < m->anchors[i].cycles || (i + 1 < m->count && cycles >= m->anchors[i + 1].cycles)))
        m->last = i = clock_map_find(m, cycles);
    const struct clock_map_anchor *a = &m->anchors[i];
    /* Unsigned sums: a hostile counter may wrap them, which is no harm, but signed would be undefined. */
    const uint64_t since = cycles - a->cycles, until = a->cycles - cycles, base = (uint64_t)a->real_ns;
    if (likely(cycles >= a->cycles))
        return (int64_t)(base + (uint64_t)((clock_u128)since * a->slope >> CLOCK_MAP_SLOPE_BITS));
    return (int64_t)(base - (uint64_t)((clock_u128)until * a->slope >> CLOCK_MAP_SLOPE_BITS));
}

/* Reads counter and wall clock at one instant: the narrowest of eight counter/clock/counter windows.
 * Returns 0, or -ENOTSUP when this machine has no such counter. */
int clock_sample(uint32_t kind, uint64_t *ret_cycles, int64_t *ret_real_ns);

#endif
