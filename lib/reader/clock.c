#include "lib/reader/clock.h"

#include <fapilog/abi.h>

#include "lib/base/check.h"
#include "lib/base/grow.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOPE_BITS = CLOCK_MAP_SLOPE_BITS, STEP_PPM = 200, NOMINAL_PPM = 5000, SAMPLE_WINDOWS = 8 };

int clock_map_init(struct clock_map *m, uint32_t kind, uint64_t hz, uint32_t anchors_max)
{
    if (kind < FAPILOG_CLOCK_TSC || kind > FAPILOG_CLOCK_MONOTONIC)
        return -EINVAL;
    CHECK(anchors_max >= 4 && anchors_max <= CLOCK_MAP_ANCHORS_MAX);
    if (kind == FAPILOG_CLOCK_MONOTONIC)
        hz = NS_PER_S;
    if (hz < 1000000 || hz > UINT64_C(100000000000)) /* no counter of 1 MHz..100 GHz: find out */
        hz = 0;
    *m = (struct clock_map){.kind = kind, .limit = anchors_max};
    m->nominal = hz ? (uint64_t)(((clock_u128)NS_PER_S << SLOPE_BITS) / hz) : 0;
    m->gap_cycles = hz ? hz / 50 : 0;
    return grow((void **)&m->anchors, &m->cap, 1, sizeof m->anchors[0]);
}

void clock_map_done(struct clock_map *m)
{
    free(m->anchors);
    *m = (struct clock_map){0};
}

static bool near(uint64_t a, uint64_t b, unsigned ppm)
{
    const uint64_t diff = a > b ? a - b : b - a;
    return a && b && (clock_u128)diff * 1000000 <= (clock_u128)b * ppm;
}

static uint64_t slope_between(const struct clock_map_anchor *a, const struct clock_map_anchor *b)
{
    if (b->real_ns <= a->real_ns)
        return 0;
    const uint64_t ns = (uint64_t)(b->real_ns - a->real_ns);
    const clock_u128 slope = ((clock_u128)ns << SLOPE_BITS) / (b->cycles - a->cycles);
    return slope >> 64 ? 0 : (uint64_t)slope;
}

/* Slopes depend on the interval before, so a change at i is carried on to the end. It almost always
 * is the end. */
static void slopes_update(struct clock_map *m, uint32_t i)
{
    for (; i < m->count; i++) {
        struct clock_map_anchor *a = &m->anchors[i];
        const uint64_t before = i ? a[-1].slope : m->nominal;
        const uint64_t before_raw = i ? a[-1].raw : 0;
        a->raw = i + 1 < m->count ? slope_between(a, a + 1) : 0;
        const bool fits =
            near(a->raw, before, i ? STEP_PPM : NOMINAL_PPM) || near(a->raw, before_raw, STEP_PPM);
        a->slope = fits || (!before && a->raw) ? a->raw : before;
    }
}

/* Most files are short. Without memory for more, those that there is room for are all. */
static void room_make(struct clock_map *m)
{
    if (m->count < m->limit && grow((void **)&m->anchors, &m->cap, m->count + 1, sizeof m->anchors[0]) < 0)
        m->limit = m->count;
}

static void oldest_half_drop(struct clock_map *m)
{
    const uint32_t drop = m->count / 2;
    m->count -= drop;
    memmove(m->anchors, m->anchors + drop, m->count * sizeof m->anchors[0]);
    m->last = m->last > drop ? m->last - drop : 0;
}

static void every_other_drop(struct clock_map *m)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (i % 2 == 0 || i + 1 == m->count)
            m->anchors[kept++] = m->anchors[i];
    }
    m->count = kept;
    m->last = 0;
    m->gap_cycles *= 2;
    slopes_update(m, 0);
}

void clock_map_add(struct clock_map *m, uint64_t cycles, int64_t real_ns)
{
    if (real_ns <= 0) /* before 1970: the header was never filled in */
        return;
    uint32_t i = m->count;
    while (i && m->anchors[i - 1].cycles > cycles)
        i--;
    if (i && (cycles == m->anchors[i - 1].cycles || cycles - m->anchors[i - 1].cycles < m->gap_cycles))
        return;
    if (i < m->count && m->anchors[i].cycles - cycles < m->gap_cycles)
        return;
    room_make(m);
    if (m->count == m->limit && m->keeps_old) {
        every_other_drop(m);
        clock_map_add(m, cycles, real_ns);
        return;
    }
    if (m->count == m->limit) {
        const uint32_t before = m->count;
        oldest_half_drop(m);
        if (i < before - m->count)
            return; /* older than all that is kept */
        i -= before - m->count;
    }
    memmove(m->anchors + i + 1, m->anchors + i, (m->count - i) * sizeof m->anchors[0]);
    m->anchors[i] = (struct clock_map_anchor){.cycles = cycles, .real_ns = real_ns};
    m->count++;
    slopes_update(m, i ? i - 1 : 0);
    const struct clock_map_anchor *a = &m->anchors[i];
    m->steps += i && a[-1].raw != a[-1].slope;
}

uint32_t clock_map_find(const struct clock_map *m, uint64_t cycles)
{
    uint32_t low = 0, high = m->count; /* the answer is the last anchor <= cycles, or the first */
    while (high - low > 1) {
        const uint32_t mid = low + (high - low) / 2;
        if (m->anchors[mid].cycles <= cycles)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static bool counter_supported(uint32_t kind)
{
#if defined(__x86_64__)
    return kind == FAPILOG_CLOCK_TSC || kind == FAPILOG_CLOCK_MONOTONIC;
#elif defined(__aarch64__)
    return kind == FAPILOG_CLOCK_CNTVCT || kind == FAPILOG_CLOCK_MONOTONIC;
#else
    return kind == FAPILOG_CLOCK_MONOTONIC;
#endif
}

int clock_sample(uint32_t kind, uint64_t *ret_cycles, int64_t *ret_real_ns)
{
    if (!counter_supported(kind))
        return -ENOTSUP;
    const struct clock_anchor a = clock_anchor_take(kind, SAMPLE_WINDOWS);
    *ret_cycles = a.cycles;
    *ret_real_ns = (int64_t)a.real_ns;
    return 0;
}
