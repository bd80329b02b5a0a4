/* Scope-bound cleanup. One owner per resource; leaving the scope frees it; take_fd() and
 * take_ptr() hand it over. errno survives every destructor. */
#ifndef FAPILOG_BASE_CLEANUP_H
#define FAPILOG_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define take_fd(fd) __extension__({ int *src_ = &(fd), val_ = *src_; *src_ = -1; val_; })
#define take_ptr(p) __extension__({ __typeof__(p) *src_ = &(p), val_ = *src_; *src_ = NULL; val_; })

static inline void cleanup_fd(const int *fd)
{
    if (*fd >= 0) {
        const int saved = errno;
        (void)close(*fd);
        errno = saved;
    }
}

static inline void cleanup_free(void *pp)
{
    void *p;
    __builtin_memcpy(&p, pp, sizeof p);
    free(p);
}

static inline void cleanup_dir(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

static inline void cleanup_stream(FILE **f)
{
    if (*f)
        (void)fclose(*f);
}

#define auto_fd __attribute__((cleanup(cleanup_fd))) int
#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_dir __attribute__((cleanup(cleanup_dir))) DIR *
#define auto_stream __attribute__((cleanup(cleanup_stream))) FILE *

#endif
