/* plan.h - JSON formats, compiled. What a line looks like depends on the call site, the logger, the
 * process, the level and the fields of the context (names, roles, some types); only values, time and
 * identity differ from one record to the next. A format describes its line once, as a layout: a function
 * that calls build_*() in the order of the bytes. Run for a call site it makes a plan (literal text and
 * slots), which stays in site->cache; run for anything else it writes the bytes at once.
 *
 *     layout  --build_*()-->  plan in site->cache  --plan_run()-->  bytes     call sites
 *             --build_*()-------------------------------------->  bytes      dynamic records, misses
 */
#ifndef COLLECTOR_FORMAT_PLAN_H
#define COLLECTOR_FORMAT_PLAN_H

#include "collector/format/format.h"
#include "collector/format/gather.h"
#include "collector/format/values.h"
#include "lib/base/check.h"
#include "lib/base/time_text.h"

enum plan_slot {
    SLOT_END,
    SLOT_CALL,         /* value of call field `index` */
    SLOT_CONTEXT,      /* value of context field `index` */
    SLOT_MESSAGE,      /* as a JSON string */
    SLOT_MESSAGE_ID,   /* UUID text, without quotes */
    SLOT_TIME,         /* RFC 3339, `index` digits */
    SLOT_TIME_NS,      /* decimal */
    SLOT_OBSERVED_NS,  /* decimal */
    SLOT_OBSERVED_MEMBER, /* "observed_time_unix_nano":decimal, or nothing where there is no such clock */
    SLOT_NUMBER,       /* bare u64 in field `index` of the call ... */
    SLOT_NUMBER_CONTEXT, /* ... or of the context */
    SLOT_ID,           /* hex of a trace or span id in field `index` of the call ... */
    SLOT_ID_CONTEXT,   /* ... or of the context */
    SLOT_EXTRA,        /* whatever plan_layout.extra makes of `index` */
    SLOT_FLAGS,        /* where TEXT_* flags go; index: enum plan_flags_at */
};

/* How flags fit in between their neighbours. */
enum plan_flags_at {
    PLAN_FLAGS_BEFORE, /* "invalid":"utf8", */
    PLAN_FLAGS_AFTER,  /* ,"invalid":"utf8" */
    PLAN_FLAGS_ALONE,  /* where there would be no list at all without it */
    PLAN_FLAGS_COUNT,
};

enum {
    PLAN_TEXT_MAX = 16384, /* literal bytes of a plan */
    PLAN_STEPS_MAX = 256,
    PLAN_CACHE_MAX = 8,    /* plans of one call site */
    PLAN_FIXED_BOUND = 2048, /* what any layout adds to names and values */
};

struct plan_step { /* text, then a slot */
    uint32_t text_len;
    uint16_t index;
    uint8_t slot;
};

struct build;
struct plan_state;

/* Where times are unsigned: one before 1970 is not known. */
static inline uint64_t plan_unix_nano(const struct fapilog_record *r)
{
    return r->time_ns > 0 ? (uint64_t)r->time_ns : 0;
}

struct plan_layout {
    void (*build)(struct build *b);
    enum gather_order order;
    enum value_style style;
    bool is_text;            /* no JSON: DEL and C1 are escaped whoever reads it */
    bool uses_ids;           /* trace and span ids have places of their own: SLOT_ID */
    struct {
        const char *before, *after; /* of "utf8" */
    } flags[PLAN_FLAGS_COUNT];
    /* Writes a value that is not JSON alone, in at most value_bound() bytes. NULL: value_json(). */
    char *(*value)(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags);
    size_t (*value_bound)(const struct fapilog_field *f);
    /* SLOT_EXTRA; the format's own bound has room for it. It may use the state's gather. */
    char *(*extra)(struct plan_state *state, const struct fapilog_record *r, unsigned index, char *out,
                   unsigned *flags);
};

/* State of a format that is made of a layout; format_ops.state_size. */
struct plan_state {
    struct time_text time;
    struct gather gather;
    struct plan_step steps[PLAN_STEPS_MAX];
    char text[PLAN_TEXT_MAX + VALUE_SLACK];
};

