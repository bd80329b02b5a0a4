/* Compression of 256 KiB of JSON lines. */
#include <stdio.h>
#include <stdlib.h>

#include <libdeflate.h>
#include <zstd.h>

#include "bench/harness/shape.h"
#include "bench/micro/micro.h"

enum { COMPRESS_BYTES = 256 * 1024, COMPRESS_LINE_MAX = 512 };

static size_t make_lines(char *text)
{
    size_t len = 0;
    for (uint64_t i = 0; len + COMPRESS_LINE_MAX < COMPRESS_BYTES; i++)
        len += (size_t)snprintf(text + len, COMPRESS_LINE_MAX,
                                "{\"timestamp\":\"2026-11-21T08:37:04.%09luZ\",\"level\":\"INFO\","
                                "\"message\":\"%s\",\"service\":\"bench\",\"pid\":4711,\"a\":%d,\"b\":%d,\"c\":%g}\n",
                                i * 1037, BENCH_MARKER, shape_int(i, 0), shape_int(i, 1), shape_double(i, 0));
    return len;
}

static void report(struct gb_state *s, size_t in, size_t out)
{
    gb_set_bytes(s, gb_iterations(s) * (int64_t)in);
    gb_set_counter(s, "ratio", (double)in / (double)out);
}

static void zstd(struct gb_state *s, int level)
{
    const size_t room = ZSTD_compressBound(COMPRESS_BYTES);
    char *in = malloc(COMPRESS_BYTES), *out = malloc(room);
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    if (in && out && ctx) {
        const size_t len = make_lines(in);
        size_t n = 1;
        while (gb_keep_running(s))
            n = ZSTD_compressCCtx(ctx, out, room, in, len, level);
        report(s, len, n);
    } else {
        gb_skip(s, "out of memory");
    }
    ZSTD_freeCCtx(ctx);
    free(in);
    free(out);
}

static void bench_zstd_1(struct gb_state *s)
{
    zstd(s, 1);
}

static void bench_zstd_minus_1(struct gb_state *s)
{
    zstd(s, -1);
}

static void bench_zstd_minus_5(struct gb_state *s)
{
    zstd(s, -5);
}

static void bench_gzip(struct gb_state *s)
{
    struct libdeflate_compressor *ctx = libdeflate_alloc_compressor(1);
    char *in = malloc(COMPRESS_BYTES), *out = malloc(COMPRESS_BYTES);
    if (in && out && ctx) {
        const size_t len = make_lines(in);
        size_t n = 1;
        while (gb_keep_running(s))
            n = libdeflate_gzip_compress(ctx, in, len, out, COMPRESS_BYTES);
        report(s, len, n);
    } else {
        gb_skip(s, "out of memory");
    }
    if (ctx)
        libdeflate_free_compressor(ctx);
    free(in);
    free(out);
}

void micro_compress(void)
{
    gb_register("compress/zstd_level_1", bench_zstd_1);
    gb_register("compress/zstd_level_-1", bench_zstd_minus_1);
    gb_register("compress/zstd_level_-5", bench_zstd_minus_5);
    gb_register("compress/gzip_level_1", bench_gzip);
}
