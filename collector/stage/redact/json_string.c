#include "collector/stage/redact/json_string.h"

#include "lib/base/bytes_text.h"
#include "lib/base/utf8.h"

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

/* \u and four digits at p; negative where they are not. */
static int32_t read_unit(const char *p, const char *end)
{
    uint8_t bytes[2];
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !hex_read(p + 2, 2, bytes))
        return -1;
    return bytes[0] << 8 | bytes[1];
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
        return utf8_put(out, c);
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
