#include "collector/stage/redact/redactor.h"

#include "collector/format/printf_text.h"
#include "collector/format/values.h"
#include "collector/stage/redact/masked_copy.h"
#include "collector/stage/redact/name_set.h"
#include "collector/stage/redact/regex.h"
#include "collector/stage/redact/site_plan.h"
#include "lib/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void redact_setup_free(struct redact_setup *setup)
{
    names_free(setup->names);
    values_free(setup->values);
    setup->names = NULL;
    setup->values = NULL;
}

int redact_check_mask(const char *name, const char *mask, struct err *e)
{
    for (const char *p = mask; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\')
            return err_set(e, -EINVAL, "%s: '%.60s' holds a quote, a backslash or a control character", name, mask);
    }
    return 0;
}

static struct fapilog_text text_of(const char *s)
{
    return (struct fapilog_text){s, (uint32_t)strlen(s)};
}

/* The same for the same options: what was cached before a reload that changed nothing here still holds. */
static uint64_t options_id(const struct stage *s)
{
    enum { VALUE_MAX_ = 1 << 16 };
    static uint64_t last_id;
    uint64_t id = name_hash(s->ops->kind, strlen(s->ops->kind), s->slot);
    char *const text = malloc(VALUE_MAX_);
    for (const struct opt *row = s->ops->opts; text && row->type != OPT_END_ROW; row++) {
        const int n = opt_print(row, s->cfg, text, VALUE_MAX_);
        if (n < 0) { /* longer than that: an id of its own */
            id = name_hash((const char *)&last_id, sizeof last_id, ++last_id);
            break;
        }
        id = name_hash(text, (size_t)n, id);
    }
    if (!text)
        id = ++last_id;
    free(text);
    return id;
}

int redactor_new(struct stage *s, const struct redact_common *c, struct redact_setup *setup, struct redactor **ret,
                 struct err *e)
{
    struct redactor *const rd = calloc(1, sizeof *rd);
    const int r = rd ? stage_take_slot(s, e) : err_set(e, -ENOMEM, "out of memory");
    if (r < 0) {
        redact_setup_free(setup);
        free(rd);
        return r;
    }
    if (setup->names && names_is_empty(setup->names) && !setup->values) {
        names_free(setup->names);
        setup->names = NULL;
    }
    if (setup->values && values_is_empty(setup->values)) {
        values_free(setup->values);
        setup->values = NULL;
    }
    rd->setup = *setup;
    rd->json = (struct json_mask_rules){
        .names = setup->names, .values = setup->values, .mask = text_of(c->mask),
        .block = text_of(setup->block ? setup->block : c->mask), .max_depth = (uint32_t)c->max_depth,
        .max_keys = (uint32_t)c->max_keys,
        .max_string = setup->max_string >= UINT32_MAX ? UINT32_MAX : (uint32_t)setup->max_string};
    rd->guardrail = (enum redact_guardrail)c->guardrail;
    rd->block_unredactable = c->block_unredactable;
    rd->message = c->message;
    rd->wants_text = setup->values || rd->json.max_string != UINT32_MAX;
    rd->wants_json = rd->wants_text || (setup->names && !names_is_empty(setup->names));
    rd->wants_number = setup->values && values_kinds(setup->values) & VALUE_CARD;
    rd->filter = setup->values && rd->json.max_string == UINT32_MAX ? values_filter(setup->values) : NULL;
    rd->stage = s;
    rd->slot = s->slot;
    rd->id = options_id(s);
    s->on_failure = (enum stage_failure)c->fail_mode;
    *ret = rd;
    return 0;
}

void redactor_free(struct redactor *rd)
{
    if (!rd)
        return;
    redact_setup_free(&rd->setup);
    free(rd);
}

static void failed(struct treatment *t)
{
    treatment_worse(t, STAGE_FAILED);
}

static void treat_call_field(struct treatment *t, struct stage_record *sr, uint32_t i, enum treat_step step,
                             uint8_t place)
{
    struct fapilog_field changed;
    if (!treat_field(t, &sr->r->fields[i], step, place, &changed))
        return;
    struct fapilog_field *const fields = stage_own_fields(sr);
    if (fields)
        fields[i] = changed;
    else
        failed(t);
}

/* No call site to keep a plan, or fields that are no longer its own. */
static void treat_call_anew(struct treatment *t, struct stage_record *sr)
{
    const struct fapilog_site *const site = sr->r->site;
    struct fapilog_text names[FAPILOG_FIELDS_MAX];
    const bool is_printf = site && site->is_printf;
    uint32_t argument = 0;
    if (is_printf)
        site_plan_argument_names(site->message, names, FAPILOG_FIELDS_MAX);
    for (uint32_t i = 0; i < sr->r->fields_count; i++) {
        const struct fapilog_field *const f = &sr->r->fields[i];
        const uint8_t place = treat_place(f, false);
        const bool is_argument = is_printf && f->name.len == 0 && argument < FAPILOG_FIELDS_MAX;
        const struct fapilog_text name = is_argument ? names[argument++] : f->name;
        treat_call_field(t, sr, i, treat_step_for(t, name, f->type, place), place);
    }
}

static void put_message(struct treatment *t, struct stage_record *sr, struct fapilog_text text)
{
    struct fapilog_record *const own = stage_own(sr);
    if (own)
        own->message = text;
    else
        failed(t);
}

static char *copy_text(const char *src, size_t len, char *out, unsigned *flags)
{
    (void)flags;
    if (len)
        memcpy(out, src, len);
    return out + len;
}

/* What spreads over the format and several arguments shows only in the text. Once the text has been made
 * plain, the arguments would tell what was masked in it. */
