#include "collector/net/tls.h"

#include "lib/base/keep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

static int refuse(struct err *e, const char *what)
{
    char text[256];
    return err_set(e, -EKEYREJECTED, "%s: %s", what, tls_reason(NULL, text, sizeof text));
}

/* The options of all sinks have these names. `what`: why the file is of no use, with what it must be. */
static int refuse_file(struct err *e, const char *option, const char *file, const char *what)
{
    char text[256];
    (void)tls_reason(NULL, text, sizeof text);
    if (access(keep_path(file), R_OK) < 0)
        return err_sys(e, -errno, "%s: %s", option, file);
    return err_set(e, -EKEYREJECTED, "%s: %s %s (OpenSSL: %s)", option, file, what, text);
}

/* A key with a passphrase would have it asked for at the terminal. */
static int no_passphrase(char *buf, int size, int is_writing, void *arg)
{
    (void)buf, (void)size, (void)is_writing, (void)arg;
    return -1;
}

static int load_pair(SSL_CTX *ctx, const struct tls_config *cfg, struct err *e)
{
    const char *key_file = cfg->key_file ? cfg->key_file : cfg->cert_file;
    const char *option = cfg->key_file ? "tls_key_file" : "tls_cert_file (no tls_key_file is given)";
    if (SSL_CTX_use_certificate_chain_file(ctx, keep_path(cfg->cert_file)) != 1)
        return refuse_file(e, "tls_cert_file", cfg->cert_file, "does not begin with a certificate in PEM form");
    const bool is_key = SSL_CTX_use_PrivateKey_file(ctx, keep_path(key_file), SSL_FILETYPE_PEM) == 1;
    const unsigned long why = ERR_peek_error();
    const bool is_other = ERR_GET_LIB(why) == ERR_LIB_X509 && ERR_GET_REASON(why) == X509_R_KEY_VALUES_MISMATCH;
    if (!is_key && !is_other)
        return refuse_file(e, option, key_file, "holds no key in PEM form, or one with a passphrase, which must be "
                           "taken off");
    if (is_other || SSL_CTX_check_private_key(ctx) != 1) /* one of another kind was not compared */
        return refuse_file(e, option, key_file, "is not the key of the certificate in tls_cert_file");
    return 0;
}

static int load_files(SSL_CTX *ctx, const struct tls_config *cfg, struct err *e)
{
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    ERR_clear_error();
    if (cfg->ca_file && SSL_CTX_load_verify_file(ctx, keep_path(cfg->ca_file)) != 1)
        return refuse_file(e, "tls_ca_file", cfg->ca_file, "holds no certificates in PEM form to trust");
    if (cfg->cert_file)
        return load_pair(ctx, cfg, e);
    return cfg->key_file ? err_set(e, -EINVAL, "tls_key_file: needs tls_cert_file") : 0;
}

int tls_check_files(const struct tls_config *cfg, struct err *e)
{
    if (!cfg->ca_file && !cfg->cert_file && !cfg->key_file)
        return 0;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    const int r = ctx ? load_files(ctx, cfg, e) : refuse(e, "TLS");
    SSL_CTX_free(ctx);
    return r;
}

int tls_context(const struct tls_config *cfg, SSL_CTX **ret, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return refuse(e, "TLS");
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, cfg->is_unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    int r = load_files(ctx, cfg, e);
    if (r == 0 && !cfg->ca_file && SSL_CTX_set_default_verify_paths(ctx) != 1)
        r = refuse(e, "the system's certificates of authorities");
    if (r < 0) {
        SSL_CTX_free(ctx);
        return r;
    }
    *ret = ctx;
    return 0;
}

/* Who the certificate must be for; names also go into the hello, addresses must not (RFC 6066). */
static bool set_name(SSL *ssl, const char *name)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

static bool set_alpn(SSL *ssl, const char *alpn)
{
    unsigned char wire[32];
    const size_t len = strlen(alpn);
    if (len >= sizeof wire)
        return false;
    wire[0] = (unsigned char)len;
    memcpy(wire + 1, alpn, len);
    return SSL_set_alpn_protos(ssl, wire, (unsigned)len + 1) == 0;
}

int tls_session(SSL_CTX *ctx, const struct tls_config *cfg, const char *name, SSL **ret, struct err *e)
{
    SSL *ssl = SSL_new(ctx);
    if (!ssl || !set_name(ssl, name) || (cfg->alpn && !set_alpn(ssl, cfg->alpn))) {
        SSL_free(ssl);
        return refuse(e, "TLS session");
    }
    SSL_set_connect_state(ssl);
    *ret = ssl;
    return 0;
}

const char *tls_verify_advice(long verify_result)
{
    switch (verify_result) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: case X509_V_ERR_CERT_UNTRUSTED:
        return "give the certificate of the authority that signed it as tls_ca_file";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the server needs a new one, unless the clock here is wrong";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "is the clock here right?";
    case X509_V_ERR_HOSTNAME_MISMATCH: case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "the host that is given here must be a name or an address in the certificate";
    default:
        return "";
    }
}

/* Of OpenSSL, for what came in the place of the first record and is none. */
const char *tls_handshake_advice(const char *text)
{
    static const int reasons[] = { SSL_R_WRONG_VERSION_NUMBER, SSL_R_BAD_RECORD_TYPE, SSL_R_PACKET_LENGTH_TOO_LONG,
                                   SSL_R_HTTP_REQUEST };
    for (unsigned i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        const char *reason = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reasons[i]));
        if (reason && strstr(text, reason))
            return "the peer does not speak TLS on this port";
    }
    const char *eof = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNEXPECTED_EOF_WHILE_READING));
    return eof && strstr(text, eof) ? TLS_HANGUP_ADVICE : "";
}

const char *tls_reason(const SSL *ssl, char *ret, size_t size)
{
    const long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    const unsigned long code = ERR_get_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    const char *prefix = verify != X509_V_OK ? "certificate refused: " : "", *advice = "";
    text = verify != X509_V_OK ? X509_verify_cert_error_string(verify) : text ? text : "connection closed";
    if (verify != X509_V_OK)
        advice = tls_verify_advice(verify);
    else if (ssl && !SSL_is_init_finished(ssl))
        advice = tls_handshake_advice(text);
    (void)snprintf(ret, size, "%s%s%s%s", prefix, text, *advice ? "; " : "", advice);
    ERR_clear_error();
    return ret;
}
