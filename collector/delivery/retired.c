#include "collector/delivery/retired.h"

#include <stdio.h>
#include <string.h>

void retired_sum(struct remote_stats *to, const struct remote_stats *s)
{
    to->taken += s->taken;
    to->taken_bytes += s->taken_bytes;
    to->delivered += s->delivered;
    to->delivered_bytes += s->delivered_bytes;
    to->requests += s->requests;
    to->failed += s->failed;
    to->retried += s->retried;
    to->bisected += s->bisected;
    to->dropped_full += s->dropped_full;
    to->dropped_spool_size += s->dropped_spool_size;
    to->dropped_spool_age += s->dropped_spool_age;
    to->dropped_corrupt += s->dropped_corrupt;
    to->dropped_refused += s->dropped_refused;
    to->dead += s->dead;
    to->dead_evicted += s->dead_evicted;
    to->breaker_opened += s->breaker_opened;
}

static struct retired_sink *find(struct retired *l, const char *name, bool is_remote)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->sink[i].is_remote == is_remote && strcmp(l->sink[i].name, name) == 0)
            return &l->sink[i];
    }
    return NULL;
}

static struct retired_sink *place(struct retired *l, const char *name, bool is_remote)
{
    struct retired_sink *at = find(l, name, is_remote);
    if (at)
        return at;
    const bool is_last = l->count >= RETIRED_MAX - 1;
    at = &l->sink[is_last ? RETIRED_MAX - 1 : l->count];
    if (l->count < RETIRED_MAX) {
        *at = (struct retired_sink){ .is_remote = is_remote || is_last };
        (void)snprintf(at->name, sizeof at->name, "%s", is_last ? "(others)" : name);
        l->count++;
    }
    return at;
}

void retired_add(struct retired *l, const char *name, bool is_remote, const struct remote_stats *s)
{
    struct remote_stats done = *s;
    done.taken -= s->queued_records + s->spooled_records;
    if (done.taken || done.requests)
        retired_sum(&place(l, name, is_remote)->stats, &done);
}

void retired_take(struct retired *l, const char *name, bool is_remote, struct remote_stats *ret)
{
    struct retired_sink *at = find(l, name, is_remote);
    *ret = (struct remote_stats){ 0 };
    if (!at)
        return;
    *ret = at->stats;
    memmove(at, at + 1, (size_t)(l->sink + l->count - (at + 1)) * sizeof *at);
    l->count--;
}
