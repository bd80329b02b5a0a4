#include "collector/net/sigv4.h"

#include "lib/base/bytes_text.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>
#include <time.h>

void sigv4_stamp(int64_t seconds, char ret[SIGV4_STAMP_SIZE])
{
    const time_t t = (time_t)seconds;
    struct tm tm;
    (void)gmtime_r(&t, &tm);
    (void)strftime(ret, SIGV4_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

static int append_hash(struct buf *out, const char *data, size_t len)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    if (buf_reserve(out, 2 * sizeof hash) < 0)
        return -ENOMEM;
    (void)SHA256((const uint8_t *)data, len, hash);
    out->len = (size_t)(hex_write(hash, sizeof hash, out->data + out->len) - out->data);
    return 0;
}

static int append_names(const struct sigv4 *s, struct buf *out)
{
    int r = 0;
    for (unsigned i = 0; i < s->headers_count && r == 0; i++)
        r = buf_printf(out, "%s%s", i ? ";" : "", s->header[i].name);
    return r;
}

/* The request in the one way of writing it that both sides agree on. */
static int append_canonical(const struct sigv4 *s, struct buf *out)
{
    int r = buf_printf(out, "%s\n%s\n%s\n", s->method, s->path, s->query);
    for (unsigned i = 0; i < s->headers_count && r == 0; i++)
        r = buf_printf(out, "%s:%s\n", s->header[i].name, s->header[i].value);
    if (r == 0)
        r = buf_printf(out, "\n");
    if (r == 0)
        r = append_names(s, out);
    if (r == 0)
        r = buf_printf(out, "\n");
    return r < 0 ? r : append_hash(out, s->payload, s->payload_len);
}

struct mac {
    uint8_t bytes[SHA256_DIGEST_LENGTH];
};

static int chain(const void *key, size_t key_len, const char *data, size_t len, struct mac *ret)
{
    struct mac out; /* key may lie in *ret */
    unsigned out_len = sizeof out.bytes;
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)data, len, out.bytes, &out_len))
        return -ENOMEM;
    *ret = out;
    return 0;
}

/* The secret itself never signs: a key of this day, region and service does. */
static int signing_key(const struct sigv4 *s, struct mac *key)
{
    const char *const parts[] = {s->region, s->service, "aws4_request"};
    auto_buf secret = {0};
    int r = buf_printf(&secret, "AWS4%s", s->secret);
    if (r == 0)
        r = chain(secret.data, secret.len, s->stamp, 8, key);
    for (unsigned i = 0; i < 3 && r == 0; i++)
        r = chain(key, sizeof *key, parts[i], strlen(parts[i]), key);
    if (secret.data)
        OPENSSL_cleanse(secret.data, secret.len);
    return r;
}

int sigv4_authorization(const struct sigv4 *s, struct buf *out)
{
    auto_buf canonical = {0}, text = {0};
    struct mac mac;
    int r = append_canonical(s, &canonical);
    if (r == 0)
        r = buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n", s->stamp, s->stamp, s->region,
                       s->service);
    if (r == 0)
        r = append_hash(&text, canonical.data, canonical.len);
    if (r == 0)
        r = signing_key(s, &mac);
    if (r == 0)
        r = chain(&mac, sizeof mac, text.data, text.len, &mac);
    if (r == 0)
        r = buf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=", s->key_id,
                       s->stamp, s->region, s->service);
    if (r == 0)
        r = append_names(s, out);
    if (r == 0)
        r = buf_printf(out, ", Signature=");
    if (r == 0)
        r = buf_reserve(out, 2 * sizeof mac);
    if (r == 0)
        out->len = (size_t)(hex_write(&mac, sizeof mac, out->data + out->len) - out->data);
    return r;
}
