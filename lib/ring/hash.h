/* XXH3-64, compiled in: the producer library depends on libc alone. */
#ifndef FAPILOG_RING_HASH_H
#define FAPILOG_RING_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *data, size_t len);

#endif
