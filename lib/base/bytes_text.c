#include "lib/base/bytes_text.h"

#include "lib/base/num.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char digits[] = "0123456789abcdef";

#ifdef __SSE2__
static __m128i hex_digits(__m128i nibbles)
{
    const __m128i letters = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
    const __m128i digit = _mm_add_epi8(nibbles, _mm_set1_epi8('0'));
    return _mm_add_epi8(digit, _mm_and_si128(letters, _mm_set1_epi8('a' - '0' - 10)));
}

static void hex_words(uint64_t first, uint64_t second, char out[32])
{
    const __m128i v = _mm_set_epi64x((long long)second, (long long)first);
    const __m128i mask = _mm_set1_epi8(15);
    const __m128i high = hex_digits(_mm_and_si128(_mm_srli_epi16(v, 4), mask));
    const __m128i low = hex_digits(_mm_and_si128(v, mask));
    _mm_storeu_si128((__m128i *)out, _mm_unpacklo_epi8(high, low));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_unpackhi_epi8(high, low));
}
#else
static void hex_words(uint64_t first, uint64_t second, char out[32])
{
    uint8_t byte[16];
    memcpy(byte, &first, 8);
    memcpy(byte + 8, &second, 8);
    for (unsigned i = 0; i < 16; i++) {
        out[2 * i] = digits[byte[i] >> 4];
        out[2 * i + 1] = digits[byte[i] & 15];
    }
}
#endif

char *hex_write(const void *data, size_t len, char *out)
{
    const uint8_t *p = data;
    for (; len >= 16; len -= 16, p += 16, out += 32) {
        uint64_t word[2];
        memcpy(word, p, sizeof word);
        hex_words(word[0], word[1], out);
    }
    for (size_t i = 0; i < len; i++) {
        const uint8_t byte = p[i];
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    return out;
}

char *base64_write(const void *data, size_t len, char *out)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = data;
    for (; len >= 3; len -= 3, p += 3) {
        const uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *out++ = set[v >> 18];
        *out++ = set[v >> 12 & 63];
        *out++ = set[v >> 6 & 63];
        *out++ = set[v & 63];
    }
    if (len > 0) {
        const uint32_t v = (uint32_t)p[0] << 16 | (len > 1 ? (uint32_t)p[1] << 8 : 0);
        *out++ = set[v >> 18];
        *out++ = set[v >> 12 & 63];
        *out++ = len > 1 ? set[v >> 6 & 63] : '=';
        *out++ = '=';
    }
    return out;
}

char *uuid_write_words(uint64_t first, uint64_t second, char *out)
{
    char hex[32];
    hex_words(first, second, hex);
    memcpy(out, hex, 8);
    memcpy(out + 9, hex + 8, 4);
    memcpy(out + 14, hex + 12, 4);
    memcpy(out + 19, hex + 16, 4);
    memcpy(out + 24, hex + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    return out + UUID_TEXT_SIZE;
}

char *uuid_write(const uint8_t uuid[16], char *out)
{
    uint64_t word[2];
    memcpy(word, uuid, sizeof word);
    return uuid_write_words(word[0], word[1], out);
}

/* Not num_u64(), which stores beyond the end. */
static char *octet_write(unsigned v, char *out)
{
    if (v >= 100)
        *out++ = (char)('0' + v / 100);
    if (v >= 10)
        *out++ = (char)('0' + v / 10 % 10);
    *out++ = (char)('0' + v % 10);
    return out;
}

char *ipv4_write(const uint8_t address[4], char *out)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            *out++ = '.';
        out = octet_write(address[i], out);
    }
    return out;
}

/* The longest run of at least two zero groups, the first of equals; length 0 when there is none. */
static unsigned longest_zero_run(const uint16_t group[8], unsigned *ret_start)
{
    unsigned best = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = 0;
        while (i + n < 8 && group[i + n] == 0)
            n++;
        if (n > best && n >= 2) {
            best = n;
            *ret_start = i;
        }
    }
    return best;
}

char *ipv6_write(const uint8_t address[16], char *out)
{
    uint16_t group[8];
    for (unsigned i = 0; i < 8; i++)
        group[i] = (uint16_t)(address[2 * i] << 8 | address[2 * i + 1]);
    const bool mapped = memcmp(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
    const unsigned groups = mapped ? 6 : 8;
    unsigned zero_start = 0;
    const unsigned zeros = longest_zero_run(group, &zero_start);

    for (unsigned i = 0; i < groups;) {
        if (zeros > 0 && i == zero_start) {
            *out++ = ':';
            *out++ = ':';
            i += zeros;
            continue;
        }
        if (i > 0 && out[-1] != ':')
            *out++ = ':';
        out = num_hex(out, group[i++]);
    }
    if (mapped) {
        *out++ = ':';
        out = ipv4_write(address + 12, out);
    }
    return out;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_read(const char *text, size_t len, uint8_t *ret)
{
    for (size_t i = 0; i < len; i++) {
        const int high = hex_value(text[2 * i]), low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
