/* From the records of a lane to events: contexts, chains of fragments, decoding. */
#include "lib/reader/lane_internal.h"

#include "lib/base/check.h"
#include "lib/reader/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE_HEAD_BYTES = 24, /* word0, cycles, length in front of a chain's payload */
    LARGE_BYTES_MAX = FAPILOG_RECORD_BYTES_MAX + 4096, /* payload, extensions, inline context */
};

void lane_jump(struct lane_cursor *c, uint64_t pos)
{
    CHECK(pos > c->pos);
    c->pos = pos;
    c->large_bytes = 0; /* a chain with a hole is no record */
    if (!c->block || pos >= c->block_pos + c->block_bytes)
        c->block = NULL;
}

void lane_skip(struct lane_cursor *c, uint64_t bytes)
{
    c->skipped_bytes += bytes;
    c->is_behind_hole |= c->seq_known && !c->is_resumed && !c->gap_bytes;
    c->hole_bytes += bytes;
}

static void skip_record(struct lane_cursor *c, uint32_t bytes)
{
    c->damaged++;
    lane_skip(c, bytes);
    lane_jump(c, c->pos + bytes);
}

static uint64_t events_in(uint64_t bytes, uint64_t most)
{
    return bytes / LANE_HEADER_BYTES < most ? bytes / LANE_HEADER_BYTES : most;
}

static void seq_accept(struct lane_cursor *c, uint64_t seq)
{
    if ((c->seq_known || c->is_behind_hole) && seq > c->seq) { /* another gap was counted as damage */
        const uint64_t gone = seq - c->seq, lost = c->seq_known ? events_in(c->gap_bytes, gone) : 0;
        const uint64_t skipped = c->is_behind_hole ? events_in(c->hole_bytes, gone - lost) : 0;
        /* What somebody has made zeros of, as who cuts a file within a page, looks like the end of its block. */
        const uint64_t zeroed = c->seq_known ? events_in(c->padding_bytes, gone - lost - skipped) : 0;
        c->lost += lost;
        c->damaged += zeroed;
        c->skipped_events += skipped + zeroed;
        c->skipped_bytes += zeroed ? c->padding_bytes : 0;
    }
    c->is_behind_hole = false;
    c->gap_bytes = c->padding_bytes = c->hole_bytes = 0;
    c->seq = seq;
    c->seq_known = true;
}

int lane_block_accept(struct lane_cursor *c, const uint8_t *block, uint64_t pos)
{
    const uint64_t w = lane_word(block);
    if (FAPILOG_WORD0_KIND(w) != FAPILOG_KIND_BLOCK || FAPILOG_WORD0_SIZE(w) != LANE_BLOCK_BYTES ||
        lane_word(block + offsetof(struct fapilog_block, pos)) != pos)
        return -EBADMSG;
    const uint32_t generation = FAPILOG_WORD0_SCHEMA(w);
    if (!generation || generation > FAPILOG_LANE_GENERATION(UINT32_MAX))
        return -EBADMSG;
    seq_accept(c, lane_word(block + offsetof(struct fapilog_block, seq)));
    c->dropped = lane_word(block + offsetof(struct fapilog_block, dropped));
    clock_map_add(&c->seg->clock, lane_word(block + offsetof(struct fapilog_block, cycles)),
                  (int64_t)lane_word(block + offsetof(struct fapilog_block, real_ns)));
    return (int)generation;
}

static int reserve(uint8_t **bytes, uint32_t *max, uint32_t need)
{
    if (need <= *max)
        return 0;
    uint32_t size = *max ? *max : 1024;
    while (size < need)
        size *= 2;
    uint8_t *more = realloc(*bytes, size);
    if (!more)
        return -ENOMEM;
    *bytes = more;
    *max = size;
    return 0;
}

int lane_context_take(struct lane_cursor *c, const uint8_t *rec, uint32_t bytes, uint32_t epoch)
{
    struct lane_context *x = &c->context;
    struct fapilog_text message;
    if (reserve(&x->bytes, &x->bytes_max, bytes) < 0)
        return -ENOMEM;
    memcpy(x->bytes, rec, bytes);
    x->info = (struct fapilog_context_info){.epoch = epoch, .fields = x->fields};
    const int r =
        decode_dynamic(x->bytes, LANE_HEADER_BYTES, bytes, &message, x->fields, &x->info.fields_count);
    if (r < 0) {
        x->info.lost = true;
        x->info.fields_count = 0;
    }
    return r;
}

static const struct fapilog_context_info *context_find(struct lane_cursor *c, uint32_t epoch)
{
    if (!epoch)
        return NULL;
    if (likely(c->context.info.epoch == epoch))
        return &c->context.info;
    c->inline_context = (struct fapilog_context_info){.epoch = epoch, .lost = true};
    return &c->inline_context;
}

