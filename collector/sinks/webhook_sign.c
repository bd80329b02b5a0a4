#include "collector/sinks/webhook_sign.h"

#include "lib/base/check.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

struct webhook_key {
    EVP_MAC *mac;
    EVP_MAC_CTX *context; /* keyed */
};

static int key_init(struct webhook_key *k, const uint8_t *key, size_t len)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
    k->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    k->context = k->mac ? EVP_MAC_CTX_new(k->mac) : NULL;
    return k->context && EVP_MAC_init(k->context, key, len, params) == 1 ? 0 : -ENOMEM;
}

/* "whsec_<base64>" stands for the bytes. */
static int decode_secret(const char *secret, uint8_t *ret, size_t *ret_len, struct err *e)
{
    static const char prefix[] = "whsec_";
    const char *text = strncmp(secret, prefix, sizeof prefix - 1) == 0 ? secret + sizeof prefix - 1 : secret;
    const size_t len = strlen(text);
    const int n = len % 4 || len == 0 ? -1 : EVP_DecodeBlock(ret, (const uint8_t *)text, (int)len);
    if (n <= 0)
        return err_set(e, -EINVAL, "secret: with signature_mode=standard it must be base64, whsec_ in front or not");
    *ret_len = (size_t)n - (text[len - 1] == '=') - (text[len - 2] == '=');
    return 0;
}

int webhook_key_new(const char *secret, bool is_standard, struct webhook_key **ret, struct err *e)
{
    uint8_t bytes[WEBHOOK_SECRET_MAX];
    const size_t len = strlen(secret);
    size_t bytes_len = len;
    struct webhook_key *k = NULL;
    int r = 0;
    CHECK(len <= sizeof bytes);
    if (is_standard)
        r = decode_secret(secret, bytes, &bytes_len, e);
    else
        memcpy(bytes, secret, len);
    if (r == 0 && !(k = calloc(1, sizeof *k)))
        r = err_set(e, -ENOMEM, "secret: out of memory");
    if (r == 0 && key_init(k, bytes, bytes_len) < 0)
        r = err_set(e, -ENOMEM, "secret: no HMAC-SHA256 to be had from OpenSSL");
    OPENSSL_cleanse(bytes, sizeof bytes);
    if (r < 0)
        webhook_key_free(k);
    else
        *ret = k;
    return r;
}

void webhook_key_free(struct webhook_key *k)
{
    if (!k)
        return;
    EVP_MAC_CTX_free(k->context);
    EVP_MAC_free(k->mac);
    free(k);
}

int webhook_sign(struct webhook_key *k, const char *prefix, size_t prefix_len, const char *body, size_t body_len,
                 uint8_t ret[WEBHOOK_MAC_BYTES])
{
    size_t len = 0;
    if (EVP_MAC_init(k->context, NULL, 0, NULL) != 1 || /* the same key again */
        EVP_MAC_update(k->context, (const uint8_t *)prefix, prefix_len) != 1 ||
        EVP_MAC_update(k->context, (const uint8_t *)body, body_len) != 1 ||
        EVP_MAC_final(k->context, ret, &len, WEBHOOK_MAC_BYTES) != 1 || len != WEBHOOK_MAC_BYTES)
        return -ENOMEM;
    return 0;
}
