#include "collector/format/plan.h"

#include "collector/format/plan_cache.h"
#include "collector/format/printf_text.h"
#include "collector/format/text.h"
#include "lib/base/check.h"

#include <endian.h>
#include <stdio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static size_t list_bound(const struct fapilog_field *fields, uint32_t count, plan_value_bound_fn *bound)
{
    enum { FIELD_FRAME = 16 }; /* quotes, colon, comma, suffix of a name that is taken */
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += bound(&fields[i]) + fields[i].name.len * (size_t)JSON_ESCAPE_FACTOR + FIELD_FRAME;
    return sum;
}

size_t plan_fields_bound(const struct fapilog_record *r, plan_value_bound_fn *bound)
{
    size_t sum = list_bound(r->fields, r->fields_count, bound);
    if (r->context)
        sum += list_bound(r->context->fields, r->context->fields_count, bound);
    if (r->logger)
        sum += list_bound(r->logger->fields, r->logger->fields_count, bound);
    if (r->process)
        sum += list_bound(r->process->enriched, r->process->enriched_count, bound);
    return sum;
}

bool plan_message_is_format(const struct fapilog_record *r)
{
    /* A stage that replaced the message has already made plain text of it. */
    return r->site && r->site->is_printf && r->message.data == r->site->message.data;
}

size_t plan_bound(const struct plan_layout *layout, const struct fapilog_record *r)
{
    size_t texts = r->message.len;
    if (r->logger)
        texts += r->logger->name.len + (size_t)r->logger->service.len;
    if (r->process) {
        const struct fapilog_process_info *p = r->process;
        texts += (size_t)p->service.len + p->host.len + p->exe.len + p->env.len + p->version.len;
    }
    const struct fapilog_site *const source = fapilog_record_source(r);
    if (source)
        texts += (size_t)source->file.len + source->function.len;
    size_t sum = PLAN_FIXED_BOUND + texts * JSON_ESCAPE_FACTOR +
                 plan_fields_bound(r, layout->value_bound ? layout->value_bound : value_bound);
    if (plan_message_is_format(r))
        sum += printf_text_bound(r);
    return sum;
}

