/* The places that records of functions name. What a call site of a macro keeps in itself, the id of its entry in the
 * registry, is found here by what the place is called. Lock-free and signal safe. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/hash.h"

#include <errno.h>

enum {
    PLACES = 1 << 13,
    PROBES = 64,
    ID_BITS = 21, /* of a registry of 16 MiB */
};

/* Each has an id in its low bits and bits of the place's hash above; 0 is free. Those that are not in use take no
 * memory. A forked child has its parent's, as it has the registry. */
static uint64_t places[PLACES];

static uint64_t hash_of(const struct fapilog_location *l)
{
    const uint64_t file = hash64(l->file.data, l->file.len), function = hash64(l->function.data, l->function.len);
    return (file + (function << 1 | function >> 63)) ^ l->line * UINT64_C(0x9e3779b97f4a7c15);
}

static uint32_t add(const struct fapilog_location *location)
{
    const int saved = errno;
    const uint32_t id = fapilogi_register_location(location);
    errno = saved;
    return id;
}

uint32_t fapilogi_location(const struct fapilog_location *location)
{
    if (!location || !location->file.data || !location->file.len ||
        (!location->function.data && location->function.len))
        return 0;
    const uint64_t hash = hash_of(location), tag = hash >> ID_BITS << ID_BITS;
    uint32_t id = 0;
    for (uint32_t i = 0; i < PROBES; i++) {
        uint64_t *const place = &places[(hash + i) % PLACES];
        uint64_t seen = load_acq(place); /* order: acquire, pairs with R1 - a record may name a complete entry only */
        if (seen == 0) {
            if (id == 0 && (id = add(location)) == 0)
                return 0;
            /* order: acq_rel, releases the entry to those who load the id - the first registration wins */
            if (cas_acq_rel(place, &seen, tag | id))
                return id;
        }
        if (seen >> ID_BITS == tag >> ID_BITS)
            return (uint32_t)(seen & ((1u << ID_BITS) - 1));
    }
    return id;
}