static void treat_printf(struct treatment *t, struct stage_record *sr)
{
    const struct fapilog_record *const r = sr->r;
    size_t bound = r->message.len + printf_text_bound(r) + VALUE_SLACK;
    unsigned flags = 0;
    struct fapilog_text text;
    for (uint32_t i = 0; i < r->fields_count; i++)
        bound += value_bound(&r->fields[i]);
    char *const out = t->memory.alloc(t->memory.arg, bound);
    if (!out) {
        failed(t);
        return;
    }
    const char *const end = printf_text_write(r, copy_text, out, &flags);
    if (!treat_text(t, (struct fapilog_text){out, (uint32_t)(end - out)}, &text))
        return;
    put_message(t, sr, text);
    struct fapilog_field *const fields = stage_own_fields(sr);
    for (uint32_t i = 0; fields && i < sr->r->fields_count; i++) {
        if (fields[i].name.len == 0)
            (void)treat_field(t, &fields[i], STEP_MASK, PLACE_DATA, &fields[i]);
    }
    if (!fields)
        failed(t);
}

static void treat_dynamic_message(struct treatment *t, struct stage_record *sr)
{
    struct fapilog_text text;
    if (t->rd->message && t->rd->wants_text && treat_text(t, sr->r->message, &text))
        put_message(t, sr, text);
}

/* Fields in the order of the site's template: nobody has copied them, or only to change their values. */
static bool fields_are_the_sites(const struct stage_record *sr)
{
    const struct fapilog_record *const r = sr->r;
    if (r->fields_count != r->site->fields_count)
        return false;
    if (r->fields == sr->given->fields)
        return true;
    for (uint32_t i = 0; i < r->fields_count; i++) {
        if (r->fields[i].name.data != r->site->fields[i].name.data || r->fields[i].type != r->site->fields[i].type)
            return false;
    }
    return true;
}

static void treat_site(struct treatment *t, struct stage_record *sr)
{
    const struct fapilog_site *const site = sr->r->site;
    const bool has_its_message = sr->r->message.data == site->message.data;
    const struct site_plan *p = site->cache[t->rd->slot];
    if (unlikely(!p || p->id != t->rd->id))
        p = site_plan_make(t, sr->r);
    if (unlikely(!p || !fields_are_the_sites(sr))) {
        treat_call_anew(t, sr);
    } else {
        for (unsigned i = 0; i < p->count; i++) {
            const struct fapilog_field *const f = &sr->r->fields[p->step[i].field];
            if (p->step[i].step == STEP_TEXT && t->rd->filter &&
                !value_scanners_due(t->rd->filter, f->v.data, f->len))
                continue;
            treat_call_field(t, sr, p->step[i].field, p->step[i].step, p->step[i].place);
        }
    }
    treatment_worse(t, p ? p->verdict : STAGE_FAILED);
    if (!p)
        return;
    if (!has_its_message)
        treat_dynamic_message(t, sr);
    else if (p->renders)
        treat_printf(t, sr);
    else if (p->message.data)
        put_message(t, sr, p->message);
}

static void treat_context(struct treatment *t, struct stage_record *sr)
{
    struct fapilog_field changed;
    for (uint32_t i = 0; i < sr->r->context->fields_count; i++) {
        const struct fapilog_field *const f = &sr->r->context->fields[i];
        const uint8_t place = treat_place(f, true);
        if (!treat_field(t, f, treat_step_for(t, f->name, f->type, place), place, &changed))
            continue;
        struct fapilog_field *const fields = stage_own_context(sr);
        if (fields)
            fields[i] = changed;
        else
            failed(t);
    }
}

static void treat_logger(struct treatment *t, struct stage_record *sr)
{
    const struct fapilog_logger_info *const now = sr->r->logger;
    const struct fapilog_logger_info *const masked = masked_logger(t, sr->given->logger, now);
    if (masked && masked != now)
        stage_own(sr)->logger = masked;
}

static void treat_process(struct treatment *t, struct stage_record *sr)
{
    const struct fapilog_process_info *const now = sr->r->process;
    const struct fapilog_process_info *const masked = masked_process(t, sr->given->process, now);
    if (masked && masked != now)
        stage_own(sr)->process = masked;
}

static void treat_thread(struct treatment *t, struct stage_record *sr)
{
    struct fapilog_text text;
    if (treat_text(t, sr->r->thread, &text))
        stage_own(sr)->thread = text;
}

static void tell_of_time(struct redactor *rd)
{
    static const char *const then[] = {"masked", "left, and fail_mode decides", "a reason to drop it"};
    stage_warn(rd->stage, "patterns took more than %d ms for a record (so far: for %" PRIu64 "); what they had not "
               "searched is %s", REGEX_BUDGET_MS, ++rd->out_of_time, then[rd->guardrail]);
}

enum stage_verdict redactor_run(struct redactor *rd, struct stage_record *sr)
{
    struct treatment t;
    treatment_start(&t, rd, sr);
    if (likely(sr->r->site != NULL)) {
        treat_site(&t, sr);
    } else {
        treat_call_anew(&t, sr);
        treat_dynamic_message(&t, sr);
    }
    if (sr->r->context && sr->r->context->fields_count)
        treat_context(&t, sr);
    if (sr->r->logger && sr->r->logger->fields_count)
        treat_logger(&t, sr);
    if (sr->r->process && sr->r->process->enriched_count)
        treat_process(&t, sr);
    if (rd->setup.other_texts && sr->r->thread.len)
        treat_thread(&t, sr);
    if (rd->setup.values && unlikely(values_end_record(rd->setup.values)))
        tell_of_time(rd);
    return t.verdict;
}
