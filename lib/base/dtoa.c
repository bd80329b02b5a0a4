#include "lib/base/dtoa.h"

#include "lib/base/check.h"
#include "lib/base/dtoa_table.h"

#include <stdbool.h>

__extension__ typedef unsigned __int128 u128;

/* floor(log10(2^q)), or of 3/4 * 2^q where the gap below is half as wide; |q| < 1500 */
static int floor_log10_pow2(int q, bool narrow)
{
    return (q * 1262611 - (narrow ? 524031 : 0)) >> 22;
}

/* floor(log2(10^k)); |k| < 1200 */
static int floor_log2_pow10(int k)
{
    return (k * 1741647) >> 19;
}

/* Multiplies and keeps the integer part; its last bit also says that a fraction was cut off, which
 * is all that comparisons with even bounds need. */
static uint64_t mul_round_odd_64(const uint64_t g[2], uint64_t c)
{
    const u128 low = (u128)g[1] * c;
    const u128 high = (u128)g[0] * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static uint64_t mul_round_odd_32(uint64_t g, uint32_t c)
{
    const u128 p = (u128)g * c;
    return (uint64_t)(p >> 64) | ((uint32_t)(p >> 32) > 1);
}

static struct dtoa strip_zeros(uint64_t digits, int exponent)
{
    if (digits % 100000000 == 0) {
        digits /= 100000000;
        exponent += 8;
    }
    while (digits % 100 == 0) {
        digits /= 100;
        exponent += 2;
    }
    if (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    return (struct dtoa){digits, exponent};
}

/* v lies at vb/4, the rounding interval is [lower/4, upper/4], in units of 10^k. */
static struct dtoa choose(uint64_t lower, uint64_t vb, uint64_t upper, int k)
{
    const uint64_t s = vb / 4;
    if (s >= 10) {
        const uint64_t tens = s / 10;
        const bool below = lower <= 40 * tens;
        const bool above = 40 * tens + 40 <= upper;
        if (below != above)
            return strip_zeros(tens + above, k + 1);
    }
    const bool below = lower <= 4 * s;
    const bool above = 4 * s + 4 <= upper;
    if (below != above)
        return strip_zeros(s + above, k);
    const uint64_t middle = 4 * s + 2;
    return strip_zeros(s + (vb > middle || (vb == middle && (s & 1))), k);
}

struct dtoa dtoa_f64(uint64_t bits)
{
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    const int biased = (int)(bits >> 52);
    const uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    const int q = (biased ? biased : 1) - 1075;
    if (q <= 0 && q >= -52 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        return strip_zeros(c >> -q, 0); /* a whole number below 2^53 */

    const bool narrow = fraction == 0 && biased > 1;
    const int k = floor_log10_pow2(q, narrow);
    const int h = q + floor_log2_pow10(-k) + 1;
    ASSUME(h >= 1 && h <= 4);
    ASSUME(-k >= DTOA_POW10_MIN && -k <= DTOA_POW10_MAX);
    const uint64_t *g = dtoa_pow10[-k - DTOA_POW10_MIN];
    const uint64_t odd = c & 1;
    const uint64_t lower = mul_round_odd_64(g, (4 * c - 2 + narrow) << h) + odd;
    const uint64_t vb = mul_round_odd_64(g, (4 * c) << h);
    const uint64_t upper = mul_round_odd_64(g, (4 * c + 2) << h) - odd;
    return choose(lower, vb, upper, k);
}

struct dtoa dtoa_f32(uint32_t bits)
{
    const uint32_t fraction = bits & ((1u << 23) - 1);
    const int biased = (int)(bits >> 23);
    const uint32_t c = biased ? fraction | 1u << 23 : fraction;
    const int q = (biased ? biased : 1) - 150;
    if (q <= 0 && q >= -23 && (c & ((1u << -q) - 1)) == 0)
        return strip_zeros(c >> -q, 0);

    const bool narrow = fraction == 0 && biased > 1;
    const int k = floor_log10_pow2(q, narrow);
    const int h = q + floor_log2_pow10(-k) + 1;
    ASSUME(h >= 1 && h <= 4);
    const uint64_t *g128 = dtoa_pow10[-k - DTOA_POW10_MIN];
    const uint64_t g = g128[0] + (g128[1] != 0);
    const uint32_t odd = c & 1;
    const uint64_t lower = mul_round_odd_32(g, (4 * c - 2 + narrow) << h) + odd;
    const uint64_t vb = mul_round_odd_32(g, (4 * c) << h);
    const uint64_t upper = mul_round_odd_32(g, (4 * c + 2) << h) - odd;
    return choose(lower, vb, upper, k);
}
