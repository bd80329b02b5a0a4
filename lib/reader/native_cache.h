/* native_cache.h - the payloads of a native file's blocks that are being read, and a few that were. */
#ifndef LIB_READER_NATIVE_CACHE_H
#define LIB_READER_NATIVE_CACHE_H

#include "lib/reader/native_file.h"

enum { NATIVE_CACHE_IDLE_MAX = 4 };

struct native_payload {
    struct native_payload *next;
    uint64_t offset; /* of its block in the file */
    uint32_t len;
    uint32_t refs;
    bool is_lent;
    uint8_t *data;
};

struct native_cache {
    struct native_payload *first; /* used last first */
};

/* 0; -EBADMSG: the block is not there any more; -ENOMEM, or another negative errno. */
int native_cache_get(struct native_cache *c, struct native_file *f, uint64_t offset, struct native_payload **ret);
/* Puts somebody else's memory where native_cache_get() finds it, until native_cache_return(). -ENOMEM. */
int native_cache_lend(struct native_cache *c, uint64_t offset, const uint8_t *data, uint32_t len);
void native_cache_return(struct native_cache *c); /* nothing that was lent may be in use */
void native_cache_put(struct native_cache *c, struct native_payload *p);
void native_cache_done(struct native_cache *c); /* nothing may be in use; it may be used again */

#endif