/* The logical record `rec` with its payload in [LANE_HEADER_BYTES, end). */
static int event_decode(struct lane_cursor *c, const uint8_t *rec, uint64_t w, uint32_t end,
                        struct fapilog_record *ret)
{
    const unsigned flags = FAPILOG_WORD0_FLAGS(w);
    struct segment *seg = c->seg;
    struct decode_prefix p = {.end = LANE_HEADER_BYTES};
    if (flags & (FAPILOG_FLAG_EXT | FAPILOG_FLAG_TID | FAPILOG_FLAG_CONTEXT) &&
        decode_prefix(rec, LANE_HEADER_BYTES, end, flags, &p) < 0)
        return -EBADMSG;
    ret->level = (uint8_t)FAPILOG_WORD0_LEVEL(w);
    if (unlikely(!ret->level))
        return -EBADMSG;
    if (likely(FAPILOG_WORD0_KIND(w) == FAPILOG_KIND_EVENT)) {
        const struct fapilog_site *site = c->fields_site;
        const bool is_loaded = site && site->id == FAPILOG_WORD0_SCHEMA(w);
        if (!is_loaded)
            c->fields_site = site = registry_site(&seg->registry, FAPILOG_WORD0_SCHEMA(w));
        if (unlikely(!site) || decode_site(site, is_loaded, rec, p.end, end, c->fields) < 0) {
            c->fields_site = NULL;
            return -EBADMSG;
        }
        ret->site = site;
        ret->source = NULL;
        ret->message = site->message;
        ret->fields_count = site->fields_count;
    } else {
        const uint32_t source = FAPILOG_WORD0_SCHEMA(w);
        ret->site = c->fields_site = NULL;
        ret->source = source ? registry_site(&seg->registry, source) : NULL;
        if (decode_dynamic(rec, p.end, end, &ret->message, c->fields, &ret->fields_count) < 0)
            return -EBADMSG;
    }
    if (flags & FAPILOG_FLAG_CONTEXT) {
        if (decode_list(rec + p.context_off, p.context_bytes, p.context_count, c->inline_fields) < 0)
            return -EBADMSG;
        c->inline_context = (struct fapilog_context_info){
            .epoch = p.epoch, .fields = c->inline_fields, .fields_count = p.context_count};
        ret->context = &c->inline_context;
    } else {
        ret->context = context_find(c, p.epoch);
    }
    ret->logger = registry_logger(&seg->registry, p.logger);
    if (unlikely(!ret->logger))
        ret->logger = &seg->registry.root; /* better a record without its logger's name than none */
    ret->cycles = lane_word(rec + offsetof(struct fapilog_record_header, cycles));
    ret->time_ns = clock_map_ns(&seg->clock, ret->cycles);
    ret->flags = (uint8_t)flags;
    ret->internal = false;
    ret->tid = flags & FAPILOG_FLAG_TID ? p.tid : c->owner.tid;
    ret->fields = c->fields;
    return 0;
}

/* Dynamic records and those with a context of their own bring the names of their fields along. */
static bool has_names(uint64_t w)
{
    return FAPILOG_WORD0_KIND(w) == FAPILOG_KIND_DYNAMIC || FAPILOG_WORD0_FLAGS(w) & FAPILOG_FLAG_CONTEXT;
}

static uint32_t names_bytes(const struct fapilog_field *fields, uint32_t count)
{
    uint32_t sum = 0; /* all of them lie in one record */
    for (uint32_t i = 0; i < count; i++)
        sum += fields[i].name.len;
    return sum;
}

static uint8_t *names_copy(struct fapilog_field *fields, uint32_t count, uint8_t *to)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t len = fields[i].name.len;
        if (len)
            memcpy(to, fields[i].name.data, len);
        fields[i].name.data = (const char *)to;
        to += len;
    }
    return to;
}

/* Formats find out how long a record may become, where each field goes and what is masked by looking at names: one
 * that its producer changes in between would be another each time. */
static int names_keep(struct lane_cursor *c, uint64_t w, const struct fapilog_record *r)
{
    const uint32_t own = FAPILOG_WORD0_KIND(w) == FAPILOG_KIND_DYNAMIC ? r->fields_count : 0;
    const uint32_t bound = FAPILOG_WORD0_FLAGS(w) & FAPILOG_FLAG_CONTEXT ? c->inline_context.fields_count : 0;
    const uint32_t bytes = names_bytes(c->fields, own) + names_bytes(c->inline_fields, bound);
    if (reserve(&c->names, &c->names_max, bytes + 1) < 0)
        return -ENOMEM;
    (void)names_copy(c->inline_fields, bound, names_copy(c->fields, own, c->names));
    return 0;
}

static void record_identify(struct lane_cursor *c, struct fapilog_record *ret)
{
    ret->thread = (struct fapilog_text){c->owner.thread, c->thread_len};
    ret->process = &c->seg->process;
    memcpy(ret->id.uuid, c->seg->process.uuid, sizeof ret->id.uuid);
    ret->id.lane = c->lane;
    ret->id.generation = c->generation;
    ret->id.position = c->pos;
    c->events++;
    ret->module_of = registry_module_of;
    c->moment = (struct registry_moment){&c->seg->registry, ret->cycles};
    ret->module_arg = &c->moment;
}

