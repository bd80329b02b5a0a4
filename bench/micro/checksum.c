#include <stdlib.h>
#include <string.h>

#include "bench/micro/micro.h"
#include "lib/ring/hash.h"

static void bench_hash64(struct gb_state *s)
{
    const size_t len = (size_t)gb_range(s);
    char *data = malloc(len);
    if (!data) {
        gb_skip(s, "out of memory");
        return;
    }
    memset(data, 7, len);
    while (gb_batch(s, 16))
        for (int i = 0; i < 16; i++)
            gb_keep(hash64(data, len));
    gb_set_bytes(s, gb_iterations(s) * (int64_t)len);
    free(data);
}

void micro_checksum(void)
{
    gb_register_range("checksum/xxh3", bench_hash64, 64, 1 << 20);
}
