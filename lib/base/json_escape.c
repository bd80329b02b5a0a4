#include "lib/base/json_escape.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum {
    STEP = 16,       /* bytes looked at together */
    CHUNK_MAX = 128, /* bytes copied together where the text is not plain */
};

/* The compiler may not look at the source again: what it has in hand is the text. */
#define KEEP(bytes) __asm__("" : "+m"(bytes))

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
static inline unsigned plain_vector(__m128i v)
{
    /* A signed comparison: bytes above 0x7f are negative. */
    __m128i hit = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(hit) | 1u << STEP);
}

static inline unsigned plain_fast(const uint8_t *p)
{
    return plain_vector(_mm_loadu_si128((const __m128i *)p));
}

static inline bool step_fast(const char *src, char **out)
{
    __m128i v = _mm_loadu_si128((const __m128i *)src);
    __asm__("" : "+x"(v)); /* as KEEP, in a register */
    _mm_storeu_si128((__m128i *)*out, v);
    if (plain_vector(v) < STEP)
        return false;
    *out += STEP;
    return true;
}
#else
#define plain_fast plain_portable
#define step_fast step_portable
#endif

/* Takes a step whole, loading it once, or leaves it to escape_chunk(). */
typedef bool step_fn(const char *src, char **out);

static inline bool step_portable(const char *src, char **out)
{
    uint8_t step[STEP];
    memcpy(step, src, STEP);
    KEEP(step);
    memcpy(*out, step, STEP);
    if (plain_portable(step) < STEP)
        return false;
    *out += STEP;
    return true;
}

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

/* Copies sequences from p[*i] on until a byte of ASCII or the end. False: the last one is unfinished and
 * more text follows. */
static bool put_sequences(const uint8_t *p, size_t n, bool more, size_t *i_pos, char **out_pos, unsigned *flags)
{
    size_t i = *i_pos;
    char *out = *out_pos;
    bool whole = true;
    do {
        const int len = utf8_sequence(p + i, n - i);
        if (len > 0) {
            memcpy(out, p + i, 4);
            out += len;
            i += (size_t)len;
            continue;
        }
        whole = !more || (size_t)-len < n - i;
        if (!whole)
            break;
        memcpy(out, UTF8_REPLACEMENT, 3);
        out += 3;
        i += (size_t)-len;
        *flags |= TEXT_INVALID_UTF8;
    } while (i < n && p[i] >= 0x80);
    *i_pos = i;
    *out_pos = out;
    return whole;
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
        const size_t end = n - i < STEP ? n : i + STEP;
        const size_t run = plain(p + i);
        memcpy(out, p + i, STEP);
        if (run >= end - i) {
            out += end - i;
            i = end;
            continue;
        }
        i += run;
        out += run;
        while (i < end) {
            const uint8_t c = p[i];
            if (c < 0x80) {
                i++;
                if (c >= 0x20 && c != '"' && c != '\\')
                    *out++ = (char)c;
                else
                    out = put_escape(out, c);
            } else if (!put_sequences(p, n, more, &i, &out, flags)) {
                *out_pos = out;
                return i;
            }
        }
    }
    *out_pos = out;
    return i;
}

#ifdef __SSE2__
/* Up to 15 bytes in a register, zeros behind them. Bytes loaded twice may differ when the source changes;
 * the mixture is then the text. */
