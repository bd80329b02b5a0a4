/* tls.h - OpenSSL contexts for clients, the same for every protocol that brings its own sockets: TLS 1.2
 * and newer, the peer's certificate and name verified unless told otherwise. */
#ifndef COLLECTOR_NET_TLS_H
#define COLLECTOR_NET_TLS_H

#include "lib/base/err.h"

#include <stdbool.h>

#include <openssl/ssl.h>

/* Texts belong to the caller. */
struct tls_config {
    const char *ca_file;              /* NULL: the system's */
    const char *cert_file, *key_file; /* client certificate, PEM; NULL: none */
    bool is_unverified;
    const char *alpn;                 /* "h2"; NULL: none */
};

/* Whether the files are what they should be, so that a start finds out and not the first connection. -ENOENT,
 * -EKEYREJECTED ...; the message names option and file. */
int tls_check_files(const struct tls_config *cfg, struct err *e);
/* As above, and makes a context of them. Freed by SSL_CTX_free(). */
int tls_context(const struct tls_config *cfg, SSL_CTX **ret, struct err *e);
/* A session of the context for a server called `name` (a host name or an address in digits). */
int tls_session(SSL_CTX *ctx, const struct tls_config *cfg, const char *name, SSL **ret, struct err *e);
/* What the operator can do where a certificate was refused (X509_V_ERR_...), or a handshake failed with this text of
 * OpenSSL's: for every client here, with the names that options have in all sinks. "": the text says enough. */
#define TLS_HANGUP_ADVICE "the peer hung up in the handshake; does it speak TLS on this port?"
const char *tls_verify_advice(long verify_result);
const char *tls_handshake_advice(const char *text);
/* What went wrong, for people: the verification's result, else the oldest error of OpenSSL's queue, which is
 * emptied, with the advice. Returns ret. */
const char *tls_reason(const SSL *ssl, char *ret, size_t size);

#endif
