/* Bytes as text. Every function writes at out and returns the end; none writes a NUL. */
#ifndef FAPILOG_BASE_BYTES_TEXT_H
#define FAPILOG_BASE_BYTES_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE64_SIZE(len) (((size_t)(len) + 2) / 3 * 4)
enum { UUID_TEXT_SIZE = 36, IPV4_TEXT_MAX = 15, IPV6_TEXT_MAX = 45 };

char *hex_write(const void *data, size_t len, char *out); /* lower case, 2 * len bytes */
char *base64_write(const void *data, size_t len, char *out); /* RFC 4648, padded: BASE64_SIZE(len) */
char *uuid_write(const uint8_t uuid[16], char *out);
/* The same from two words as they lie in memory: registers need no detour through memory. */
char *uuid_write_words(uint64_t first, uint64_t second, char *out);
char *ipv4_write(const uint8_t address[4], char *out);
char *ipv6_write(const uint8_t address[16], char *out);   /* RFC 5952 */

/* Reads 2 * len hexadecimal digits of either case; false when one of them is none, behind which nothing is read. */
bool hex_read(const char *text, size_t len, uint8_t *ret);

#endif
