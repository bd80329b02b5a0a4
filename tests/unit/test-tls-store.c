/* The store of authorities that connections share: when it is read, and that it trusts what is in its file alone. */
#include "collector/net/tls_store.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static char folder[] = "/tmp/fapilog-tls-store-XXXXXX", first[64], second[64];
static X509 *a, *b;
static struct tls_stores stores;
static X509_VERIFY_PARAM *like;

static X509 *authority(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    CHECK(key && x && X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(x), -60) && X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    X509_NAME *subject = X509_get_subject_name(x);
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1);
    CHECK(X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 && X509_sign(x, key, EVP_sha256()));
    EVP_PKEY_free(key);
    return x;
}

/* In the place of what is there, as an editor does, or into it; x NULL: no certificate. */
static void put(const char *path, X509 *x, bool is_in_place)
{
    char other[80];
    (void)snprintf(other, sizeof other, "%s.new", path);
    FILE *f = fopen(is_in_place ? path : other, "w");
    CHECK(f && (x ? PEM_write_X509(f, x) == 1 : fputs("nothing\n", f) >= 0) && fclose(f) == 0);
    CHECK(is_in_place || rename(other, path) == 0);
}

static bool trusts(X509_STORE *store, X509 *x)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    CHECK(ctx && X509_STORE_CTX_init(ctx, store, x, NULL) == 1);
    const bool is = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    return is;
}

static X509_STORE *get(const char *file, const char *dir)
{
    X509_STORE *store = NULL;
    struct err e = {0};
    if (tls_stores_get(&stores, file, dir, like, &store, &e) < 0)
        fail_msg("%s", e.text);
    return store;
}

/* Until a change of it shows. */
static void settle(const char *path)
{
    struct stat st;
    CHECK(stat(path, &st) == 0);
    const uint64_t until = (uint64_t)st.st_ctim.tv_sec * NS_PER_S + (uint64_t)st.st_ctim.tv_nsec + NS_PER_S;
    while (clock_real_ns() <= until)
        (void)poll(NULL, 0, 1);
}

static int set_up(void **state)
{
    (void)state;
    stores = (struct tls_stores){0};
    put(first, a, false);
    put(second, b, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_stores_done(&stores);
    return 0;
}

static void a_file_is_read_once_and_trusted_alone(void **state)
{
    (void)state;
    settle(second);
    X509_STORE *const one = get(first, NULL), *const two = get(second, NULL);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(get(first, NULL), one);
        assert_ptr_equal(get(second, NULL), two);
    }
    assert_ptr_not_equal(one, two);
    assert_ptr_not_equal(get(first, folder), one); /* who trusts a directory as well has a store of its own */
    assert_true(trusts(one, a) && trusts(two, b));
    assert_false(trusts(one, b) || trusts(two, a));
}

static void what_has_changed_is_read_again(void **state)
{
    (void)state;
    settle(first);
    assert_true(trusts(get(first, NULL), a));
    put(first, b, false);
    assert_true(trusts(get(first, NULL), b));
    assert_false(trusts(get(first, NULL), a));
    put(first, a, true); /* within the same step of the clock, and of the same length */
    assert_true(trusts(get(first, NULL), a));
    put(first, b, true);
    assert_false(trusts(get(first, NULL), a));
    settle(first);
    X509_STORE *const store = get(first, NULL);
    assert_ptr_equal(get(first, NULL), store);
}

static void a_directory_that_has_changed_is_looked_at_again(void **state)
{
    char name[32], path[128];
    (void)state;
    (void)snprintf(name, sizeof name, "%08lx.0", X509_NAME_hash_ex(X509_get_subject_name(b), NULL, NULL, NULL));
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    settle(folder);
    assert_false(trusts(get(first, folder), b));
    put(path, b, true);
    assert_true(trusts(get(first, folder), b));
    settle(folder);
    assert_true(trusts(get(first, folder), b));
    CHECK(unlink(path) == 0);
    assert_false(trusts(get(first, folder), b));
    assert_true(trusts(get(first, folder), a));
}

static void what_cannot_be_read_is_refused_until_it_can(void **state)
{
    X509_STORE *store = NULL;
    struct err e = {0};
    (void)state;
    (void)get(first, NULL);
    put(first, NULL, false);
    assert_int_equal(tls_stores_get(&stores, first, NULL, like, &store, &e), -EKEYREJECTED);
    assert_non_null(strstr(e.text, first));
    CHECK(unlink(first) == 0);
    assert_int_equal(tls_stores_get(&stores, first, NULL, like, &store, &e), -EKEYREJECTED);
    assert_null(store);
    put(first, a, false);
    assert_true(trusts(get(first, NULL), a));
}

static void the_one_that_was_not_asked_for_the_longest_makes_room(void **state)
{
    char path[TLS_STORES_MAX][64];
    (void)state;
    settle(second);
    X509_STORE *const one = get(first, NULL);
    for (unsigned i = 0; i < TLS_STORES_MAX; i++) {
        (void)snprintf(path[i], sizeof path[i], "%s/%u.pem", folder, i);
        put(path[i], b, false);
        assert_true(trusts(get(path[i], NULL), b));
        assert_ptr_equal(get(first, NULL), one);
    }
    assert_true(trusts(get(path[0], NULL), b)); /* it was the one that had to go */
    for (unsigned i = 0; i < TLS_STORES_MAX; i++)
        CHECK(unlink(path[i]) == 0);
}

static void a_store_has_the_parameters_that_it_is_to_be_like(void **state)
{
    (void)state;
    const unsigned long flags = X509_VERIFY_PARAM_get_flags(X509_STORE_get0_param(get(first, NULL)));
    assert_true(flags & X509_V_FLAG_PARTIAL_CHAIN);
    assert_false(flags & X509_V_FLAG_CRL_CHECK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_read_once_and_trusted_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_changed_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_has_changed_is_looked_at_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_refused_until_it_can, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_one_that_was_not_asked_for_the_longest_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_has_the_parameters_that_it_is_to_be_like, set_up, tear_down),
    };
    CHECK(mkdtemp(folder));
    (void)snprintf(first, sizeof first, "%s/first.pem", folder);
    (void)snprintf(second, sizeof second, "%s/second.pem", folder);
    a = authority("one");
    b = authority("two");
    like = X509_VERIFY_PARAM_new();
    CHECK(like && X509_VERIFY_PARAM_set_flags(like, X509_V_FLAG_PARTIAL_CHAIN) == 1);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    CHECK(unlink(first) == 0 && unlink(second) == 0 && rmdir(folder) == 0);
    X509_free(a);
    X509_free(b);
    X509_VERIFY_PARAM_free(like);
    return failed;
}
