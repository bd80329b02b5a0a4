/* http_trust.c - whom curl's connections trust. Curl would read the authorities for each new connection: it keeps them
 * only where it knows no directory of them, as that of Debian does. */
#include "collector/net/http_private.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

/* Of curl's making; NULL: none. */
struct authorities {
    const char *file, *dir;
};

static struct authorities authorities_of(const struct http_peer *p)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    if (p && p->ca_file) /* and not the system's as well */
        return (struct authorities){p->ca_file, NULL};
    return (struct authorities){v->cainfo, v->capath};
}

/* Its contexts are ours to work on: it is built with OpenSSL, and runs with the same one. */
static bool is_our_openssl(void)
{
    const char *const library = curl_version_info(CURLVERSION_NOW)->ssl_version;
    return library && strncmp(library, "OpenSSL/", 8) == 0 &&
           strcmp(library + 8, OpenSSL_version(OPENSSL_VERSION_STRING)) == 0;
}

/* curl's, before the handshake with a server or with a proxy. */
static CURLcode on_context(CURL *easy, void *context, void *user)
{
    struct http_call *const c = user;
    SSL_CTX *const ctx = context;
    const struct authorities a = authorities_of(c->q->peer);
    const X509_VERIFY_PARAM *const like = X509_STORE_get0_param(SSL_CTX_get_cert_store(ctx)); /* with curl's flags */
    X509_STORE *store;
    (void)easy;
    if (tls_stores_get(&c->http->stores, a.file, a.dir, like, &store, &c->tls) < 0)
        return CURLE_SSL_CACERT_BADFILE;
    SSL_CTX_set1_cert_store(ctx, store);
    return CURLE_OK;
}

static void set_files(CURL *easy, const char *file, const char *dir)
{
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, dir);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, dir);
}

void http_trust(CURL *easy, const struct http_peer *p)
{
    struct http_call *c = NULL;
    const struct authorities a = authorities_of(p);
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
    if (!a.file && !a.dir)
        return; /* curl knows of others, or of none */
    const bool is_hooked = is_our_openssl() &&
                           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, p->is_unverified ? NULL : on_context) ==
                               CURLE_OK &&
                           curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, c) == CURLE_OK;
    /* Curl would look into the directory only in the handshake, when the context has our store. But it uses a
     * connection again only for who has the same one: those that trust others must differ in it, whatever it names. */
    if (is_hooked)
        set_files(easy, NULL, a.dir ? a.dir : a.file);
    else
        set_files(easy, a.file, a.dir);
    if (is_hooked || p->ca_file)
        (void)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* somebody may put others into the file */
}
