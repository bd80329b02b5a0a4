#include "collector/net/tls_store.h"

#include "collector/net/tls.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

/* The clock of a file system is coarse: of two changes within one of its steps, the second leaves no trace. */
#define SETTLED_NS ((int64_t)NS_PER_S)

static struct tls_stamp stamp_of(const char *path)
{
    struct stat st;
    if (!path || stat(path, &st) < 0)
        return (struct tls_stamp){0};
    return (struct tls_stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct tls_stamp *a, const struct tls_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && is_same_time(&a->modified, &b->modified) &&
           is_same_time(&a->changed, &b->changed);
}

static bool is_settled(const struct tls_stamp *s)
{
    return (int64_t)clock_real_ns() - SETTLED_NS > (int64_t)s->changed.tv_sec * (int64_t)NS_PER_S + s->changed.tv_nsec;
}

static bool is_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void forget(struct tls_store *t)
{
    X509_STORE_free(t->store);
    free(t->file);
    free(t->dir);
    *t = (struct tls_store){0};
}

static int read_store(const char *file, const char *dir, const X509_VERIFY_PARAM *like, X509_STORE **ret,
                      struct err *e)
{
    char text[200];
    int r = 0;
    ERR_clear_error();
    X509_STORE *const store = X509_STORE_new();
    if (!store || X509_STORE_set1_param(store, like) != 1)
        r = err_set(e, -ENOMEM, "out of memory");
    else if (file && X509_STORE_load_file(store, file) != 1)
        r = err_set(e, -EKEYREJECTED, "%s: cannot be read, or holds no certificates in PEM form to trust (OpenSSL: %s)",
                    file, tls_reason(NULL, text, sizeof text));
    else if (dir && X509_STORE_load_path(store, dir) != 1)
        r = err_set(e, -ENOMEM, "out of memory");
    ERR_clear_error();
    if (r < 0)
        X509_STORE_free(store);
    else
        *ret = store;
    return r;
}

static struct tls_store *find(struct tls_stores *s, const char *file, const char *dir)
{
    struct tls_store *oldest = &s->item[0];
    for (unsigned i = 0; i < TLS_STORES_MAX; i++) {
        struct tls_store *const t = &s->item[i];
        if (t->store && is_text(t->file, file) && is_text(t->dir, dir))
            return t;
        if (t->used < oldest->used)
            oldest = t;
    }
    return oldest;
}

int tls_stores_get(struct tls_stores *s, const char *file, const char *dir, const X509_VERIFY_PARAM *like,
                   X509_STORE **ret, struct err *e)
{
    struct tls_store *const t = find(s, file, dir);
    const struct tls_stamp file_stamp = stamp_of(file), dir_stamp = stamp_of(dir); /* before what they stand for */
    const bool is_it = t->store && is_text(t->file, file) && is_text(t->dir, dir);
    if (!is_it || !t->is_settled || !is_same(&t->file_stamp, &file_stamp) || !is_same(&t->dir_stamp, &dir_stamp)) {
        forget(t);
        const int r = read_store(file, dir, like, &t->store, e);
        if (r < 0)
            return r;
        t->file = file ? strdup(file) : NULL;
        t->dir = dir ? strdup(dir) : NULL;
        t->file_stamp = file_stamp;
        t->dir_stamp = dir_stamp;
        t->is_settled = is_settled(&file_stamp) && is_settled(&dir_stamp) && (!file || t->file) && (!dir || t->dir);
    }
    t->used = ++s->uses;
    *ret = t->store;
    return 0;
}

void tls_stores_done(struct tls_stores *s)
{
    for (unsigned i = 0; i < TLS_STORES_MAX; i++)
        forget(&s->item[i]);
}