struct build {
    struct format *f;
    const struct plan_layout *layout;
    const struct fapilog_record *r;
    const struct gather *g;
    unsigned variant;        /* PLAN_VARIANT_* */
    /* private */
    struct plan_state *state;
    bool compiling, overflow;
    char *out;
    size_t room;             /* bytes that may follow; when not compiling there is always enough */
    char *step_start;
    unsigned steps_count;
    unsigned *flags;
    char *flags_at;
    uint16_t flags_style;
};

enum {
    PLAN_VARIANT_MESSAGE = 1,   /* the record's message is not the call site's */
    PLAN_VARIANT_LOST = 2,      /* the context was lost */
    PLAN_VARIANT_TRUNCATED = 4,
    PLAN_VARIANT_TRACE_ID = 8,  /* uses_ids: there is a well-formed trace id that is not all zero */
    PLAN_VARIANT_SPAN_ID = 16,
    PLAN_VARIANT_TRACE_FLAGS = 32,      /* uses_ids: a number of 1..255 */
    PLAN_VARIANT_NO_TRACE_FLAGS = 64,   /* uses_ids: 0, which is the same as none */
    PLAN_VARIANT_BITS = 8,              /* those above are the format's: format_variant_new() */
};

/* For layouts: */
#define build_lit(b, lit) build_bytes((b), "" lit, sizeof(lit) - 1)
static inline bool build_room(struct build *b, size_t bytes)
{
    if (likely(b->room >= bytes))
        return true;
    b->overflow = true;
    b->room = 0;
    return false;
}

static inline void build_bytes(struct build *b, const char *text, size_t len)
{
    if (build_room(b, len)) {
        memcpy(b->out, text, len);
        b->out += len;
        b->room -= len;
    }
}

void build_quoted(struct build *b, struct fapilog_text text); /* JSON string */
void build_clean(struct build *b, struct fapilog_text text);  /* as text_clean() */
bool build_bare(struct build *b, struct fapilog_text text); /* as text_bare(); false: nothing is written */
void build_u64(struct build *b, uint64_t v);
void build_slot(struct build *b, enum plan_slot slot, unsigned index);
void build_value(struct build *b, const struct gather_entry *e);
void build_id(struct build *b, const struct gather_entry *e); /* hex of a trace or span id */
void build_number(struct build *b, const struct gather_entry *e); /* trace flags, bare */
void build_message(struct build *b);
void build_key(struct build *b, struct fapilog_text name); /* "name": */
/* Take back the last byte, when it is a comma, or the end of build_quoted(). */
void build_drop_comma(struct build *b);
void build_drop_quote(struct build *b);
/* Where the next byte goes; NULL for a plan, whose records will differ in length. What was written since can be taken
 * back. */
char *build_at(const struct build *b);
void build_rewind(struct build *b, char *at);

size_t plan_bound(const struct plan_layout *layout, const struct fapilog_record *r);
char *plan_write(struct format *f, const struct plan_layout *layout, const struct fapilog_record *r, char *out);
/* Without a plan, also where there is one: for layouts that have to look at build_at(). */
char *plan_write_at_once(struct format *f, const struct plan_layout *layout, const struct fapilog_record *r, char *out);
char *plan_write_within(struct format *f, const struct plan_layout *layout, const struct fapilog_record *r,
                        char *out, size_t room);

/* What formats without a layout share with those that have one. */
typedef size_t plan_value_bound_fn(const struct fapilog_field *f);
size_t plan_fields_bound(const struct fapilog_record *r, plan_value_bound_fn *bound);
char *plan_message_id(const struct fapilog_record_id *id, char *out); /* UUID text */
const char *plan_flags_text(unsigned flags); /* "utf8", "json", "json,utf8" */
bool plan_message_is_format(const struct fapilog_record *r);
unsigned plan_variant(const struct fapilog_record *r); /* PLAN_VARIANT_*, as with uses_ids */

#endif
