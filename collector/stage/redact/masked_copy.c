#include "collector/stage/redact/masked_copy.h"

#include "collector/stage/retire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Fields, their names and texts follow in the same allocation. */
struct copy {
    uint64_t id;      /* of the redactor */
    enum stage_verdict verdict;
    const void *input;
    const void *output;
    union {
        struct fapilog_logger_info logger;
        struct fapilog_process_info process;
    } u;
    struct fapilog_field fields[];
};

enum { SLACK = 16 }; /* formats read text in steps of 16 */

static bool has_data(uint8_t type)
{
    return type == FAPILOG_TYPE_STRING || type == FAPILOG_TYPE_BYTES || type == FAPILOG_TYPE_JSON ||
           type == FAPILOG_TYPE_STACK || type == FAPILOG_TYPE_IPV4 || type == FAPILOG_TYPE_IPV6 ||
           type == FAPILOG_TYPE_UUID || type == FAPILOG_TYPE_TRACE_ID || type == FAPILOG_TYPE_SPAN_ID;
}

static size_t fields_bytes(const struct fapilog_field *fields, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += sizeof *fields + fields[i].name.len + SLACK + (has_data(fields[i].type) ? fields[i].len + SLACK : 0u);
    return sum;
}

static const char *keep(char **to, const char *data, uint32_t len)
{
    char *const at = *to;
    if (len)
        memcpy(at, data, len);
    *to += len + SLACK;
    return at;
}

static void keep_fields(struct copy *c, const struct fapilog_field *fields, uint32_t count)
{
    char *to = (char *)(c->fields + count);
    for (uint32_t i = 0; i < count; i++) {
        c->fields[i] = fields[i];
        c->fields[i].name.data = keep(&to, fields[i].name.data, fields[i].name.len);
        if (has_data(fields[i].type))
            c->fields[i].v.data = keep(&to, fields[i].v.data, fields[i].len);
    }
}

/* The list with what is to be masked in it, in the record's memory; NULL: nothing is, or -ENOMEM in *ret. */
static struct fapilog_field *mask_list(struct treatment *t, const struct fapilog_field *fields, uint32_t count,
                                       uint8_t place, int *ret)
{
    bool is_changed = false;
    struct fapilog_field *const list = t->memory.alloc(t->memory.arg, count * sizeof *list);
    *ret = list ? 0 : -ENOMEM;
    if (!list)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t at = place ? place : treat_place(&fields[i], false);
        const enum treat_step step = treat_step_for(t, fields[i].name, fields[i].type, at);
        list[i] = fields[i];
        is_changed |= treat_field(t, &fields[i], step, at, &list[i]);
    }
    return is_changed ? list : NULL;
}

static const struct copy *find(const struct treatment *t, void *const *place, const void *now)
{
    const struct copy *const c = *place;
    return c && c->id == t->rd->id && c->input == now ? c : NULL;
}

static struct copy *make(struct treatment *t, void **place, const void *now, const struct fapilog_field *list,
                         uint32_t count)
{
    struct copy *const old = *place;
    if (old && old->id == t->rd->id)
        return NULL; /* an earlier stage failed before and does not now, or the other way round */
    struct copy *const c = calloc(1, sizeof *c + (list ? fields_bytes(list, count) : 0));
    if (!c)
        return NULL;
    *c = (struct copy){.id = t->rd->id, .input = now, .output = now, .verdict = t->verdict};
    if (list)
        keep_fields(c, list, count);
    stage_retire(old); /* of a redactor that is gone */
    *place = c;
    return c;
}

/* Gives the copy's own verdict to the treatment, on top of what it had. */
static const void *output_of(struct treatment *t, enum stage_verdict before, const struct copy *c)
{
    t->verdict = before;
    treatment_worse(t, c ? c->verdict : STAGE_FAILED);
    return c ? c->output : NULL;
}

const struct fapilog_logger_info *masked_logger(struct treatment *t, const struct fapilog_logger_info *given,
                                                const struct fapilog_logger_info *now)
{
    void **const place = (void **)&given->cache[t->rd->slot]; /* ours to fill, as formats do */
    const enum stage_verdict before = t->verdict;
    const struct copy *const known = find(t, place, now);
    int r;
    if (known)
        return output_of(t, before, known);
    t->verdict = STAGE_PASS;
    const struct fapilog_field *const list = mask_list(t, now->fields, now->fields_count, 0, &r);
    struct copy *const c = r < 0 ? NULL : make(t, place, now, list, now->fields_count);
    if (c && list) {
        c->u.logger = *now;
        memset(c->u.logger.cache, 0, sizeof c->u.logger.cache);
        c->u.logger.fields = c->fields;
        c->output = &c->u.logger;
    }
    return output_of(t, before, c);
}

const struct fapilog_process_info *masked_process(struct treatment *t, const struct fapilog_process_info *given,
                                                  const struct fapilog_process_info *now)
{
    void **const place = (void **)&given->cache[t->rd->slot];
    const enum stage_verdict before = t->verdict;
    const struct copy *const known = find(t, place, now);
    int r;
    if (known)
        return output_of(t, before, known);
    t->verdict = STAGE_PASS;
    const struct fapilog_field *const list = mask_list(t, now->enriched, now->enriched_count, PLACE_DIAGNOSTICS, &r);
    struct copy *const c = r < 0 ? NULL : make(t, place, now, list, now->enriched_count);
    if (c && list) {
        c->u.process = *now;
        memset(c->u.process.cache, 0, sizeof c->u.process.cache);
        c->u.process.enriched = c->fields;
        c->output = &c->u.process;
    }
    return output_of(t, before, c);
}
