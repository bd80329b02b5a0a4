/* size_guard: keeps records below a size, on the record and not on its text, so that what leaves is whole in
 * every format. docs/stages/size_guard.md */
#include "collector/format/plan.h"
#include "collector/format/printf_text.h"
#include "collector/stage/stage.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum action { ACTION_TRUNCATE, ACTION_DROP, ACTION_WARN };
enum { MESSAGE_MIN = 32, MARKS_BYTES = 64, SLACK = 16 };

static const char cut_mark[] = "...[truncated]";

struct size_guard_cfg {
    uint64_t max_bytes;
    uint32_t action;
    struct opt_list preserve_fields;
};

struct size_guard_state {
    uint64_t truncated, dropped;
};

static const struct opt_word actions[] = {
    {"truncate", ACTION_TRUNCATE}, {"drop", ACTION_DROP}, {"warn", ACTION_WARN}, {NULL, 0}};

static const struct opt size_guard_opts[] = {
    OPT_NUM_(OPT_SIZE, struct size_guard_cfg, max_bytes, "max_bytes", "256000", 100, 1u << 30, 0,
             "Most bytes of a record: message, names and values."),
    OPT_WORD_(struct size_guard_cfg, action, "action", "truncate", actions, 0,
              "truncate: cut the message, then leave out the largest fields; drop: the record; warn: only say so."),
    OPT_LIST_(struct size_guard_cfg, preserve_fields, "preserve_fields", "level,timestamp,logger,correlation_id", 0,
              "Fields that are never left out."),
    OPT_END,
};

static bool is_text(uint8_t type)
{
    return type == FAPILOG_TYPE_STRING || type == FAPILOG_TYPE_BYTES || type == FAPILOG_TYPE_JSON ||
           type == FAPILOG_TYPE_STACK;
}

static size_t field_size(const struct fapilog_field *f)
{
    enum { FRAME = 6, SCALAR = 8 }; /* quotes, colon, comma */
    return f->name.len + FRAME + (is_text(f->type) ? f->len : SCALAR);
}

static size_t list_size(const struct fapilog_field *fields, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += field_size(&fields[i]);
    return sum;
}

static size_t record_size(const struct fapilog_record *r)
{
    size_t sum = r->message.len + list_size(r->fields, r->fields_count);
    if (r->context)
        sum += list_size(r->context->fields, r->context->fields_count);
    if (r->logger)
        sum += list_size(r->logger->fields, r->logger->fields_count);
    if (r->process)
        sum += list_size(r->process->enriched, r->process->enriched_count);
    return sum;
}

static char *copy_text(const char *src, size_t len, char *out, unsigned *flags)
{
    (void)flags;
    if (len)
        memcpy(out, src, len);
    return out + len;
}

/* The message of a printf-style record as plain text; its arguments are not repeated as data and go. */
static int make_plain(struct stage_record *sr)
{
    const struct fapilog_record *const r = sr->r;
    size_t bound = r->message.len + printf_text_bound(r) + SLACK;
    unsigned flags = 0;
    int err = 0;
    for (uint32_t i = 0; i < r->fields_count; i++)
        bound += value_bound(&r->fields[i]);
    char *const out = stage_alloc(sr, bound);
    if (!out)
        return -1;
    const char *const end = printf_text_write(r, copy_text, out, &flags);
    stage_own(sr)->message = (struct fapilog_text){out, (uint32_t)(end - out)};
    for (uint32_t i = sr->r->fields_count; i-- > 0 && err == 0;) {
        if (sr->r->fields[i].name.len == 0)
            err = stage_drop_field(sr, i);
    }
    return err;
}

static uint32_t at_character(const char *text, uint32_t len)
{
    while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static int cut_message(struct stage_record *sr, size_t excess)
{
    const struct fapilog_text m = sr->r->message;
    const size_t mark = sizeof cut_mark - 1;
    const size_t want = m.len > excess + 8 ? m.len - excess - 8 : 0;
    const uint32_t keep = want > MESSAGE_MIN ? (uint32_t)want : MESSAGE_MIN;
    if (m.len <= keep + mark)
        return 0;
    char *const out = stage_alloc(sr, keep + mark + SLACK);
    if (!out)
        return -1;
    memcpy(out, m.data, keep);
    const uint32_t len = at_character(m.data, keep);
    memcpy(out + len, cut_mark, mark);
    stage_own(sr)->message = (struct fapilog_text){out, len + (uint32_t)mark};
    return 0;
}

static bool is_preserved(const struct size_guard_cfg *cfg, const struct fapilog_field *f)
{
    for (uint32_t i = 0; i < cfg->preserve_fields.count; i++) {
        const char *const name = cfg->preserve_fields.item[i];
        if (strlen(name) == f->name.len && strncasecmp(name, f->name.data, f->name.len) == 0)
            return true;
    }
    return false;
}

/* The largest field that may go; UINT32_MAX: none. */
static uint32_t largest(const struct size_guard_cfg *cfg, const struct fapilog_field *fields, uint32_t count)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_preserved(cfg, &fields[i]) && (best == UINT32_MAX ||
                                               field_size(&fields[i]) > field_size(&fields[best])))
            best = i;
    }
    return best;
}

