#include "lib/base/num.h"

#include "lib/base/dtoa.h"

const char num_pairs[200] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

const uint64_t num_pow10[20] = {
    1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
    UINT64_C(10000000000), UINT64_C(100000000000), UINT64_C(1000000000000),
    UINT64_C(10000000000000), UINT64_C(100000000000000), UINT64_C(1000000000000000),
    UINT64_C(10000000000000000), UINT64_C(100000000000000000), UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

char *num_hex(char *out, uint64_t v)
{
    const unsigned nibbles = (67u - (unsigned)__builtin_clzll(v | 1)) / 4;
    for (unsigned i = nibbles; i-- > 0; v >>= 4)
        out[i] = "0123456789abcdef"[v & 15];
    return out + nibbles;
}

/* Lays out digits * 10^exponent as ECMAScript's Number::toString does. */
static char *num_layout(char *out, struct dtoa d, enum num_style style)
{
    const int count = (int)num_digits(d.digits);
    const int point = count + d.exponent; /* position of the decimal point from the first digit */
    if (point > 21 || point < -5) {
        (void)num_fixed(out + 1, d.digits, (unsigned)count);
        out[0] = out[1];
        out[1] = '.';
        out += count > 1 ? count + 1 : 1;
        *out++ = 'e';
        *out++ = point > 0 ? '+' : '-';
        return num_u64(out, (uint64_t)(point > 0 ? point - 1 : 1 - point));
    }
    if (point <= 0) {
        memcpy(out, "0.00000", 7);
        return num_fixed(out + 2 - point, d.digits, (unsigned)count);
    }
    if (point >= count) {
        out = num_fixed(out, d.digits, (unsigned)count);
        for (int i = count; i < point; i++)
            *out++ = '0';
        if (style == NUM_POINT) {
            memcpy(out, ".0", 2);
            out += 2;
        }
        return out;
    }
    out = num_fixed(out + 1, d.digits, (unsigned)count);
    char *const first = out - count;
    memmove(first - 1, first, (size_t)point);
    first[point - 1] = '.';
    return out;
}

/* Most numbers that programs log have few decimals. If n / 10^4, correctly rounded, is v, then n * 10^-4
 * reads back as v; having at most 15 digits it is the only decimal of so few that does, and so without its
 * zeros the shortest. */
static bool num_is_short(double v, uint64_t *ret_n)
{
    if (!(v < 1e11 && v >= 1e-4))
        return false;
    const int64_t n = (int64_t)(v * 1e4 + 0.5);
    *ret_n = (uint64_t)n;
    return (double)n / 1e4 == v;
}

static char *num_short(char *out, uint64_t n, enum num_style style)
{
    out = num_u64(out, n / 10000);
    const uint32_t part = (uint32_t)(n % 10000);
    *out++ = '.';
    (void)num_2(out, part / 100);
    (void)num_2(out + 2, part % 100);
    if (part == 0)
        return style == NUM_POINT ? out + 1 : out - 1;
    const uint32_t digits = part % 100 ? 4 - (part % 10 == 0) : 2 - (part % 1000 == 0);
    return out + digits;
}

static char *num_not_finite(char *out, bool nan, bool negative)
{
    if (nan) {
        memcpy(out, "NaN", 3);
        return out + 3;
    }
    if (negative)
        *out++ = '-';
    memcpy(out, "Infinity", 8);
    return out + 8;
}

static char *num_zero(char *out, bool negative, enum num_style style)
{
    if (style == NUM_ECMA) {
        *out = '0';
        return out + 1;
    }
    if (negative)
        *out++ = '-';
    memcpy(out, "0.0", 3);
    return out + 3;
}

char *num_f64(char *out, double v, enum num_style style)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    const bool negative = bits >> 63;
    const uint64_t magnitude = bits << 1;
    if (magnitude >= UINT64_C(0xffe0000000000000))
        return num_not_finite(out, magnitude > UINT64_C(0xffe0000000000000), negative);
    if (magnitude == 0)
        return num_zero(out, negative, style);
    if (negative)
        *out++ = '-';
    uint64_t n;
    if (num_is_short(negative ? -v : v, &n))
        return num_short(out, n, style);
    return num_layout(out, dtoa_f64(bits & INT64_MAX), style);
}

char *num_f32(char *out, float v, enum num_style style)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    const bool negative = bits >> 31;
    const uint32_t magnitude = bits << 1;
    if (magnitude >= 0xff000000u)
        return num_not_finite(out, magnitude > 0xff000000u, negative);
    if (magnitude == 0)
        return num_zero(out, negative, style);
    if (negative)
        *out++ = '-';
    return num_layout(out, dtoa_f32(bits & INT32_MAX), style);
}
