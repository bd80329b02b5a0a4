#include "collector/ingest/drops.h"

#include "collector/ingest/losses.h"
#include "lib/base/clock.h"

#include <string.h>

#define TEXT(s) { (s), sizeof(s) - 1 }

static bool has_drops(const struct lane *l)
{
    return l->dropped != l->dropped_told || lane_lost(l) != l->lost_told;
}

bool drops_lane_has_any(const struct lane *l)
{
    return has_drops(l) || lane_skipped(l) != l->skipped_told;
}

bool drops_source_has_any(const struct source *s)
{
    return s->orphan != s->orphan_told || s->truncated != s->truncated_told ||
           s->unregistered != s->unregistered_told;
}

static void add_count(struct report_record *r, struct fapilog_text name, uint64_t count)
{
    if (count)
        r->field[r->record.fields_count++] =
            (struct fapilog_field){ .name = name, .type = FAPILOG_TYPE_U64, .v.u64 = count };
}

static void add_text(struct report_record *r, struct fapilog_text name, struct fapilog_text value)
{
    r->field[r->record.fields_count++] = (struct fapilog_field){
        .name = name, .type = FAPILOG_TYPE_STRING, .len = value.len, .v.data = value.data };
}

static void add_lane(struct report_record *r, const struct lane *l)
{
    if (segment_lane_owner(l->source->seg, l->index, &r->owner) == 0) {
        r->record.tid = r->owner.tid;
        r->record.id.generation = r->owner.generation;
        r->record.thread = (struct fapilog_text){ r->owner.thread, (uint32_t)strlen(r->owner.thread) };
        add_text(r, (struct fapilog_text)TEXT("thread"), r->record.thread);
    }
    r->field[r->record.fields_count++] = (struct fapilog_field){
        .name = TEXT("lane"), .type = FAPILOG_TYPE_U32, .v.u64 = l->index };
}

static void report_damage(struct report_record *r, const struct lane *l)
{
    add_count(r, (struct fapilog_text)TEXT("bytes"), lane_skipped(l) - l->skipped_told);
    add_count(r, (struct fapilog_text)TEXT("total_bytes"), lane_skipped(l));
    add_count(r, (struct fapilog_text)TEXT("records"), l->skipped_events - l->skipped_events_told);
    add_lane(r, l);
    r->record.message = (struct fapilog_text)TEXT("records damaged");
    r->record.id.lane -= FAPILOG_LANES_MAX;
    r->record.id.position = lane_skipped(l);
}

static void report_drops(struct report_record *r, const struct lane *l)
{
    const uint64_t dropped = l->dropped - l->dropped_told, lost = lane_lost(l) - l->lost_told;
    struct segment *seg = l->source->seg;
    /* order: relaxed - a time of its own */
    const uint64_t cycles = load_rlx(&segment_lane_shared(seg, l->index)->dropped_cycles);
    add_count(r, (struct fapilog_text)TEXT("count"), dropped + lost);
    add_count(r, (struct fapilog_text)TEXT("total"), l->dropped + lane_lost(l));
    add_text(r, (struct fapilog_text)TEXT("reason"),
             dropped ? (struct fapilog_text)TEXT(LOSS_LANE_FULL) : (struct fapilog_text)TEXT(LOSS_OVERWRITTEN));
    if (dropped && lost)
        add_count(r, (struct fapilog_text)TEXT("overwritten"), lost);
    add_lane(r, l);
    if (dropped && cycles) {
        r->record.cycles = cycles;
        r->record.time_ns = clock_map_ns(&seg->clock, cycles);
    }
    r->record.id.position = l->dropped + lane_lost(l);
}

static void report_source(struct report_record *r, const struct source *s)
{
    const uint64_t orphan = s->orphan - s->orphan_told, truncated = s->truncated - s->truncated_told;
    const uint64_t unregistered = s->unregistered - s->unregistered_told;
    const struct fapilog_text reason = orphan         ? (struct fapilog_text)TEXT(LOSS_NO_LANE)
                                       : unregistered ? (struct fapilog_text)TEXT(LOSS_REGISTRY_FULL)
                                                      : (struct fapilog_text)TEXT("record too large");
    add_count(r, (struct fapilog_text)TEXT("count"), orphan + unregistered);
    if (orphan + unregistered)
        add_count(r, (struct fapilog_text)TEXT("total"), s->orphan + s->unregistered);
    add_text(r, (struct fapilog_text)TEXT("reason"), reason);
    add_count(r, (struct fapilog_text)TEXT("no_lane"), orphan);
    add_count(r, (struct fapilog_text)TEXT("unregistered"), unregistered);
    add_count(r, (struct fapilog_text)TEXT("truncated"), truncated);
    r->record.id.position = s->orphan + s->unregistered + s->truncated;
}

void drops_build(struct source *s, struct lane *l, struct report_record *ret)
{
    memset(ret, 0, sizeof *ret);
    struct fapilog_record *r = &ret->record;
    r->internal = true;
    r->level = FAPILOG_LEVEL_WARNING;
    r->time_ns = (int64_t)clock_real_ns();
    r->message = (struct fapilog_text)TEXT("records dropped");
    if (!l && s->orphan == s->orphan_told && s->unregistered == s->unregistered_told)
        r->message = (struct fapilog_text)TEXT("records truncated");
    r->logger = &s->seg->registry.root;
    r->process = &s->seg->process;
    r->fields = ret->field;
    memcpy(r->id.uuid, s->seg->process.uuid, sizeof r->id.uuid);
    r->id.lane = UINT32_MAX - (l ? l->index + 1 : 0); /* no lane of that number exists */
    if (!l)
        report_source(ret, s);
    else if (has_drops(l))
        report_drops(ret, l);
    else
        report_damage(ret, l);
}

void drops_told(struct segments_stats *stats, struct source *s, struct lane *l)
{
    if (l && !has_drops(l)) {
        l->skipped_told = lane_skipped(l);
        l->skipped_events_told = l->skipped_events;
        return;
    }
    if (l) {
        stats->dropped += l->dropped - l->dropped_told;
        stats->lost += lane_lost(l) - l->lost_told;
        l->dropped_told = l->dropped;
        l->lost_told = lane_lost(l);
        return;
    }
    stats->orphaned += s->orphan - s->orphan_told;
    stats->truncated += s->truncated - s->truncated_told;
    stats->unregistered += s->unregistered - s->unregistered_told;
    s->orphan_told = s->orphan;
    s->truncated_told = s->truncated;
    s->unregistered_told = s->unregistered;
}
