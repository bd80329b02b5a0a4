/* The remote sinks: each has an engine of its own (remote.h), which gets the parcels of every batch as soon
 * as it is closed. A batch is settled for a sink when the last of its tickets is. */
#include "collector/delivery/pipeline_internal.h"

#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdlib.h>

#define PRESSURE_NS NS_PER_MS /* how often the lanes are looked at */
#define PAUSE_NS (NS_PER_S / 2) /* how long sinks that work may take to deliver what they hold when all pauses */

struct batch_ticket {
    struct remote_ticket ticket; /* its owner is this */
    struct batch_ticket *next;
    struct batch *batch;
    struct target *target;
};

static void remove_ticket(struct batch *b, const struct batch_ticket *t)
{
    struct batch_ticket **at = &b->tickets;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

static bool has_ticket(const struct batch *b, const struct target *target)
{
    for (const struct batch_ticket *t = b->tickets; t; t = t->next) {
        if (t->target == target)
            return true;
    }
    return false;
}

static void on_settled(struct remote_ticket *ticket)
{
    struct batch_ticket *t = ticket->owner;
    struct batch *b = t->batch;
    struct target *target = t->target;
    remove_ticket(b, t);
    free(t);
    target->unsettled--;
    if (!has_ticket(b, target)) {
        b->waits &= ~target->bit;
        b->settled |= target->bit;
        target->pipeline->is_changed = true;
    }
    FAULT_POINT("remote-settled");
}

/* They know the pipeline only: targets move when sinks come and go. */
static void on_status(void *arg)
{
    struct pipeline *p = arg;
    p->status_version++;
}

/* Were it noted after the next requests are sent, a kill in between would have both come again. */
static void on_taken(void *arg)
{
    pipeline_note_settled(arg);
}

static void on_message(void *arg, const char *text)
{
    pipeline_say(arg, text);
}

int remotes_open(struct target *t, struct err *e)
{
    const struct remote_config cfg = {
        .io = t->pipeline->io, .state_dir = t->pipeline->settings.state_dir,
        .acked = t->pipeline->acked, .identity = t->identity,
        .on_message = on_message, .message_arg = t->pipeline, .on_status = on_status, .on_taken = on_taken,
    };
    return remote_open(t->sink, &cfg, &t->remote, e);
}

/* The batch is settled with the last of them: what the others stand for is to be noted. True: there are any. */
static bool share_tickets(struct batch *b, const struct target *target)
{
    bool is_shared = false;
    for (struct batch_ticket *t = b->tickets; t; t = t->next) {
        if (t->target == target)
            is_shared = t->ticket.is_shared = true;
    }
    return is_shared;
}

static int put(struct target *t, struct batch *b, struct parcel *parcel)
{
    struct batch_ticket *ticket = malloc(sizeof *ticket);
    if (!ticket)
        return -ENOMEM;
    const bool is_shared = share_tickets(b, t);
    *ticket = (struct batch_ticket){ { on_settled, ticket, is_shared }, b->tickets, b, t };
    b->tickets = ticket;
    b->waits |= t->bit;
    t->unsettled++;
    remote_put(t->remote, parcel, &ticket->ticket);
    return 0;
}

/* Without what a former collector has noted of the batch. */
static int put_rest(struct target *t, struct batch *b, struct parcel *parcel)
{
    const struct acked *a = t->pipeline->acked;
    struct parcel *rest;
    if (!a || !acked_has(a, t->identity))
        return put(t, b, parcel);
    int r = acked_leave_out(a, t->identity, parcel, &rest);
    if (r < 0)
        return r;
    if (rest->records)
        r = put(t, b, rest);
    parcel_unref(rest);
    return r;
}

static bool wants_images(const struct target *t)
{
    const struct acked *a = t->pipeline->acked;
    return remote_wants_images(t->remote) && !(a && acked_has(a, t->identity));
}

/* Stages and routes look at each record; they may change it, or see that a sink does not get it. */
uint32_t remotes_images(const struct pipeline *p)
{
    uint32_t images = (uint32_t)((UINT64_C(1) << p->outputs.serialized_count) - (UINT64_C(1) << p->outputs.text_count));
    if (p->settings.stages || p->settings.routes || p->is_paused)
        return 0;
    for (uint32_t i = 0; i < p->targets_count; i++)
        if (p->target[i].remote && !wants_images(&p->target[i]))
            images &= ~(UINT32_C(1) << p->target[i].output);
    return images;
}

/* The sinks of the output that a batch goes to. */
static bool is_for(const struct target *t, const struct batch *b, uint32_t output)
{
    return t->remote && t->output == output && !(b->settled & t->bit);
}

/* Where nobody has room for them they need not even be copied. */
static bool images_refused(struct pipeline *p, const struct batch *b, uint32_t output, uint64_t records, uint64_t bytes)
{
    for (uint32_t i = 0; i < p->targets_count; i++)
        if (is_for(&p->target[i], b, output) && !remote_refuses(p->target[i].remote, records, bytes))
            return false;
    for (uint32_t i = 0; i < p->targets_count; i++)
        if (is_for(&p->target[i], b, output))
            remote_refuse(p->target[i].remote, records, bytes);
    return true;
}

/* How many bytes it is only the spans tell, unless all records of the batch go there. */
void remotes_refuse(struct pipeline *p, struct batch *b)
{
    for (uint32_t i = p->outputs.text_count; i < p->outputs.serialized_count; i++) {
        const uint64_t records = b->chunk[i].image_records;
        if (b->images >> i & 1 && records &&
            images_refused(p, b, i, records, records == b->records ? b->ring_bytes : 0))
            b->images &= ~(UINT32_C(1) << i);
    }
}

/* How much the ring needs the space that open batches hold back: what they hold is to be sent now, so that a sink that
 * keeps up has answered before it comes to the spool; or taken over. */
enum pressure { PRESSURE_NONE, PRESSURE_SEND, PRESSURE_TAKE };

static enum pressure pressure_of(const struct checkpoint *c)
{
    enum pressure most = PRESSURE_NONE;
    for (uint32_t i = 0; i < c->count && most < PRESSURE_TAKE; i++) {
        const struct lane *l = c->item[i].lane;
        if (!l || l->source->state == SOURCE_QUARANTINED)
            continue;
        const uint64_t cap = UINT64_C(1) << l->source->seg->lanes[l->index].cap_log2;
        const uint64_t held = lane_tail_now(l) - l->done;
        if (held > cap / 4)
            most = held > cap / 2 ? PRESSURE_TAKE : PRESSURE_SEND;
    }
    return most;
}

/* The first thing of a sink that its spool has not taken at once: images before it are safe, and the batch is open. */
static void note_taken(const struct target *t, const struct batch *b, uint32_t spans)
{
    const struct sink_span *first = b->span + b->span_first[t->output];
    if (t->pipeline->acked && spans && !(b->waits & t->bit))
        acked_spans(t->pipeline->acked, t->identity, first, spans);
}

/* To all sinks of the output that have not taken it as it is. `before`: spans in the images before this one. */
static int image_put(struct pipeline *p, struct batch *b, uint32_t output, uint32_t before, bool is_short,
                     uint64_t now_ns)
{
    const int64_t oldest_ns = b->chunk[output].image_ns;
    struct parcel *parcel = NULL;
    int r = 0;
    for (uint32_t i = 0; i < p->targets_count && r == 0; i++) {
        if (!is_for(&p->target[i], b, output) ||
            remote_take_image(p->target[i].remote, &b->draft, oldest_ns, is_short))
            continue;
        if (!parcel && !(parcel = image_parcel(&b->draft)))
            return -ENOMEM;
        note_taken(&p->target[i], b, before);
        parcel_seal(parcel, now_ns);
        parcel->oldest_ns = parcel->youngest_ns = oldest_ns;
        r = put(&p->target[i], b, parcel);
    }
    parcel_unref(parcel);
    return r;
}

static int images_put(struct pipeline *p, struct batch *b, uint32_t output, uint64_t now_ns)
{
    struct sink_span *const first = b->span + b->span_first[output], *span = first;
    uint32_t left = b->span_first[output + 1] - b->span_first[output];
    if (!b->span_records[output] || images_refused(p, b, output, b->span_records[output], b->span_bytes[output]))
        return 0;
    const bool is_short = pressure_of(&b->checkpoint) != PRESSURE_NONE;
    for (; left; span += b->draft.taken, left -= b->draft.taken) {
        int r = image_draft(&b->draft, &b->used, span, left);
        if (r == 0)
            r = image_put(p, b, output, (uint32_t)(span - first), is_short, now_ns);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What was serialized; in a batch of images that is reports of drops and notes, which come behind them. */
static int parcel_put(struct target *t, struct batch *b, struct parcel *parcel)
{
    if (b->images >> t->output & 1)
        note_taken(t, b, b->span_first[t->output + 1] - b->span_first[t->output]);
    return put_rest(t, b, parcel);
}

int remotes_put(struct pipeline *p, struct batch *b, uint64_t now_ns)
{
    for (uint32_t i = p->outputs.text_count; i < p->outputs.serialized_count; i++)
        if (b->images >> i & 1 && images_put(p, b, i, now_ns) < 0)
            return -ENOMEM;
    for (uint32_t i = p->outputs.text_count; i < p->outputs.serialized_count; i++) {
        if (b->chunk[i].parcel)
            parcel_seal_within(b->chunk[i].parcel, now_ns, &p->parcel_slack);
    }
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        if (!t->remote || b->settled & t->bit)
            continue;
        struct parcel *parcel = b->chunk[t->output].parcel;
        if (parcel && parcel->records && parcel_put(t, b, parcel) < 0)
            return -ENOMEM;
        if (!(b->waits & t->bit))
            b->settled |= t->bit;
    }
    return 0;
}

void remotes_note_settled(const struct pipeline *p, const struct batch *b, uint32_t targets)
{
    for (uint32_t i = 0; i < p->targets_count && p->acked; i++) {
        const struct target *t = &p->target[i];
        if (!t->remote || !(targets & b->settled & t->bit))
            continue;
        for (uint32_t k = 0; k < b->checkpoint.count; k++) {
            const struct position *to = &b->checkpoint.position[k];
            const uint64_t from = b->checkpoint.item[k].from;
            if (to->lane != POSITION_SEGMENT && to->done > from)
                acked_stretch(p->acked, t->identity, &(struct acked_place){
                    { to->uuid_hi, to->uuid_lo }, from, to->done - 1, to->lane });
        }
    }
}

void remotes_move_tickets(struct batch *to, struct batch *from)
{
    struct batch_ticket **end = &to->tickets;
    while (*end)
        end = &(*end)->next;
    *end = from->tickets;
    for (struct batch_ticket *t = from->tickets; t; t = t->next)
        t->batch = to;
    for (struct batch_ticket *t = to->tickets; t; t = t->next)
        t->ticket.is_shared = true;
    from->tickets = NULL;
    to->waits |= from->waits;
    from->waits = 0;
    to->settled &= ~to->waits;
}

void remotes_drop_tickets(struct batch *b)
{
    while (b->tickets) {
        struct batch_ticket *next = b->tickets->next;
        free(b->tickets);
        b->tickets = next;
    }
    b->waits = 0;
}

static enum pressure ring_pressure(struct pipeline *p, uint64_t now_ns)
{
    enum pressure most = PRESSURE_NONE;
    if (p->is_full)
        return PRESSURE_TAKE;
    if (now_ns < p->pressure_at_ns)
        return PRESSURE_NONE;
    p->pressure_at_ns = now_ns + PRESSURE_NS;
    for (uint32_t i = 0; i < p->open_count && most < PRESSURE_TAKE; i++) {
        const enum pressure one = p->open[i]->waits ? pressure_of(&p->open[i]->checkpoint) : PRESSURE_NONE;
        most = one > most ? one : most;
    }
    return most;
}

static bool holds_any(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->open_count; i++) {
        if (p->open[i]->waits)
            return true;
    }
    return false;
}

/* All batches are to be settled, so that sinks can change: those that cannot deliver put aside what they hold. */
static void pause_run(struct pipeline *p, uint64_t now_ns)
{
    if (!p->paused_ns)
        p->paused_ns = now_ns;
    p->is_set_aside = now_ns >= p->paused_ns + PAUSE_NS;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        if (!t->remote || !t->unsettled)
            continue;
        remote_hurry(t->remote);
        if (p->is_set_aside || remote_is_failing(t->remote))
            remote_set_aside(t->remote);
    }
}

