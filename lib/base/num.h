/* Numbers as text. Every function writes at out and returns the end; none writes a NUL. Up to the stated
 * maximum all bytes at out may be overwritten, also those behind the end. */
#ifndef FAPILOG_BASE_NUM_H
#define FAPILOG_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    NUM_INT_MAX = 21,    /* free bytes that num_u64() and num_i64() need */
    NUM_HEX_MAX = 16,    /* num_hex() */
    NUM_DOUBLE_MAX = 32, /* num_f64() and num_f32() */
};

extern const char num_pairs[200];       /* "00" "01" ... "99" */
extern const uint64_t num_pow10[20];    /* 10^0 ... 10^19 */

static inline char *num_2(char *out, unsigned v) /* v < 100 */
{
    memcpy(out, num_pairs + 2 * v, 2);
    return out + 2;
}

/* Decimal digits of v, 1..20. */
static inline unsigned num_digits(uint64_t v)
{
    const unsigned bits = 64u - (unsigned)__builtin_clzll(v | 1);
    const unsigned t = (bits * 1233u) >> 12; /* bits * log10(2), one too low at most */
    return t + 1u - (v < num_pow10[t] && t > 0);
}

static inline char *num_8(char *out, uint32_t v) /* exactly 8 digits; v < 10^8 */
{
    const uint32_t high = v / 10000, low = v % 10000;
    (void)num_2(out, high / 100);
    (void)num_2(out + 2, high % 100);
    (void)num_2(out + 4, low / 100);
    return num_2(out + 6, low % 100);
}

/* Exactly `digits` digits of v, zero filled on the left. */
static inline char *num_fixed(char *out, uint64_t v, unsigned digits)
{
    char *p = out + digits;
    while (p - out >= 8) {
        p -= 8;
        (void)num_8(p, (uint32_t)(v % 100000000));
        v /= 100000000;
    }
    uint32_t rest = (uint32_t)v;
    while (p - out >= 2) {
        p -= 2;
        (void)num_2(p, rest % 100);
        rest /= 100;
    }
    if (p != out)
        *out = (char)('0' + rest % 10);
    return out + digits;
}

/* Eight decimal digits, one per byte, the first in the lowest byte. v < 10^8. Three steps, each of which
 * splits all parts of the word at once: by 10^4, by 10^2 (10486 / 2^20 is 1/100 as far as needed), by 10. */
static inline uint64_t num_digit_bytes(uint32_t v)
{
    const uint64_t fours = v / 10000 | (uint64_t)(v % 10000) << 32;
    const uint64_t hundreds = (fours * 10486 >> 20) & UINT64_C(0x7f0000007f);
    const uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    const uint64_t tens = (twos * 103 >> 10) & UINT64_C(0x000f000f000f000f);
    return tens | (twos - 10 * tens) << 8;
}

/* Stores eight bytes, of which up to seven lie behind the end. v < 10^8. */
static inline char *num_small(char *out, uint32_t v)
{
    uint64_t bytes = num_digit_bytes(v);
    const unsigned zeros = (unsigned)__builtin_ctzll(bytes | UINT64_C(1) << 56) & ~7u;
    bytes = (bytes | UINT64_C(0x3030303030303030)) >> zeros;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    memcpy(out, &bytes, sizeof bytes);
    return out + 8 - zeros / 8;
}

static inline char *num_u64(char *out, uint64_t v)
{
    if (__builtin_expect(v < 100000000, 1))
        return num_small(out, (uint32_t)v);
    const uint64_t high = v / 100000000;
    if (high < 100000000)
        return num_8(num_small(out, (uint32_t)high), (uint32_t)(v % 100000000));
    out = num_small(out, (uint32_t)(high / 100000000));
    out = num_8(out, (uint32_t)(high % 100000000));
    return num_8(out, (uint32_t)(v % 100000000));
}

static inline char *num_i64(char *out, int64_t v)
{
    uint64_t u = (uint64_t)v;
    if (v < 0) {
        *out++ = '-';
        u = 0 - u;
    }
    return num_u64(out, u);
}

/* Lower-case hexadecimal without leading zeros. */
char *num_hex(char *out, uint64_t v);

enum num_style {
    NUM_ECMA,  /* as ECMAScript and RFC 8785: 100.0 is 100, -0.0 is 0 */
    NUM_POINT, /* the same layout, but a whole number keeps its type: 100.0, -0.0 */
};

/* The shortest decimal that reads back as the same double (float). Not finite: NaN, Infinity,
 * -Infinity without quotes. */
char *num_f64(char *out, double v, enum num_style style);
char *num_f32(char *out, float v, enum num_style style);

#endif
