#include "collector/stage/redact/json_string.h"

#include <string.h>

bool json_string_skip(const char **p, const char *end)
{
    for (const char *q = *p + 1; q < end; q++) {
        if (*q == '"') {
            *p = q + 1;
            return true;
        }
        if (*q == '\\')
            q++;
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits behind \u; negative where there are none. */
static int32_t read_unit(const char *p, const char *end)
{
    int32_t v = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        const int d = hex_digit(p[i]);
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c >= 0x10000) {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    } else if (c >= 0x800) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        *out++ = (char)(0xc0 | c >> 6);
    }
    *out++ = (char)(0x80 | (c & 0x3f));
    return out;
}

/* At a backslash; p ends behind the escape. */
static char *decode_escape(const char **p, const char *end, char *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const int32_t unit = read_unit(*p, end);
    if (unit >= 0) {
        uint32_t c = (uint32_t)unit;
        *p += 6;
        const int32_t low = c >= 0xd800 && c < 0xdc00 ? read_unit(*p, end) : -1;
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            *p += 6;
        } else if (c >= 0xd800 && c < 0xe000) {
            c = 0xfffd;
        }
        return put_utf8(out, c);
    }
    if (end - *p < 2) {
        *out++ = *(*p)++;
        return out;
    }
    const char c = (*p)[1];
    const char *const known = c ? strchr(from, c) : NULL;
    *p += 2;
    *out++ = known ? to[known - from] : c;
    return out;
}

size_t json_string_decode(const char *text, size_t len, char *out)
{
    const char *p = text;
    const char *const end = text + len;
    char *to = out;
    while (p < end) {
        if (*p != '\\')
            *to++ = *p++;
        else
            to = decode_escape(&p, end, to);
    }
    return (size_t)(to - out);
}

size_t json_string_encode(const char *text, size_t len, char *out)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = (uint8_t)text[i];
        char put[6] = {'\\', (char)c};
        size_t bytes = 2;
        if (c < 0x20) {
            memcpy(put, "\\u00", 4);
            put[4] = hex[c >> 4];
            put[5] = hex[c & 15];
            bytes = 6;
        } else if (c != '"' && c != '\\') {
            put[0] = (char)c;
            bytes = 1;
        }
        if (out)
            memcpy(out + n, put, bytes);
        n += bytes;
    }
    return n;
}

uint32_t json_string_prefix(const char *text, uint32_t len, uint32_t max)
{
    uint32_t characters = 0;
    if (len <= max)
        return len;
    for (uint32_t i = 0; i < len; i++) {
        if (((uint8_t)text[i] & 0xc0) == 0x80)
            continue;
        if (characters++ == max)
            return i;
    }
    return len;
}