void remotes_run(struct pipeline *p, uint64_t now_ns)
{
    if (p->is_paused)
        pause_run(p, now_ns);
    const enum pressure pressure = holds_any(p) ? ring_pressure(p, now_ns) : PRESSURE_NONE;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        if (!t->remote)
            continue;
        if (pressure >= PRESSURE_SEND && t->unsettled)
            remote_hurry(t->remote);
        if (pressure == PRESSURE_TAKE && t->unsettled && t->relieved_id != p->batch_id) {
            t->relieved_id = p->batch_id;
            remote_relieve(t->remote);
        }
        remote_run(t->remote, now_ns);
        t->is_failing = remote_is_failing(t->remote);
    }
}

/* The turn that comes closes it, and a wake-up of its own is saved. */
static uint64_t parcel_deadline(const struct pipeline *p)
{
    const uint64_t due = p->filling->opened_ns + PIPELINE_PARCEL_NS, turn = p->next_turn_ns;
    return turn > due && turn < due + PIPELINE_PARCEL_NS ? turn : due;
}

uint64_t remotes_deadline(const struct pipeline *p)
{
    uint64_t at = UINT64_MAX;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const uint64_t own = p->target[i].remote ? remote_deadline(p->target[i].remote) : UINT64_MAX;
        at = own < at ? own : at;
    }
    if (p->is_paused && p->remotes_count && !p->is_set_aside && p->paused_ns + PAUSE_NS < at)
        at = p->paused_ns + PAUSE_NS;
    if (p->filling && p->remotes_count) {
        const uint64_t own = parcel_deadline(p);
        at = own < at ? own : at;
    }
    return at;
}

void pipeline_stop(struct pipeline *p, uint64_t deadline_ns)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].remote)
            remote_stop(p->target[i].remote, deadline_ns);
    }
}

bool pipeline_hang_up(struct pipeline *p, uint64_t now_ns)
{
    bool is_asking = false;
    for (uint32_t i = 0; i < p->targets_count; i++)
        is_asking |= p->target[i].remote && remote_hang_up(p->target[i].remote, now_ns);
    return is_asking;
}

void pipeline_drain(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].remote)
            remote_drain(p->target[i].remote);
    }
}

bool pipeline_is_drained(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].remote && !remote_is_idle(p->target[i].remote, true))
            return false;
    }
    return true;
}

uint64_t target_errors(const struct target *t)
{
    struct remote_stats stats;
    if (!t->remote)
        return t->errors;
    remote_stats(t->remote, &stats);
    return stats.failed;
}
