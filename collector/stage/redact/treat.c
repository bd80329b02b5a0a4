#include "collector/stage/redact/treat.h"

#include "collector/format/gather.h"
#include "collector/stage/redact/json_string.h"

#include <string.h>

enum { SLACK = 16 }; /* formats read text in steps of 16 */

static void *alloc(void *arg, size_t bytes)
{
    return stage_alloc(arg, bytes + SLACK);
}

void treatment_start(struct treatment *t, const struct redactor *rd, struct stage_record *sr)
{
    t->rd = rd;
    t->memory = (struct json_mask_memory){alloc, sr};
    t->verdict = STAGE_PASS;
}

void treatment_worse(struct treatment *t, enum stage_verdict v)
{
    if (t->verdict == STAGE_PASS || v == STAGE_DROP)
        t->verdict = v;
}

/* Something could not be judged. True: it is to be masked. */
static bool guard(struct treatment *t)
{
    if (t->rd->guardrail == GUARDRAIL_REPLACE)
        return true;
    treatment_worse(t, t->rd->guardrail == GUARDRAIL_DROP ? STAGE_DROP : STAGE_FAILED);
    return false;
}

uint8_t treat_place(const struct fapilog_field *f, bool is_bound_to_thread)
{
    const bool has_role = gather_role(f) != FAPILOG_ROLE_DATA;
    return has_role || is_bound_to_thread ? PLACE_DATA | PLACE_CONTEXT : PLACE_DATA;
}

static enum treat_step step_of_type(const struct redactor *rd, uint8_t type)
{
    switch (type) {
    case FAPILOG_TYPE_STRING: return rd->wants_text ? STEP_TEXT : STEP_NONE;
    case FAPILOG_TYPE_JSON:   return rd->wants_json ? STEP_JSON : STEP_NONE;
    case FAPILOG_TYPE_BYTES:  return rd->setup.values ? STEP_BYTES : STEP_NONE;
    case FAPILOG_TYPE_I64: case FAPILOG_TYPE_U64: case FAPILOG_TYPE_F64:
        return rd->wants_number ? STEP_NUMBER : STEP_NONE;
    default:                  return STEP_NONE;
    }
}

enum treat_step treat_step_for(struct treatment *t, struct fapilog_text name, uint8_t type, uint8_t place)
{
    if (t->rd->setup.names && name.len > 0) {
        name_path_start(&t->path, place);
        if (!name_path_push(&t->path, name))
            return guard(t) ? STEP_MASK : step_of_type(t->rd, type);
        switch (names_decide(t->rd->setup.names, &t->path)) {
        case NAME_MASK:  return STEP_MASK;
        case NAME_BLOCK: return STEP_BLOCK;
        default:         break;
        }
    }
    return step_of_type(t->rd, type);
}

static bool put_text(const struct fapilog_field *f, struct fapilog_text text, struct fapilog_field *ret)
{
    *ret = *f;
    ret->type = FAPILOG_TYPE_STRING;
    ret->len = text.len;
    ret->v.data = text.data;
    return true;
}

static bool replace(const struct fapilog_field *f, struct fapilog_text mask, struct fapilog_field *ret)
{
    if (f->type == FAPILOG_TYPE_STRING && f->len == mask.len && memcmp(f->v.data, mask.data, mask.len) == 0)
        return false; /* masked already */
    return put_text(f, mask, ret);
}

/* Cut to the limit of characters, with a mark. */
static bool cut_text(struct treatment *t, struct fapilog_text text, struct fapilog_text *ret)
{
    const uint32_t keep = json_string_prefix(text.data, text.len, t->rd->json.max_string);
    if (keep == text.len)
        return false;
    char *const out = t->memory.alloc(t->memory.arg, keep + sizeof JSON_STRING_CUT);
    if (!out) {
        treatment_worse(t, STAGE_FAILED);
        return false;
    }
    memcpy(out, text.data, keep);
    memcpy(out + keep, JSON_STRING_CUT, sizeof JSON_STRING_CUT - 1);
    *ret = (struct fapilog_text){out, keep + (uint32_t)sizeof JSON_STRING_CUT - 1};
    return true;
}

