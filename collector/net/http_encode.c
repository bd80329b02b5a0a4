#include "collector/net/http.h"

#include <errno.h>
#include <libdeflate.h>
#include <string.h>
#include <zstd.h>

enum { GZIP_LEVEL = 1, ZSTD_LEVEL = 1 };

/* Made when first needed and kept: making one costs as much as compressing a small body. */
static _Thread_local struct libdeflate_compressor *gzip;
static _Thread_local ZSTD_CCtx *zstd;

static int encode_gzip(const char *data, size_t len, struct buf *out)
{
    if (!gzip && !(gzip = libdeflate_alloc_compressor(GZIP_LEVEL)))
        return -ENOMEM;
    const size_t bound = libdeflate_gzip_compress_bound(gzip, len);
    if (buf_reserve(out, bound) < 0)
        return -ENOMEM;
    const size_t n = libdeflate_gzip_compress(gzip, data, len, out->data + out->len, bound);
    out->len += n;
    return n ? 0 : -ENOMEM;
}

static int encode_zstd(const char *data, size_t len, struct buf *out)
{
    if (!zstd && !(zstd = ZSTD_createCCtx()))
        return -ENOMEM;
    const size_t bound = ZSTD_compressBound(len);
    if (buf_reserve(out, bound) < 0)
        return -ENOMEM;
    const size_t n = ZSTD_compressCCtx(zstd, out->data + out->len, bound, data, len, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        return -ENOMEM; /* the only way to fail with enough room */
    out->len += n;
    return 0;
}

int http_encode(enum http_encoding encoding, const char *data, size_t len, struct buf *out)
{
    switch (encoding) {
    case HTTP_PLAIN:
        return buf_append(out, data, len);
    case HTTP_GZIP:
        return encode_gzip(data, len, out);
    case HTTP_ZSTD:
        return encode_zstd(data, len, out);
    }
    return -EINVAL;
}