char *plan_message_id(const struct fapilog_record_id *id, char *out)
{
    struct {
        uint8_t uuid[16];
        uint32_t lane, generation;
        uint64_t position;
    } key = {.lane = id->lane, .generation = id->generation, .position = id->position};
    _Static_assert(sizeof key == 32, "no padding goes into the hash");
    memcpy(key.uuid, id->uuid, sizeof key.uuid);
    const XXH128_hash_t h = XXH3_128bits(&key, sizeof key);
    /* Version 4 and variant 1, in bytes 6 and 8 of the text whatever the byte order is. */
    const uint64_t first = htobe64((h.high64 & ~UINT64_C(0xf000)) | 0x4000);
    const uint64_t second = htobe64((h.low64 & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62);
    return uuid_write_words(first, second, out);
}

const char *plan_flags_text(unsigned flags)
{
    switch (flags & (TEXT_INVALID_JSON | TEXT_INVALID_UTF8)) {
    case TEXT_INVALID_UTF8: return "utf8";
    case TEXT_INVALID_JSON: return "json";
    default:                return "json,utf8";
    }
}

static inline __attribute__((always_inline))
char *put_value(const struct plan_layout *layout, const struct fapilog_record *r,
                const struct fapilog_field *f, char *out, unsigned *flags)
{
    if (layout->value)
        return layout->value(r, f, out, flags);
    switch (f->type) {
    case FAPILOG_TYPE_I8: case FAPILOG_TYPE_I16: case FAPILOG_TYPE_I32: case FAPILOG_TYPE_I64:
        return num_i64(out, f->v.i64);
    case FAPILOG_TYPE_U8: case FAPILOG_TYPE_U16: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_U64:
        return num_u64(out, f->v.u64);
    case FAPILOG_TYPE_F64:
        if (unlikely(f->v.f64 - f->v.f64 != 0)) /* NaN and the infinities need quotes */
            return value_json(r, f, layout->style, out, flags);
        return num_f64(out, f->v.f64, layout->style == VALUE_RFC8785 ? NUM_ECMA : NUM_POINT);
    case FAPILOG_TYPE_STRING:
        return value_quoted((struct fapilog_text){f->v.data, f->len}, out, flags);
    default:
        return value_json(r, f, layout->style, out, flags);
    }
}

static char *put_message(const struct fapilog_record *r, char *out, unsigned *flags)
{
    if (!plan_message_is_format(r))
        return value_quoted(r->message, out, flags);
    *out++ = '"';
    out = printf_text_write(r, json_escape, out, flags);
    *out++ = '"';
    return out;
}

static char *put_observed(const struct fapilog_record *r, char *out)
{
    const int64_t now = format_observed_clock();
    return now > r->time_ns ? num_i64(out, now) : num_u64(out, plan_unix_nano(r));
}

static char *put_observed_member(const struct fapilog_record *r, char *out)
{
    if (format_observed_clock() == 0)
        return out;
    out = put_lit(out, "\"observed_time_unix_nano\":");
    out = put_observed(r, out);
    *out++ = ',';
    return out;
}

/* The id was well formed when the record's variant was chosen; what has become of a text since then,
 * in memory that is not ours, is checked again. */
static char *put_id(const struct fapilog_field *f, char *out)
{
    uint8_t id[16] = {0};
    const size_t len = f->type == FAPILOG_TYPE_STRING ? f->len / 2 : f->len;
    if (len != 8 && len != 16)
        return put_lit(out, "0000000000000000");
    if (f->type != FAPILOG_TYPE_STRING)
        memcpy(id, f->v.data, len);
    else if (!hex_read(f->v.data, len, id))
        memset(id, 0, sizeof id);
    return hex_write(id, len, out);
}

static inline __attribute__((always_inline))
char *put_slot(struct plan_state *state, const struct plan_layout *layout, const struct fapilog_record *r,
               unsigned slot, unsigned index, char *out, unsigned *flags)
{
    switch (slot) {
    case SLOT_CALL:        return put_value(layout, r, &r->fields[index], out, flags);
    case SLOT_CONTEXT:     return put_value(layout, r, &r->context->fields[index], out, flags);
    case SLOT_MESSAGE:     return put_message(r, out, flags);
    case SLOT_MESSAGE_ID:  return plan_message_id(&r->id, out);
    case SLOT_TIME:        return time_text_write(&state->time, r->time_ns, index, out);
    case SLOT_TIME_NS:     return num_u64(out, plan_unix_nano(r));
    case SLOT_OBSERVED_NS: return put_observed(r, out);
    case SLOT_OBSERVED_MEMBER: return put_observed_member(r, out);
    case SLOT_NUMBER:      return num_u64(out, r->fields[index].v.u64);
    case SLOT_NUMBER_CONTEXT: return num_u64(out, r->context->fields[index].v.u64);
    case SLOT_ID:          return put_id(&r->fields[index], out);
    case SLOT_ID_CONTEXT:  return put_id(&r->context->fields[index], out);
    case SLOT_EXTRA:       return layout->extra(state, r, index, out, flags);
    default:               return out;
    }
}

/* Makes room at `at` for what the texts turned out to be. */
static char *insert_flags(const struct plan_layout *layout, unsigned flags, unsigned style, char *at, char *end)
{
    char text[128];
    const int n = snprintf(text, sizeof text, "%s%s%s", layout->flags[style].before, plan_flags_text(flags),
                           layout->flags[style].after);
    CHECK(n > 0 && (size_t)n < sizeof text);
    memmove(at + n, at, (size_t)(end - at));
    memcpy(at, text, (size_t)n);
    return end + n;
}

static char *run_plan(const struct plan *p, const struct plan_layout *layout, struct plan_state *state,
                      const struct fapilog_record *r, char *out)
{
    const char *text = plan_text(p);
    const struct plan_step *step = p->steps;
    unsigned flags = p->flags;
    unsigned flags_style = 0;
    char *flags_at = NULL;
    for (;; step++) {
        out = put_padded(out, text, step->text_len);
        text += step->text_len;
        if (step->slot == SLOT_END)
            break;
        if (step->slot == SLOT_FLAGS) {
            flags_at = out;
            flags_style = step->index;
            continue;
        }
        out = put_slot(state, layout, r, step->slot, step->index, out, &flags);
    }
    if (unlikely(flags) && flags_at)
        out = insert_flags(layout, flags, flags_style, flags_at, out);
    return out;
}

/* ---- what layouts call ---- */

/* Takes what was written up to `end`. */
static void build_advance(struct build *b, char *end)
{
    b->room -= (size_t)(end - b->out);
    b->out = end;
}

void build_quoted(struct build *b, struct fapilog_text text)
{
    if (build_room(b, (size_t)text.len * JSON_ESCAPE_FACTOR + 2 + JSON_ESCAPE_SLACK))
        build_advance(b, value_quoted(text, b->out, b->flags));
}

void build_clean(struct build *b, struct fapilog_text text)
{
    if (build_room(b, (size_t)text.len * JSON_ESCAPE_FACTOR))
        build_advance(b, text_clean(text.data, text.len, b->out, b->flags));
}

bool build_bare(struct build *b, struct fapilog_text text)
{
    if (!build_room(b, (size_t)text.len * JSON_ESCAPE_FACTOR))
        return true;
    char *const end = text_bare(text.data, text.len, b->out);
    if (end)
        build_advance(b, end);
    return end != NULL;
}

void build_key(struct build *b, struct fapilog_text name)
{
    build_quoted(b, name);
    build_lit(b, ":");
}

void build_u64(struct build *b, uint64_t v)
{
    if (build_room(b, NUM_INT_MAX))
        build_advance(b, num_u64(b->out, v));
}

void build_drop_comma(struct build *b)
{
    if (!b->overflow && b->out[-1] == ',')
        b->out--;
}

void build_drop_quote(struct build *b)
{
    if (b->overflow)
        return;
    CHECK(b->out[-1] == '"');
    b->out--;
}

char *build_at(const struct build *b)
{
    return b->compiling ? NULL : b->out;
}

void build_rewind(struct build *b, char *at)
{
    CHECK(!b->compiling);
    b->out = at; /* there is always enough room */
    if (b->flags_at && b->flags_at > at)
        b->flags_at = NULL;
}

void build_slot(struct build *b, enum plan_slot slot, unsigned index)
{
    if (b->compiling) {
        if (b->overflow || b->steps_count == PLAN_STEPS_MAX) {
            b->overflow = true;
            return;
        }
        b->state->steps[b->steps_count++] = (struct plan_step){
            .text_len = (uint32_t)(b->out - b->step_start), .slot = (uint8_t)slot, .index = (uint16_t)index};
        b->step_start = b->out;
        return;
    }
    if (slot == SLOT_FLAGS) {
        b->flags_at = b->out;
        b->flags_style = (uint16_t)index;
        return;
    }
    b->out = put_slot(b->state, b->layout, b->r, slot, index, b->out, b->flags);
}

void build_value(struct build *b, const struct gather_entry *e)
{
    switch (e->source) {
    case GATHER_CALL:
        build_slot(b, SLOT_CALL, e->index);
        break;
    case GATHER_CONTEXT:
        build_slot(b, SLOT_CONTEXT, e->index);
        break;
    default: /* bound to the logger: as constant as a name */
        if (build_room(b, b->layout->value_bound ? b->layout->value_bound(e->field) : value_bound(e->field)))
            build_advance(b, put_value(b->layout, b->r, e->field, b->out, b->flags));
    }
}

void build_id(struct build *b, const struct gather_entry *e)
{
    if (e->source != GATHER_LOGGER)
        build_slot(b, e->source == GATHER_CALL ? SLOT_ID : SLOT_ID_CONTEXT, e->index);
    else if (build_room(b, 32))
        build_advance(b, put_id(e->field, b->out));
}

void build_number(struct build *b, const struct gather_entry *e)
{
    if (e->source != GATHER_LOGGER)
        build_slot(b, e->source == GATHER_CALL ? SLOT_NUMBER : SLOT_NUMBER_CONTEXT, e->index);
    else
        build_u64(b, e->field->v.u64);
}

void build_message(struct build *b)
{
    if (b->r->site && !(b->variant & PLAN_VARIANT_MESSAGE) && !plan_message_is_format(b->r))
        build_quoted(b, b->r->message);
    else
        build_slot(b, SLOT_MESSAGE, 0);
}

/* ---- choosing ---- */

static bool id_is_usable(const struct fapilog_field *f, size_t bytes)
{
    uint8_t id[16];
    static const uint8_t zero[16];
    if (f->type == FAPILOG_TYPE_STRING)
        return f->len == 2 * bytes && hex_read(f->v.data, bytes, id) && memcmp(id, zero, bytes) != 0;
    return (f->type == FAPILOG_TYPE_TRACE_ID || f->type == FAPILOG_TYPE_SPAN_ID) && f->len == bytes &&
           memcmp(f->v.data, zero, bytes) != 0;
}

static unsigned trace_flags_variant(const struct fapilog_field *f)
{
    const bool is_number = (f->type >= FAPILOG_TYPE_I8 && f->type <= FAPILOG_TYPE_U64);
    if (!is_number || f->v.u64 > 255)
        return 0;
    return f->v.u64 ? PLAN_VARIANT_TRACE_FLAGS : PLAN_VARIANT_NO_TRACE_FLAGS;
}

enum { IDS_TRACE, IDS_SPAN, IDS_FLAGS, IDS_COUNT };

static void find_ids(const struct fapilog_field *fields, uint32_t count, const struct fapilog_field **ids)
{
    for (uint32_t i = 0; i < count; i++) {
        switch (gather_role(&fields[i])) {
        case FAPILOG_ROLE_TRACE_ID:    ids[IDS_TRACE] = &fields[i]; break;
        case FAPILOG_ROLE_SPAN_ID:     ids[IDS_SPAN] = &fields[i]; break;
        case FAPILOG_ROLE_TRACE_FLAGS: ids[IDS_FLAGS] = &fields[i]; break;
        default:                       break;
        }
    }
}

/* Whether the ids get places of their own depends on their values, so it is part of the variant. */
static unsigned ids_variant(const struct fapilog_record *r, bool look_at_call)
{
    const struct fapilog_field *ids[IDS_COUNT] = {NULL};
    if (r->logger)
        find_ids(r->logger->fields, r->logger->fields_count, ids);
    if (r->context)
        find_ids(r->context->fields, r->context->fields_count, ids);
    for (uint32_t i = 0; look_at_call && i < r->fields_count; i++) {
        if (!gather_is_argument(r, &r->fields[i]))
            find_ids(&r->fields[i], 1, ids);
    }
    return (ids[IDS_TRACE] && id_is_usable(ids[IDS_TRACE], 16) ? PLAN_VARIANT_TRACE_ID : 0u) |
           (ids[IDS_SPAN] && id_is_usable(ids[IDS_SPAN], 8) ? PLAN_VARIANT_SPAN_ID : 0u) |
           (ids[IDS_FLAGS] ? trace_flags_variant(ids[IDS_FLAGS]) : 0u);
}

static unsigned record_variant(const struct fapilog_record *r)
{
    unsigned v = 0;
    if (r->site && r->message.data != r->site->message.data)
        v |= PLAN_VARIANT_MESSAGE;
    if (r->context && r->context->lost)
        v |= PLAN_VARIANT_LOST;
    if (r->flags & FAPILOG_FLAG_TRUNCATED)
        v |= PLAN_VARIANT_TRUNCATED;
    return v;
}

unsigned plan_variant(const struct fapilog_record *r)
{
    return record_variant(r) | ids_variant(r, true);
}

/* Names of the call's fields are those of the site unless a stage has changed the list. */
static bool fields_are_the_sites(const struct fapilog_record *r)
{
    const struct fapilog_site *s = r->site;
    if (r->fields_count != s->fields_count)
        return false;
    for (uint32_t i = 0; i < r->fields_count; i++) {
        if (r->fields[i].name.data != s->fields[i].name.data)
            return false;
    }
    return true;
}

static bool is_fixed_size(uint8_t type)
{
    return type != FAPILOG_TYPE_STRING && type != FAPILOG_TYPE_BYTES && type != FAPILOG_TYPE_JSON &&
           type != FAPILOG_TYPE_STACK;
}

/* A stage may have changed what says where a field goes: `data` that was no JSON is text after redaction. A plan is for
 * all records of the site. One that there is serves these records too, as its slots look at the types. */
static bool places_are_the_sites(const struct fapilog_record *r)
{
    for (uint32_t i = 0; i < r->fields_count; i++) {
        const struct fapilog_field *const f = &r->fields[i], *const of_site = &r->site->fields[i];
        if (f->role != of_site->role || (f->type != of_site->type && plan_type_counts(f)))
            return false;
    }
    return true;
}

/* The bound, where nothing of it can differ between the records of a plan. */
static size_t constant_bound(const struct build *b)
{
    const struct fapilog_record *const r = b->r;
    if (r->context || b->variant & PLAN_VARIANT_MESSAGE)
        return 0;
    for (uint32_t i = 0; i < r->fields_count; i++) {
        if (!is_fixed_size(r->fields[i].type) || r->fields[i].type != r->site->fields[i].type)
            return 0;
    }
    return b->f->ops->bound(b->f, r);
}

static struct plan *compile(struct build *b, unsigned *flags)
{
    struct plan_state *const state = b->state;
    b->compiling = true;
    b->out = b->step_start = state->text;
    b->room = PLAN_TEXT_MAX;
    b->layout->build(b);
    build_slot(b, SLOT_END, 0);
    if (b->overflow)
        return NULL;
    struct plan *const p = plan_cache_add(b->f->slot, b->r, b->variant, *flags, state->steps, b->steps_count,
                                          state->text, (size_t)(b->out - state->text));
    if (p)
        p->bound = constant_bound(b);
    return p;
}

static char *write_slowly(struct format *f, const struct plan_layout *layout, const struct fapilog_record *r,
                          unsigned variant, bool may_cache, char *out)
{
    struct plan_state *const state = f->state;
    unsigned flags = 0;
    gather_fields(&state->gather, r, layout->order);
    if (state->gather.names_repaired)
        flags |= TEXT_INVALID_UTF8;
    struct build b = {.f = f, .layout = layout, .r = r, .g = &state->gather, .variant = variant,
                      .state = state, .flags = &flags};
    if (may_cache && places_are_the_sites(r)) {
        const unsigned before = flags;
        struct build c = b;
        const struct plan *p = compile(&c, &flags);
        if (p)
            return run_plan(p, layout, state, r, out);
        flags = before;
    }
    b.out = out;
    b.room = SIZE_MAX;
    layout->build(&b);
    if (flags && b.flags_at)
        b.out = insert_flags(layout, flags, b.flags_style, b.flags_at, b.out);
    return b.out;
}

/* The compiled plan for the record, if there is one. */
static inline const struct plan *find_plan(const struct format *f, const struct plan_layout *layout,
                                           const struct fapilog_record *r, unsigned *ret_variant,
                                           bool *ret_may_cache)
{
    *ret_variant = record_variant(r) | f->variant;
    *ret_may_cache = r->site && !r->internal && fields_are_the_sites(r);
    if (unlikely(!*ret_may_cache)) {
        if (layout->uses_ids)
            *ret_variant |= ids_variant(r, true);
        return NULL;
    }
    const struct plan_cache *const cache = r->site->cache[f->slot];
    if (layout->uses_ids)
        *ret_variant |= ids_variant(r, !cache || cache->call_has_roles);
    if (unlikely(!cache))
        return NULL;
    const struct plan *const first = plan_cache_first(cache);
    if (likely(plan_fits(first, r, *ret_variant) && first->context_count == 0 && !r->context))
        return first;
    return plan_cache_find(cache, r, *ret_variant);
}

static inline bool is_for_eyes(const struct format *f, const struct plan_layout *layout)
{
    return unlikely(f->cfg.is_terminal || layout->is_text);
}

char *plan_write(struct format *f, const struct plan_layout *layout, const struct fapilog_record *r, char *out)
{
    unsigned variant;
    bool may_cache;
    const struct plan *const p = find_plan(f, layout, r, &variant, &may_cache);
    char *const end = likely(p != NULL) ? run_plan(p, layout, f->state, r, out)
                                        : write_slowly(f, layout, r, variant, may_cache, out);
    return is_for_eyes(f, layout) ? text_visible(out, end, f->cfg.is_terminal) : end;
}

char *plan_write_at_once(struct format *f, const struct plan_layout *layout, const struct fapilog_record *r, char *out)
{
    const unsigned variant = layout->uses_ids ? plan_variant(r) : record_variant(r);
    return write_slowly(f, layout, r, variant, false, out);
}

/* A stage may have put a text where a number was. */
static bool types_are_the_sites(const struct fapilog_record *r)
{
    for (uint32_t i = 0; i < r->fields_count; i++) {
        if (r->fields[i].type != r->site->fields[i].type)
            return false;
    }
    return true;
}

char *plan_write_within(struct format *f, const struct plan_layout *layout, const struct fapilog_record *r,
                        char *out, size_t room)
{
    unsigned variant;
    bool may_cache;
    const struct plan *const p = find_plan(f, layout, r, &variant, &may_cache);
    if (unlikely(!p || !p->bound || p->bound > room || !types_are_the_sites(r)))
        return NULL;
    char *const end = run_plan(p, layout, f->state, r, out);
    if (!is_for_eyes(f, layout))
        return end;
    const size_t growth = text_visible_growth(out, end, f->cfg.is_terminal);
    return growth > room - (size_t)(end - out) ? NULL : text_visible(out, end, f->cfg.is_terminal);
}
