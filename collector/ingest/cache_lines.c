#include "collector/ingest/cache_lines.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>

static bool has_clflushopt(void)
{
    static int answer = -1;
    if (answer < 0) {
        unsigned a, b = 0, c, d;
        answer = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_CLFLUSHOPT);
    }
    return answer;
}

__attribute__((target("clflushopt"))) static void flush(const uint8_t *from, const uint8_t *to)
{
    for (; from < to; from += CACHE_LINE_BYTES)
        _mm_clflushopt((void *)(uintptr_t)from);
}

void cache_lines_flush(const uint8_t *from, const uint8_t *to)
{
    if (has_clflushopt())
        flush(from, to);
}
#else
void cache_lines_flush(const uint8_t *from, const uint8_t *to)
{
    (void)from;
    (void)to;
}
#endif
