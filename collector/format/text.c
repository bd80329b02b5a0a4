#include "collector/format/text.h"

#include "lib/base/utf8.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    CHUNK_MAX = 64, /* bytes copied together where the text is not plain */
    STEP = 16,      /* bytes looked at together */
};

/* How many bytes of a step are printable ASCII and none of `others`. The step is a private copy. */
static unsigned plain_bytes(const uint8_t step[STEP], const char others[TEXT_OTHERS])
{
#ifdef __SSE2__
    const __m128i v = _mm_loadu_si128((const __m128i *)step);
    __m128i hit = _mm_cmplt_epi8(v, _mm_set1_epi8(' ')); /* signed: bytes above 0x7f, too */
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    for (unsigned i = 0; i < TEXT_OTHERS; i++)
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8(others[i])));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(hit) | 1u << STEP);
#else
    unsigned n = 0;
    while (n < STEP && step[n] >= ' ' && step[n] < 0x7f && !memchr(others, step[n], TEXT_OTHERS))
        n++;
    return n;
#endif
}

size_t text_plain(const char *src, size_t len, const char others[TEXT_OTHERS], char *out)
{
    size_t at = 0;
    uint8_t step[STEP];
    for (; len - at >= STEP; at += STEP) {
        memcpy(step, src + at, STEP);
        __asm__("" : "+m"(step)); /* the source may change: what is in hand is the text */
        memcpy(out + at, step, STEP);
        const unsigned n = plain_bytes(step, others);
        if (n < STEP)
            return at + n;
    }
    const size_t left = len - at;
    if (!left)
        return at;
    memset(step, 0, STEP);
    memcpy(step, src + at, left);
    __asm__("" : "+m"(step));
    const unsigned n = plain_bytes(step, others); /* stops at the zeros */
    memcpy(out + at, step, n);
    return at + n;
}

static char *put_control(char *out, uint32_t cp)
{
    static const char hex[] = "0123456789abcdef";
    *out++ = '\\';
    switch (cp) {
    case '\n': *out++ = 'n'; return out;
    case '\r': *out++ = 'r'; return out;
    case '\t': *out++ = 't'; return out;
    default:   break;
    }
    *out++ = cp < 0x80 ? 'x' : 'u';
    if (cp >= 0x80) {
        *out++ = '0';
        *out++ = '0';
    }
    *out++ = hex[cp >> 4];
    *out++ = hex[cp & 15];
    return out;
}

/* n bytes of a private copy; returns how many were taken (see json_escape.c). */
static size_t clean_chunk(const uint8_t *p, size_t n, bool more, char quote, char **out_pos, unsigned *flags)
{
    char *out = *out_pos;
    size_t i = 0;
    while (i < n) {
        const uint8_t c = p[i];
        if (c < 0x80) {
            i++;
            if (c < 0x20 || c == 0x7f) {
                out = put_control(out, c);
                continue;
            }
            if (quote && (c == (uint8_t)quote || c == '\\'))
                *out++ = '\\';
            *out++ = (char)c;
            continue;
        }
        const int len = utf8_sequence(p + i, n - i);
        if (len < 0 && more && (size_t)-len == n - i)
            break;
        if (len < 0) {
            memcpy(out, UTF8_REPLACEMENT, 3);
            out += 3;
            *flags |= TEXT_INVALID_UTF8;
        } else if (c == 0xc2 && p[i + 1] < 0xa0) {
            out = put_control(out, p[i + 1]);
        } else {
            memcpy(out, p + i, (size_t)len);
            out += len;
        }
        i += (size_t)(len > 0 ? len : -len);
    }
    *out_pos = out;
    return i;
}

