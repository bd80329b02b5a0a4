/* slow_names.h - in the place of the C library's getaddrinfo(): names under .slow.test are looked up until the test
 * lets them go, then there is no such name, as of none.slow.test at once. All others, as ever. For one file of a
 * program. */
#ifndef TESTS_COMMON_SLOW_NAMES_H
#define TESTS_COMMON_SLOW_NAMES_H

#include "lib/base/check.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

typedef int slow_names_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static pthread_mutex_t slow_names_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t slow_names_change = PTHREAD_COND_INITIALIZER;
static unsigned slow_names_waiting; /* look-ups that hang */
static bool slow_names_are_let_go;

/* Also for shared libraries. */
__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *port,
                                                       const struct addrinfo *hints, struct addrinfo **ret);

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
    slow_names_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    CHECK(real != NULL);
    if (host && strcasestr(host, "none.slow.test"))
        return EAI_NONAME;
    if (!host || !strstr(host, ".slow.test") || (hints && hints->ai_flags & AI_NUMERICHOST))
        return real(host, port, hints, ret);
    (void)pthread_mutex_lock(&slow_names_lock);
    slow_names_waiting++;
    (void)pthread_cond_broadcast(&slow_names_change);
    while (!slow_names_are_let_go)
        (void)pthread_cond_wait(&slow_names_change, &slow_names_lock);
    slow_names_waiting--;
    (void)pthread_cond_broadcast(&slow_names_change);
    (void)pthread_mutex_unlock(&slow_names_lock);
    return EAI_NONAME;
}

/* There is one, or will be. Waits until none hangs any more; those that come later hang again. */
static inline void slow_names_let_go(void)
{
    (void)pthread_mutex_lock(&slow_names_lock);
    while (!slow_names_waiting)
        (void)pthread_cond_wait(&slow_names_change, &slow_names_lock);
    slow_names_are_let_go = true;
    (void)pthread_cond_broadcast(&slow_names_change);
    while (slow_names_waiting)
        (void)pthread_cond_wait(&slow_names_change, &slow_names_lock);
    slow_names_are_let_go = false;
    (void)pthread_mutex_unlock(&slow_names_lock);
}

#endif
