#include "bench/micro/micro.h"

#include <stdlib.h>
#include <string.h>

static void bench_memcpy(struct gb_state *s)
{
    const size_t len = (size_t)gb_range(s);
    char *src = aligned_alloc(64, (len + 63) & ~(size_t)63);
    char *dst = aligned_alloc(64, (len + 63) & ~(size_t)63);
    if (!src || !dst) {
        gb_skip(s, "out of memory");
    } else {
        memset(src, 1, len);
        memset(dst, 2, len);
        micro_loop(s) {
            memcpy(dst, src, len);
            gb_keep(dst);
        }
        gb_set_bytes(s, gb_iterations(s) * (int64_t)len);
    }
    free(src);
    free(dst);
}

void micro_copy(void)
{
    gb_register_range("copy/memcpy", bench_memcpy, 32, 1 << 20);
}
