#include "lib/base/json_escape.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    STEP = 16,       /* bytes looked at together */
    CHUNK_MAX = 128, /* bytes copied together where the text is not plain */
};

/* Bytes of a step that can be copied as they are: from the start up to the first that is below
 * 0x20, above 0x7f, a quote or a backslash. STEP if there is none. */
typedef unsigned plain_fn(const uint8_t *p);

static inline unsigned plain_portable(const uint8_t *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    for (unsigned at = 0; at < STEP; at += 8) {
        uint64_t w;
        memcpy(&w, p + at, sizeof w);
        const uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
        const uint64_t hit = ((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & highs;
        if (hit) {
            unsigned i = at;
            while (p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\' && i < at + 8)
                i++;
            if (i < at + 8)
                return i;
        }
    }
    return STEP;
}

#ifdef __SSE2__
static inline unsigned plain_fast(const uint8_t *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)p);
    /* A signed comparison: bytes above 0x7f are negative. */
    __m128i hit = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(hit) | 1u << STEP);
}
#else
#define plain_fast plain_portable
#endif

static char *put_escape(char *out, uint8_t c)
{
    static const char letter[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    *out++ = '\\';
    if (c >= 0x20) {
        *out++ = (char)c; /* quote or backslash */
    } else if (letter[c]) {
        *out++ = letter[c];
    } else {
        memcpy(out, "u00", 3);
        out[3] = (char)('0' + (c >> 4));
        out[4] = "0123456789abcdef"[c & 15];
        out += 5;
    }
    return out;
}

/* Escapes n bytes at p, which are ours and have STEP readable bytes behind them. Returns how many
 * were taken: all, except for an unfinished sequence at the end when more text follows. */
__attribute__((always_inline))
static inline size_t escape_chunk(plain_fn *plain, const uint8_t *p, size_t n, bool more, char **out_pos,
                                  unsigned *flags)
{
    char *out = *out_pos;
    size_t i = 0;

    while (i < n) {
        const unsigned run = plain(p + i);
        memcpy(out, p + i, STEP);
        if (run >= n - i) {
            out += n - i;
            i = n;
            break;
        }
        i += run;
        out += run;
        if (run == STEP)
            continue;
        if (p[i] < 0x80) {
            out = put_escape(out, p[i++]);
            continue;
        }
        do {
            const int len = utf8_sequence(p + i, n - i);
            if (len > 0) {
                memcpy(out, p + i, 4);
                out += len;
                i += (size_t)len;
                continue;
            }
            if (more && (size_t)-len == n - i)
                goto done;
            memcpy(out, UTF8_REPLACEMENT, 3);
            out += 3;
            i += (size_t)-len;
            *flags |= TEXT_INVALID_UTF8;
        } while (i < n && p[i] >= 0x80);
    }
done:
    *out_pos = out;
    return i;
}

__attribute__((always_inline))
static inline void copy_short(uint8_t *to, const char *from, size_t n)
{
    if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else if (n > 0) {
        to[0] = (uint8_t)from[0];
        to[n / 2] = (uint8_t)from[n / 2];
        to[n - 1] = (uint8_t)from[n - 1];
    }
}

__attribute__((always_inline))
static inline char *escape(plain_fn *plain, const char *src, size_t len, char *out, unsigned *flags)
{
    uint8_t chunk[CHUNK_MAX + STEP];

    while (len >= STEP) {
        memcpy(chunk, src, STEP);
        if (plain(chunk) == STEP) {
            memcpy(out, chunk, STEP);
            src += STEP;
            out += STEP;
            len -= STEP;
            continue;
        }
        const size_t n = len < CHUNK_MAX ? len : CHUNK_MAX;
        memcpy(chunk, src, n);
        memset(chunk + n, 0, STEP);
        const size_t taken = escape_chunk(plain, chunk, n, n < len, &out, flags);
        ASSUME(taken > 0);
        src += taken;
        len -= taken;
    }
    if (len > 0) {
        memset(chunk, 0, (size_t)2 * STEP);
        copy_short(chunk, src, len);
        (void)escape_chunk(plain, chunk, len, false, &out, flags);
    }
    return out;
}

char *json_escape(const char *src, size_t len, char *out, unsigned *flags)
{
    return escape(plain_fast, src, len, out, flags);
}

char *json_escape_portable(const char *src, size_t len, char *out, unsigned *flags)
{
    return escape(plain_portable, src, len, out, flags);
}
