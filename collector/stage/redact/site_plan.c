#include "collector/stage/redact/site_plan.h"

#include "collector/format/printf_text.h"

#include <stdlib.h>
#include <string.h>

static bool is_filler(char c)
{
    return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == '\\' || c == '>' || c == '[' || c == '(' ||
           c == '{' || c == '<';
}

static uint32_t skip_fillers(const char *p, uint32_t at)
{
    while (at > 0 && is_filler(p[at - 1]))
        at--;
    return at;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What stands in front of the % at `at`: a name, then = or :, then perhaps a word like Bearer. */
static struct fapilog_text name_before(struct fapilog_text format, uint32_t at)
{
    const char *const p = format.data;
    at = skip_fillers(p, at);
    uint32_t word = at, from, to;
    while (word > 0 && is_letter(p[word - 1]))
        word--;
    if (value_is_scheme(p + word, at - word))
        at = skip_fillers(p, word);
    if (at == 0 || (p[at - 1] != '=' && p[at - 1] != ':'))
        return (struct fapilog_text){"", 0};
    at = skip_fillers(p, at - 1);
    if (!value_name_before(p, at, &from, &to))
        return (struct fapilog_text){"", 0};
    return (struct fapilog_text){p + from, to - from};
}

struct argument_names {
    struct fapilog_text format;
    struct fapilog_text *name;
    uint32_t count;
};

static void name_argument(void *arg, uint32_t at, uint32_t argument)
{
    const struct argument_names *const n = arg;
    if (argument < n->count)
        n->name[argument] = name_before(n->format, at);
}

void site_plan_argument_names(struct fapilog_text format, struct fapilog_text *ret, uint32_t count)
{
    struct argument_names names = {format, ret, count};
    for (uint32_t i = 0; i < count; i++)
        ret[i] = (struct fapilog_text){"", 0};
    printf_text_visit(format, name_argument, &names);
}

static unsigned plan_fields(struct treatment *t, const struct fapilog_record *r, struct site_plan_step *steps)
{
    struct fapilog_text names[FAPILOG_FIELDS_MAX];
    const struct fapilog_site *const site = r->site;
    unsigned count = 0, argument = 0;
    if (site->is_printf)
        site_plan_argument_names(site->message, names, site->fields_count);
    for (uint32_t i = 0; i < site->fields_count; i++) {
        const struct fapilog_field *const f = &site->fields[i];
        const uint8_t place = treat_place(f, false);
        const struct fapilog_text name = site->is_printf && f->name.len == 0 ? names[argument++] : f->name;
        const enum treat_step step = treat_step_for(t, name, f->type, place);
        if (step != STEP_NONE)
            steps[count++] = (struct site_plan_step){(uint16_t)i, (uint8_t)step, place};
    }
    return count;
}

const struct site_plan *site_plan_make(struct treatment *t, const struct fapilog_record *r)
{
    const struct fapilog_site *const site = r->site;
    const struct redactor *const rd = t->rd;
    struct site_plan_step steps[FAPILOG_FIELDS_MAX];
    struct fapilog_text message = {NULL, 0};
    const enum stage_verdict before = t->verdict;
    if (site->fields_count > FAPILOG_FIELDS_MAX)
        return NULL;
    t->verdict = STAGE_PASS;
    const unsigned count = plan_fields(t, r, steps);
    const bool has_text = rd->message && rd->wants_text;
    if (!has_text || site->is_printf || !treat_text(t, site->message, &message))
        message = (struct fapilog_text){NULL, 0};
    const enum stage_verdict verdict = t->verdict;
    t->verdict = before;
    enum { SLACK = 16 }; /* formats read text in steps of 16 */
    struct site_plan *const p = calloc(1, sizeof *p + count * sizeof *steps + message.len + SLACK);
    if (!p)
        return NULL;
    p->id = rd->id;
    p->verdict = verdict;
    p->renders = has_text && site->is_printf;
    p->count = (uint16_t)count;
    memcpy(p->step, steps, count * sizeof *steps);
    if (message.data) {
        char *const text = (char *)(p->step + count);
        memcpy(text, message.data, message.len);
        p->message = (struct fapilog_text){text, message.len};
    }
    /* The cache is ours to fill, though the record's view of the site is const. */
    void **const place = (void **)&site->cache[rd->slot];
    free(*place);
    *place = p;
    return p;
}