static bool mask_spans(struct treatment *t, const struct spans *spans, struct fapilog_text text,
                       struct fapilog_text *ret)
{
    const struct fapilog_text mask = t->rd->json.mask;
    const size_t bytes = spans_bytes(spans, text.len, mask.len);
    char *const out = t->memory.alloc(t->memory.arg, bytes);
    if (!out) {
        treatment_worse(t, STAGE_FAILED);
        return false;
    }
    (void)spans_write(spans, text.data, text.len, mask.data, mask.len, out);
    *ret = (struct fapilog_text){out, (uint32_t)bytes};
    return true;
}

bool treat_text(struct treatment *t, struct fapilog_text text, struct fapilog_text *ret)
{
    struct spans spans;
    bool is_changed = false;
    const int hit = t->rd->setup.values ? values_find(t->rd->setup.values, text.data, text.len, &spans) : 0;
    *ret = text;
    if (hit < 0 && guard(t)) {
        *ret = t->rd->json.mask;
        return true;
    }
    if (hit > 0)
        is_changed = mask_spans(t, &spans, text, ret);
    return cut_text(t, *ret, ret) || is_changed;
}

static bool treat_bytes(struct treatment *t, const struct fapilog_field *f, struct fapilog_field *ret)
{
    struct spans spans;
    const int hit = values_find(t->rd->setup.values, f->v.data, f->len, &spans);
    if (hit == 0 || (hit < 0 && !guard(t)))
        return false;
    return put_text(f, t->rd->json.mask, ret); /* a part of base64 would be no base64 */
}

static bool treat_number(const struct treatment *t, const struct fapilog_field *f, struct fapilog_field *ret)
{
    uint64_t v = f->v.u64;
    if (f->type == FAPILOG_TYPE_F64) {
        if (!(f->v.f64 >= 1e12 && f->v.f64 < 1e19))
            return false;
        v = (uint64_t)f->v.f64;
    }
    return values_hit_number(t->rd->setup.values, v) && put_text(f, t->rd->json.mask, ret);
}

static bool treat_json(struct treatment *t, const struct fapilog_field *f, uint8_t place, struct fapilog_field *ret)
{
    const struct redactor *const rd = t->rd;
    struct fapilog_text text = {f->v.data, f->len};
    name_path_start(&t->path, place);
    if (f->name.len > 0 && rd->setup.names && !name_path_push(&t->path, f->name))
        return guard(t) && put_text(f, rd->json.mask, ret);
    *ret = *f;
    switch (json_mask(&rd->json, &t->path, text, rd->guardrail == GUARDRAIL_REPLACE, &t->memory, &text)) {
    case JSON_MASK_SAME:
        return false;
    case JSON_MASK_TOO_DEEP:
        (void)guard(t);
        break;
    case JSON_MASK_CHANGED:
        break;
    case JSON_MASK_NO_MEMORY:
        treatment_worse(t, STAGE_FAILED);
        return false;
    case JSON_MASK_BAD:
        if (rd->block_unredactable)
            return put_text(f, rd->json.mask, ret);
        if (!treat_text(t, text, &text))
            return false;
        break;
    }
    ret->v.data = text.data;
    ret->len = text.len;
    return true;
}

bool treat_field(struct treatment *t, const struct fapilog_field *f, enum treat_step step, uint8_t place,
                 struct fapilog_field *ret)
{
    struct fapilog_text text;
    switch (step) {
    case STEP_MASK:   return replace(f, t->rd->json.mask, ret);
    case STEP_BLOCK:  return replace(f, t->rd->json.block, ret);
    case STEP_TEXT:
        return treat_text(t, (struct fapilog_text){f->v.data, f->len}, &text) && put_text(f, text, ret);
    case STEP_BYTES:  return treat_bytes(t, f, ret);
    case STEP_JSON:   return treat_json(t, f, place, ret);
    case STEP_NUMBER: return treat_number(t, f, ret);
    default:          return false;
    }
}
