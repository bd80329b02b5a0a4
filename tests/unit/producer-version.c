/* Which fapilog a program was compiled with and which it runs with, for producer-version.sh; as C and as C++. */
#include <fapilog/fapilog.h>

#include <stdio.h>

FAPILOG_STATIC_ASSERT(FAPILOG_VERSION_NUMBER == FAPILOG_VERSION_MAJOR * 65536 + FAPILOG_VERSION_MINOR * 256 +
                                                    FAPILOG_VERSION_PATCH, "three parts in one number");
FAPILOG_STATIC_ASSERT(FAPILOG_VERSION_PATCH <= 255 && FAPILOG_VERSION_MINOR <= 255, "a part has one byte");

#if !FAPILOG_VERSION_AT_LEAST(FAPILOG_VERSION_MAJOR, FAPILOG_VERSION_MINOR, FAPILOG_VERSION_PATCH) || \
    !FAPILOG_VERSION_AT_LEAST(0, 0, 255) || \
    FAPILOG_VERSION_AT_LEAST(FAPILOG_VERSION_MAJOR, FAPILOG_VERSION_MINOR, FAPILOG_VERSION_PATCH + 1) || \
    FAPILOG_VERSION_AT_LEAST(FAPILOG_VERSION_MAJOR, FAPILOG_VERSION_MINOR + 1, 0) || \
    FAPILOG_VERSION_AT_LEAST(FAPILOG_VERSION_MAJOR + 1, 0, 0)
#error "FAPILOG_VERSION_AT_LEAST"
#endif

int main(void)
{
    const uint32_t n = fapilog_version_number();
    printf("headers %s, library %s %u.%u.%u\n", FAPILOG_VERSION_STRING, fapilog_version(), n >> 16, n >> 8 & 255,
           n & 255);
    return 0;
}