/* ---- chains of fragments ---- */

void lane_chain_abandon(struct lane_cursor *c)
{
    c->damaged++;
    lane_skip(c, c->large_bytes);
    c->large_bytes = 0;
}

/* A fragment at pos of a chain whose beginning was overwritten, or lies before the place where we began: no
 * damage. The first one may follow a block's header. */
static bool is_torn(const struct lane_cursor *c)
{
    return !c->large_bytes && (c->pos == c->torn_at || c->pos - LANE_BLOCK_BYTES == c->torn_at);
}

static void torn_pass(struct lane_cursor *c, uint32_t size, uint32_t schema)
{
    const bool is_last = schema & LANE_FRAGMENT_LAST;
    c->lost += is_last && c->torn_is_lost;
    c->lost_bytes += size;
    c->torn_at = is_last ? UINT64_MAX : c->pos + size;
}

/* Appends the fragment at pos. 1: the chain is complete; 0: more is to come; -EBADMSG: no such chain. */
static int chain_take(struct lane_cursor *c, const uint8_t *rec, uint32_t size, uint32_t schema)
{
    const uint32_t payload = size - LANE_HEADER_BYTES;
    if (schema & LANE_FRAGMENT_FIRST) {
        if (c->large_bytes)
            lane_chain_abandon(c);
        c->large_pos = c->pos;
    } else if (is_torn(c)) {
        torn_pass(c, size, schema);
        return 0;
    } else if (!c->large_bytes) {
        return -EBADMSG;
    }
    if (!payload || payload > LARGE_BYTES_MAX - c->large_bytes)
        return -EBADMSG;
    if (reserve(&c->large, &c->large_max, c->large_bytes + payload) < 0)
        return -ENOMEM;
    memcpy(c->large + c->large_bytes, rec + LANE_HEADER_BYTES, payload);
    c->large_bytes += payload;
    return schema & LANE_FRAGMENT_LAST ? 1 : 0;
}

/* Decodes the joined payloads: word0, cycles, length, payload. The header moves up over the length, so
 * that the payload follows it as in a record that was never cut. */
static int chain_decode(struct lane_cursor *c, struct fapilog_record *ret)
{
    const uint32_t bytes = c->large_bytes;
    c->large_bytes = 0;
    if (bytes < LARGE_HEAD_BYTES)
        return -EBADMSG;
    uint64_t head[3];
    memcpy(head, c->large, sizeof head);
    const uint32_t kind = FAPILOG_WORD0_KIND(head[0]);
    if (head[2] > bytes - LARGE_HEAD_BYTES || (kind != FAPILOG_KIND_EVENT && kind != FAPILOG_KIND_DYNAMIC))
        return -EBADMSG;
    uint8_t *rec = c->large + LARGE_HEAD_BYTES - LANE_HEADER_BYTES;
    memcpy(rec, head, LANE_HEADER_BYTES);
    return event_decode(c, rec, head[0], LANE_HEADER_BYTES + (uint32_t)head[2], ret);
}

int lane_record_take(struct lane_cursor *c, const uint8_t *rec, uint64_t w, uint32_t size,
                     struct fapilog_record *ret)
{
    int r;
    if (c->large_bytes && FAPILOG_WORD0_KIND(w) != FAPILOG_KIND_FRAGMENT)
        lane_chain_abandon(c);
    switch (FAPILOG_WORD0_KIND(w)) {
    case FAPILOG_KIND_EVENT:
    case FAPILOG_KIND_DYNAMIC:
        r = event_decode(c, rec, w, size, ret);
        if (unlikely(has_names(w)) && r == 0 && names_keep(c, w, ret) < 0)
            return -ENOMEM;
        if (likely(r == 0)) {
            record_identify(c, ret);
            c->pos += size;
            c->seq++;
            return 1;
        }
        c->seq++;
        c->skipped_events++;
        break;
    case FAPILOG_KIND_CONTEXT:
        r = lane_context_take(c, rec, size, FAPILOG_WORD0_SCHEMA(w));
        c->context_end = c->pos + size;
        break;
    case FAPILOG_KIND_FRAGMENT:
        r = chain_take(c, rec, size, FAPILOG_WORD0_SCHEMA(w));
        c->seq += r != -ENOMEM && lane_is_event(w);
        if (r == 1) {
            r = chain_decode(c, ret);
            if (r == 0) {
                record_identify(c, ret);
                ret->id.position = c->large_pos;
                c->pos += size;
                return 1;
            }
        }
        c->skipped_events += r == -EBADMSG && lane_is_event(w);
        break;
    default:
        r = -EBADMSG;
    }
    if (r == -EBADMSG)
        skip_record(c, size);
    else if (r == 0)
        c->pos += size;
    return r == -EBADMSG ? 0 : r;
}

