#include "collector/delivery/remote/internal.h"
#include "collector/delivery/secrets.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void remote_say(struct remote *r, const char *fmt, ...)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "sink %s: ", r->sink->common.name);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text + n, sizeof text - (size_t)n, fmt, args);
    va_end(args);
    secrets_hide(r->sink, text);
    if (r->cfg.on_message)
        r->cfg.on_message(r->cfg.message_arg, text);
}

struct lot *lot_new_parcel(struct remote *r, struct parcel *p, struct remote_ticket *t)
{
    struct lot *l = malloc(sizeof *l);
    CHECK(l != NULL); /* a hundred bytes: where they are missing, so is all the rest */
    *l = (struct lot){
        .parcel = parcel_ref(p), .ticket = t, .data = p->data, .bytes = p->bytes, .queued = p->records,
        .is_image = p->is_image,
        .left = p->records, .unsettled = p->records, .payload_bytes = p->payload_bytes,
        .since_ns = p->sealed_ns, .number = ++r->lots, .first = r->streamed,
    };
    r->streamed += p->records;
    return l;
}

static uint64_t written_ns(const struct spool_block *b)
{
    const uint64_t now = clock_mono_ns(), age = (uint64_t)seglog_age_ns(b->seg, b->time_ns);
    return age < now ? now - age : 0;
}

/* Moves the entries that are not settled together and notes their places in the block. */
static void block_compact(struct remote *r, struct lot *l, uint32_t len)
{
    struct spool_item item;
    size_t at = 0;
    for (uint32_t i = 0; spool_item_next(l->raw, len, SPOOL_ENTRIES, &at, &item) && l->left < l->block->left; i++) {
        if (spool_is_settled(r->spool, l->block, i))
            continue;
        const uint32_t bytes = item.entry->bytes;
        l->payload_bytes += item.entry->payload_len;
        struct entry_head *const entry = memmove(l->raw + l->bytes, item.entry, bytes);
        entry->flags &= (uint8_t)~ENTRY_FOLLOWS;
        l->bytes += bytes;
        l->index[l->left++] = (uint16_t)i;
    }
    CHECK(l->left == l->block->left); /* the spool has counted them */
}

struct lot *lot_new_block(struct remote *r, struct spool_block *b, char *raw, uint32_t len)
{
    struct lot *l = malloc(sizeof *l);
    CHECK(l != NULL); /* as above */
    *l = (struct lot){ .raw = raw, .data = raw, .block = b, .since_ns = written_ns(b), .number = ++r->lots };
    l->index = malloc(b->left * sizeof *l->index);
    CHECK(l->index != NULL);
    block_compact(r, l, len);
    l->queued = l->left;
    return l;
}

void lot_release_many(struct lot *l, uint32_t n)
{
    CHECK(l->left >= n);
    l->left -= n;
    if (l->left > 0)
        return;
    CHECK(l->unsettled == 0);
    parcel_unref(l->parcel);
    free(l->raw);
    free(l->index);
    free(l);
}

void lot_release(struct lot *l)
{
    lot_release_many(l, 1);
}

void ticket_settled(struct remote *r, struct remote_ticket *t)
{
    if (r->settled_count == r->settled_cap) {
        const uint32_t cap = r->settled_cap ? 2 * r->settled_cap : 16;
        struct remote_ticket **bigger = realloc(r->settled, cap * sizeof *bigger);
        CHECK(bigger != NULL); /* one pointer per open batch */
        r->settled = bigger;
        r->settled_cap = cap;
    }
    r->settled[r->settled_count++] = t;
}

/* What ends the batch is in the state file with the end of this turn. */
static void lot_note(const struct remote *r, const struct lot *l, const struct entry_head *entry, uint32_t index,
                     uint32_t n)
{
    if (!l->ticket || !r->stream.to)
        return;
    if (l->unsettled == 0 && !l->ticket->is_shared)
        acked_pass(&r->stream, l->first + index, n);
    else if (entry)
        acked_entries(&r->stream, l->first + index, entry, n);
    else if (l->is_image && n == l->parcel->records)
        acked_image(&r->stream, l->first, l->parcel);
}

void lot_settle(struct remote *r, struct lot *l, const struct entry_head *entry, uint32_t index, uint32_t n)
{
    CHECK(l->unsettled >= n);
    l->unsettled -= n;
    lot_note(r, l, entry, index, n);
    if (l->unsettled > 0 || !l->ticket)
        return;
    ticket_settled(r, l->ticket);
    l->ticket = NULL;
}

void item_done(struct remote *r, struct item *i)
{
    (void)items_done(r, i, 1);
}

uint32_t items_done(struct remote *r, struct item *first, uint32_t n)
{
    struct lot *const l = first->lot;
    uint32_t done = 0;
    uint64_t bytes = 0;
    if (first->block) {
        spool_settle(r->spool, first->block, first->index);
        lot_release(l);
        return 1;
    }
    for (; done < n && first[done].lot == l && !first[done].block && first[done].index == first->index + done; done++)
        bytes += first[done].bytes;
    CHECK(r->stats.queued_records >= done);
    r->stats.queued_records -= done;
    r->stats.queued_bytes -= bytes;
    if (l->unsettled)
        lot_settle(r, l, first->entry, first->index, done);
    lot_release_many(l, done);
    return done;
}