static inline __m128i load_short(const char *p, size_t n)
{
    uint64_t low = 0, high = 0;
    uint32_t a, b;
    if (n >= 8) {
        memcpy(&low, p, 8);
        if (n > 8) {
            memcpy(&high, p + n - 8, 8);
            high >>= 8 * (16 - n);
        }
    } else if (n >= 4) {
        memcpy(&a, p, 4);
        memcpy(&b, p + n - 4, 4);
        low = a | (uint64_t)b << 8 * (n - 4);
    } else {
        low = (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << 8 * (n / 2) |
              (uint64_t)(uint8_t)p[n - 1] << 8 * (n - 1);
    }
    return _mm_set_epi64x((long long)high, (long long)low);
}

static inline char *escape_short(const char *src, size_t n, char *out, unsigned *flags)
{
    __m128i v = load_short(src, n);
    uint8_t chunk[2 * STEP];
    __asm__("" : "+x"(v)); /* as KEEP, in a register */
    if (likely(plain_vector(v) >= n)) {
        _mm_storeu_si128((__m128i *)out, v);
        return out + n;
    }
    _mm_storeu_si128((__m128i *)chunk, v);
    memset(chunk + STEP, 0, STEP);
    (void)escape_chunk(plain_fast, chunk, n, false, &out, flags);
    return out;
}
#else
#define escape_short escape_short_portable
#endif

static char *escape_short_portable(const char *src, size_t n, char *out, unsigned *flags)
{
    uint8_t chunk[2 * STEP] = {0};
    memcpy(chunk, src, n);
    KEEP(chunk);
    (void)escape_chunk(plain_portable, chunk, n, false, &out, flags);
    return out;
}

typedef char *short_fn(const char *src, size_t n, char *out, unsigned *flags);

__attribute__((always_inline))
static inline char *escape(plain_fn *plain, step_fn *step, short_fn *rest, const char *src, size_t len, char *out,
                           unsigned *flags)
{
    uint8_t chunk[CHUNK_MAX + STEP];

    while (len >= STEP) {
        if (step(src, &out)) {
            src += STEP;
            len -= STEP;
            continue;
        }
        const size_t n = len < CHUNK_MAX ? len : CHUNK_MAX;
        memcpy(chunk, src, n);
        memset(chunk + n, 0, STEP);
        KEEP(chunk);
        const size_t taken = escape_chunk(plain, chunk, n, n < len, &out, flags);
        ASSUME(taken > 0);
        src += taken;
        len -= taken;
    }
    return len > 0 ? rest(src, len, out, flags) : out;
}

static char *escape_portable(const char *src, size_t len, char *out, unsigned *flags)
{
    return escape(plain_portable, step_portable, escape_short_portable, src, len, out, flags);
}

static char *escape_baseline(const char *src, size_t len, char *out, unsigned *flags)
{
    return escape(plain_fast, step_fast, escape_short, src, len, out, flags);
}

#ifdef __x86_64__
/* ---- text with many quotes, as a line of JSON inside JSON has them ---- */

#define SSSE3 __attribute__((target("ssse3,popcnt")))
enum { GROUP = 4 }; /* bytes spread together */

/* Where the bytes of a group come from, one row for each set of those that get a backslash in front of them. */
#define B 0x80 /* a backslash; as an index it makes a zero */
static const uint8_t spread_rows[1 << GROUP][2 * GROUP] = {
    {0, 1, 2, 3},    {B, 0, 1, 2, 3},    {0, B, 1, 2, 3},    {B, 0, B, 1, 2, 3},
    {0, 1, B, 2, 3}, {B, 0, 1, B, 2, 3}, {0, B, 1, B, 2, 3}, {B, 0, B, 1, B, 2, 3},
    {0, 1, 2, B, 3}, {B, 0, 1, 2, B, 3}, {0, B, 1, 2, B, 3}, {B, 0, B, 1, 2, B, 3},
    {0, 1, B, 2, B, 3}, {B, 0, 1, B, 2, B, 3}, {0, B, 1, B, 2, B, 3}, {B, 0, B, 1, B, 2, B, 3},
};
#undef B

/* The first n bytes of v, of which those in `escaped` get a backslash. */
SSSE3 static inline char *spread(__m128i v, unsigned escaped, size_t n, char *out)
{
    const __m128i backslash = _mm_set1_epi8('\\');
    for (size_t at = 0; at < n; at += GROUP) {
        const unsigned set = escaped >> at & ((1 << GROUP) - 1);
        const __m128i row = _mm_loadl_epi64((const __m128i *)spread_rows[set]);
        const __m128i slashes = _mm_and_si128(_mm_cmplt_epi8(row, _mm_setzero_si128()), backslash);
        _mm_storel_epi64((__m128i *)out, _mm_or_si128(_mm_shuffle_epi8(v, row), slashes));
        out += GROUP + __builtin_popcount(set);
        v = _mm_srli_si128(v, GROUP);
    }
    return out;
}

/* Bytes that need a backslash; false where there are others that cannot stay, among the first n. */
SSSE3 static inline bool needs_only_backslashes(__m128i v, size_t n, unsigned *ret_escaped)
{
    const unsigned all = (1u << n) - 1;
    const __m128i quoted = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    *ret_escaped = (unsigned)_mm_movemask_epi8(quoted) & all;
    return ((unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20))) & all) == 0;
}

