/* A sink that was given part of a batch by a former collector gets a copy of the parcel without that part. */
#include "collector/delivery/acked/internal.h"

#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

bool acked_has(const struct acked *a, uint64_t identity)
{
    uint32_t seen = 0;
    for (uint32_t n = 1; n <= ACKED_NOTES_MAX && seen < a->loaded; n++) {
        if (a->note[n].is_loaded && a->note[n].identity == identity)
            return true;
        seen += a->note[n].is_loaded;
    }
    return false;
}

static bool has_had(const struct acked *a, uint64_t identity, const struct entry_head *h)
{
    struct acked_place p = { .first = h->position, .lane = h->lane };
    if (h->flags & ENTRY_INTERNAL)
        return false;
    memcpy(p.uuid, h->uuid, sizeof p.uuid);
    for (uint32_t n = a->by_lane[lane_bucket(&p)]; n; n = a->note[n].lane_next) {
        const struct note *x = &a->note[n];
        if (x->is_loaded && x->identity == identity && is_same_lane(&x->place, &p) && x->place.first <= p.first &&
            p.first <= x->place.last)
            return true;
    }
    return false;
}

static const struct entry_head *entry_of(const struct parcel *p, uint64_t at)
{
    const struct entry_head *h = entry_at(p->data + at, p->bytes - at);
    CHECK(h != NULL); /* we have just written it */
    return h;
}

static void entry_append(struct parcel *p, const struct entry_head *h)
{
    memcpy(p->data + p->bytes, h, h->bytes);
    p->bytes += h->bytes;
    p->payload_bytes += h->payload_len;
    if (!p->records++)
        p->oldest_ns = p->youngest_ns = h->time_ns;
    p->oldest_ns = h->time_ns < p->oldest_ns ? h->time_ns : p->oldest_ns;
    p->youngest_ns = h->time_ns > p->youngest_ns ? h->time_ns : p->youngest_ns;
}

/* The bytes of what is left. */
static uint64_t bytes_left(const struct acked *a, uint64_t identity, const struct parcel *p)
{
    uint64_t left = 0;
    for (uint64_t at = 0; at < p->bytes;) {
        const struct entry_head *h = entry_of(p, at);
        left += has_had(a, identity, h) ? 0 : h->bytes;
        at += h->bytes;
    }
    return left;
}

int acked_leave_out(const struct acked *a, uint64_t identity, struct parcel *p, struct parcel **ret)
{
    CHECK(!p->is_image);
    const uint64_t left = acked_has(a, identity) ? bytes_left(a, identity, p) : p->bytes;
    if (left == p->bytes) {
        *ret = parcel_ref(p);
        return 0;
    }
    struct parcel *rest = parcel_new(left + ENTRY_ALIGN);
    if (!rest)
        return -ENOMEM;
    for (uint64_t at = 0; at < p->bytes;) {
        const struct entry_head *h = entry_of(p, at);
        if (!has_had(a, identity, h))
            entry_append(rest, h);
        at += h->bytes;
    }
    rest->sealed_ns = p->sealed_ns;
    *ret = rest;
    return 0;
}
