/* tls_store.h - the authorities to trust, read once for all connections: a system's bundle takes tens of milliseconds,
 * which is more than a handshake. Read again as soon as its file, or its directory, has changed. */
#ifndef COLLECTOR_NET_TLS_STORE_H
#define COLLECTOR_NET_TLS_STORE_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/x509_vfy.h>

enum { TLS_STORES_MAX = 8 };

/* What tells that a file is another one, or has other contents. */
struct tls_stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified, changed;
};

struct tls_store {
    char *file, *dir;
    X509_STORE *store;
    struct tls_stamp file_stamp, dir_stamp;
    bool is_settled; /* both were old enough when it was read: a change shows in the stamps */
    uint64_t used;
};

/* Zeroed: none yet. Those that were not asked for the longest make room for others. */
struct tls_stores {
    struct tls_store item[TLS_STORES_MAX];
    uint64_t uses;
};

/* The store of what is in the file (PEM) and, found by name when looked for, in the directory; NULL: none of the two.
 * A new one has the parameters `like`. It stays the caller of tls_stores_done()'s; an SSL_CTX takes a reference. */
int tls_stores_get(struct tls_stores *s, const char *file, const char *dir, const X509_VERIFY_PARAM *like,
                   X509_STORE **ret, struct err *e);
void tls_stores_done(struct tls_stores *s);

#endif