SSSE3 static inline bool step_ssse3(const char *src, char **out)
{
    unsigned escaped;
    __m128i v = _mm_loadu_si128((const __m128i *)src);
    __asm__("" : "+x"(v)); /* as KEEP, in a register */
    if (unlikely(!needs_only_backslashes(v, STEP, &escaped)))
        return false;
    if (escaped) {
        *out = spread(v, escaped, STEP, *out);
        return true;
    }
    _mm_storeu_si128((__m128i *)*out, v);
    *out += STEP;
    return true;
}

SSSE3 static inline char *short_ssse3(const char *src, size_t n, char *out, unsigned *flags)
{
    unsigned escaped;
    __m128i v = load_short(src, n);
    uint8_t chunk[2 * STEP] = {0};
    __asm__("" : "+x"(v)); /* as KEEP, in a register */
    if (likely(needs_only_backslashes(v, n, &escaped))) {
        char *const end = out + n + __builtin_popcount(escaped);
        (void)spread(v, escaped, n, out);
        return end;
    }
    _mm_storeu_si128((__m128i *)chunk, v);
    (void)escape_chunk(plain_fast, chunk, n, false, &out, flags);
    return out;
}

SSSE3 static char *escape_ssse3(const char *src, size_t len, char *out, unsigned *flags)
{
    return escape(plain_fast, step_ssse3, short_ssse3, src, len, out, flags);
}

/* A step at once: each byte becomes a pair with a backslash, and the backslashes that are not wanted go. */
#define VBMI2 __attribute__((target("avx512vbmi2,avx512bw,avx512vl,bmi2,popcnt")))

VBMI2 static inline bool step_vbmi2(const char *src, char **out)
{
    unsigned escaped;
    __m128i v = _mm_loadu_si128((const __m128i *)src);
    __asm__("" : "+x"(v)); /* as KEEP, in a register */
    if (unlikely(!needs_only_backslashes(v, STEP, &escaped)))
        return false;
    const __m256i pairs = _mm256_or_si256(_mm256_slli_epi16(_mm256_cvtepu8_epi16(v), 8), _mm256_set1_epi16('\\'));
    const __mmask32 wanted = _pdep_u32(escaped, 0x55555555) | 0xaaaaaaaa;
    _mm256_storeu_si256((__m256i *)*out, _mm256_maskz_compress_epi8(wanted, pairs));
    *out += STEP + __builtin_popcount(escaped);
    return true;
}

VBMI2 static char *escape_vbmi2(const char *src, size_t len, char *out, unsigned *flags)
{
    return escape(plain_fast, step_vbmi2, short_ssse3, src, len, out, flags);
}

static bool has_vbmi2(void)
{
    return __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2");
}

static bool has_ssse3(void)
{
    return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("popcnt");
}
#endif

/* ---- choosing ---- */

json_escape_fn *json_escape_variant(enum json_escape_variant v)
{
    switch (v) {
    case JSON_ESCAPE_PORTABLE: return escape_portable;
    case JSON_ESCAPE_BASELINE: return escape_baseline;
#ifdef __x86_64__
    case JSON_ESCAPE_SSSE3:    return has_ssse3() ? escape_ssse3 : NULL;
    case JSON_ESCAPE_VBMI2:    return has_ssse3() && has_vbmi2() ? escape_vbmi2 : NULL;
#endif
    default:                   return NULL;
    }
}

static json_escape_fn *chosen = escape_baseline;

/* Before main(): there are no threads yet. */
__attribute__((constructor)) static void choose(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
#endif
    for (unsigned v = 0; v < JSON_ESCAPE_VARIANTS; v++) {
        json_escape_fn *const fn = json_escape_variant((enum json_escape_variant)v);
        chosen = fn ? fn : chosen;
    }
}

char *json_escape(const char *src, size_t len, char *out, unsigned *flags)
{
    return chosen(src, len, out, flags);
}