static int drop_fields(const struct size_guard_cfg *cfg, struct stage_record *sr, bool *ret_all)
{
    *ret_all = false;
    while (record_size(sr->r) + MARKS_BYTES > cfg->max_bytes) {
        const uint32_t i = largest(cfg, sr->r->fields, sr->r->fields_count);
        *ret_all = i == UINT32_MAX;
        if (*ret_all)
            return 0;
        if (stage_drop_field(sr, i) < 0)
            return -1;
    }
    return 0;
}

/* Context fields keep their number, so that formats' plans fit: their texts go. */
static int empty_context(const struct size_guard_cfg *cfg, struct stage_record *sr)
{
    const uint32_t count = sr->r->context ? sr->r->context->fields_count : 0;
    for (uint32_t i = 0; i < count && record_size(sr->r) + MARKS_BYTES > cfg->max_bytes; i++) {
        const struct fapilog_field *const f = &sr->r->context->fields[i];
        if (is_preserved(cfg, f) || !is_text(f->type) || f->len < sizeof cut_mark)
            continue;
        struct fapilog_field *const fields = stage_own_context(sr);
        if (!fields)
            return -1;
        fields[i].type = FAPILOG_TYPE_STRING;
        fields[i].v.data = cut_mark;
        fields[i].len = sizeof cut_mark - 1;
    }
    return 0;
}

static int add_marks(struct stage_record *sr, size_t size, bool is_heavy)
{
    const struct fapilog_field marks[] = {
        {.name = {"_truncated", 10}, .type = FAPILOG_TYPE_BOOL, .v.u64 = 1},
        {.name = {"_original_size", 14}, .type = FAPILOG_TYPE_U64, .v.u64 = size},
        {.name = {"_heavily_truncated", 18}, .type = FAPILOG_TYPE_BOOL, .v.u64 = 1}};
    for (unsigned i = 0; i < 2u + is_heavy; i++) {
        if (stage_add_field(sr, &marks[i]) < 0)
            return -1;
    }
    return 0;
}

static enum stage_verdict truncate_record(struct stage *s, struct stage_record *sr, size_t size)
{
    const struct size_guard_cfg *const cfg = s->cfg;
    struct size_guard_state *const st = s->state;
    bool is_heavy = false;
    if (plan_message_is_format(sr->r) && make_plain(sr) < 0)
        return STAGE_FAILED;
    const size_t now = record_size(sr->r) + MARKS_BYTES;
    if (now > cfg->max_bytes && cut_message(sr, now - cfg->max_bytes) < 0)
        return STAGE_FAILED;
    if (drop_fields(cfg, sr, &is_heavy) < 0 || empty_context(cfg, sr) < 0 || add_marks(sr, size, is_heavy) < 0)
        return STAGE_FAILED;
    st->truncated++;
    return STAGE_PASS;
}

static enum stage_verdict size_guard_run(struct stage *s, struct stage_record *sr)
{
    const struct size_guard_cfg *const cfg = s->cfg;
    struct size_guard_state *const st = s->state;
    const size_t size = record_size(sr->r);
    if (size <= cfg->max_bytes)
        return STAGE_PASS;
    switch (cfg->action) {
    case ACTION_DROP:
        st->dropped++;
        return STAGE_DROP;
    case ACTION_WARN:
        stage_warn(s, "a record of %zu bytes is larger than max_bytes", size);
        return STAGE_PASS;
    default:
        return truncate_record(s, sr, size);
    }
}

static void size_guard_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    const struct size_guard_state *const st = s->state;
    visit(arg, "truncated", (double)st->truncated);
    visit(arg, "dropped", (double)st->dropped);
}

const struct stage_ops stage_size_guard = {
    .abi = STAGE_ABI,
    .kind = "size_guard",
    .env_prefixes = (const char *const[]){"FAPILOG_SIZE_GUARD__", NULL},
    .summary = "Keeps records below a size: cuts them, drops them, or says so.",
    .group = STAGE_PROCESS,
    .changes = true,
    .opts = size_guard_opts,
    .cfg_size = sizeof(struct size_guard_cfg),
    .state_size = sizeof(struct size_guard_state),
    .run = size_guard_run,
    .gauges = size_guard_gauges,
};