static char *clean(const char *src, size_t len, char quote, char *out, unsigned *flags)
{
    uint8_t chunk[CHUNK_MAX];
    const char others[TEXT_OTHERS] = { quote ? quote : 0x7f, quote ? '\\' : 0x7f, 0x7f };
    while (len > 0) {
        const size_t plain = text_plain(src, len, others, out);
        src += plain;
        len -= plain;
        out += plain;
        const size_t n = len < CHUNK_MAX ? len : CHUNK_MAX;
        memcpy(chunk, src, n);
        const size_t taken = clean_chunk(chunk, n, n < len, quote, &out, flags);
        src += taken;
        len -= taken;
    }
    return out;
}

char *text_clean(const char *src, size_t len, char *out, unsigned *flags)
{
    return clean(src, len, '\0', out, flags);
}

char *text_quoted(const char *src, size_t len, char quote, char *out, unsigned *flags)
{
    *out++ = quote;
    out = clean(src, len, quote, out, flags);
    *out++ = quote;
    return out;
}

static bool is_bare(const char *src, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = (uint8_t)src[i];
        if (c <= ' ' || c == '"' || c == '\'' || c == '=' || c == '\\' || c == 0x7f)
            return false;
    }
    return len > 0;
}

/* What was written decides: the source may change, and control characters have become escapes. */
char *text_bare(const char *src, size_t len, char *out)
{
    unsigned flags = 0;
    if (!is_bare(src, len))
        return NULL;
    char *const end = text_clean(src, len, out, &flags);
    return flags == 0 && is_bare(out, (size_t)(end - out)) ? end : NULL;
}

/* ---- what is written already ---- */

/* Where the next byte is that such a character may begin with; all of them are rare. */
static const uint8_t *visible_next(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    for (; end - p >= STEP; p += STEP) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        const __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)),
                                                      _mm_cmpeq_epi8(v, _mm_set1_epi8((char)0xc2))),
                                         _mm_cmpeq_epi8(v, _mm_set1_epi8((char)0xe2)));
        const unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != 0x7f && *p != 0xc2 && *p != 0xe2)
        p++;
    return p;
}

static uint32_t visible_bidi(const uint8_t *p)
{
    const uint32_t cp = 0x2000 + (uint32_t)(p[1] & 0x3f) * 64 + (p[2] & 0x3f);
    return (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ? cp : 0;
}

/* The character at p, of *ret_len bytes, if it is one of these; 0: it is not. */
static uint32_t visible_control(const uint8_t *p, const uint8_t *end, bool with_bidi, unsigned *ret_len)
{
    if (*p == 0x7f) {
        *ret_len = 1;
        return *p;
    }
    if (*p == 0xc2 && end - p >= 2 && p[1] < 0xa0) {
        *ret_len = 2;
        return p[1];
    }
    *ret_len = 3;
    return with_bidi && *p == 0xe2 && end - p >= 3 ? visible_bidi(p) : 0;
}

enum { VISIBLE_BYTES = 6 }; /* \u0085 */

size_t text_visible_growth(const char *text, const char *text_end, bool with_bidi)
{
    const uint8_t *const end = (const uint8_t *)text_end;
    size_t growth = 0;
    unsigned len;
    for (const uint8_t *p = (const uint8_t *)text; (p = visible_next(p, end)) < end; p++)
        if (visible_control(p, end, with_bidi, &len))
            growth += VISIBLE_BYTES - len;
    return growth;
}

char *text_visible(char *text, char *text_end, bool with_bidi)
{
    static const char hex[] = "0123456789abcdef";
    const size_t growth = text_visible_growth(text, text_end, with_bidi);
    const uint8_t *const end = (const uint8_t *)text_end;
    const uint8_t *from = end;
    char *to = text_end + growth;
    /* Backwards, as what is behind makes room; where nothing is left to be added it stands in its place. */
    while (to > (const char *)from) {
        unsigned len;
        const uint32_t cp = visible_control(--from, end, with_bidi, &len);
        if (!cp) {
            *--to = (char)*from;
            continue;
        }
        to += len - 1; /* the rest of it was moved as it was */
        for (unsigned i = 0; i < 4; i++)
            *--to = hex[cp >> 4 * i & 15];
        *--to = 'u';
        *--to = '\\';
    }
    return text_end + growth;
}
