/* UTF-8, as strict as the Unicode Standard: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef FAPILOG_BASE_UTF8_H
#define FAPILOG_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Flags that functions which copy text add to. */
enum {
    TEXT_INVALID_UTF8 = 1,
    TEXT_INVALID_JSON = 2,
};

/* Looks at the sequence that starts at p with a byte >= 0x80; n >= 1 bytes are there. Returns its
 * length, 2..4, or minus the number of bytes that one U+FFFD stands for (the longest part that could
 * begin a valid sequence, or 1). Minus n may also mean that the text ends too early. */
static inline int utf8_sequence(const uint8_t *p, size_t n)
{
    const uint8_t lead = p[0];
    uint8_t low = 0x80, high = 0xbf;
    int length;

    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        low = lead == 0xe0 ? 0xa0 : 0x80;
        high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        low = lead == 0xf0 ? 0x90 : 0x80;
        high = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
        return -1;
    }
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= n || p[i] < low || p[i] > high)
            return -i;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

/* Writes one code point; returns the end. cp is a valid scalar value. */
static inline char *utf8_put(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        *out++ = (char)cp;
        return out;
    }
    if (cp < 0x800) {
        *out++ = (char)(0xc0 | cp >> 6);
    } else {
        if (cp < 0x10000) {
            *out++ = (char)(0xe0 | cp >> 12);
        } else {
            *out++ = (char)(0xf0 | cp >> 18);
            *out++ = (char)(0x80 | (cp >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (cp >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (cp & 0x3f));
    return out;
}

static inline bool utf8_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint64_t eight;
        if (len - i >= sizeof eight) {
            memcpy(&eight, text + i, sizeof eight);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                i += sizeof eight;
                continue;
            }
        }
        if (!((uint8_t)text[i] & 0x80)) {
            i++;
            continue;
        }
        const int n = utf8_sequence((const uint8_t *)text + i, len - i);
        if (n < 0)
            return false;
        i += (size_t)n;
    }
    return true;
}

#endif
