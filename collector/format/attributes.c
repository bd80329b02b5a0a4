#include "collector/format/attributes.h"

#include "collector/format/level.h"
#include "lib/base/check.h"

#define NAME(s) (struct fapilog_text){s, sizeof(s) - 1}

static void add(struct attributes *a, struct fapilog_text name, enum attribute_kind kind,
                const struct gather_entry *entry)
{
    CHECK(a->extra_count < ARRAY_COUNT(a->extra));
    unsigned i = a->extra_count++;
    for (; i > 0 && gather_compare(a->extra[i - 1].name, name, a->order) > 0; i--)
        a->extra[i] = a->extra[i - 1];
    a->extra[i] = (struct attribute){name, entry, kind};
}

static bool has_own_place(unsigned role, unsigned variant)
{
    switch (role) {
    case FAPILOG_ROLE_TRACE_ID:    return variant & PLAN_VARIANT_TRACE_ID;
    case FAPILOG_ROLE_SPAN_ID:     return variant & PLAN_VARIANT_SPAN_ID;
    case FAPILOG_ROLE_TRACE_FLAGS: return variant & (PLAN_VARIANT_TRACE_FLAGS | PLAN_VARIANT_NO_TRACE_FLAGS);
    default:                       return false;
    }
}

void attributes_begin(struct attributes *a, const struct build *b, bool with_uid)
{
    const struct fapilog_site *const source = fapilog_record_source(b->r);
    *a = (struct attributes){.g = b->g, .order = b->layout->order};
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        const struct gather_entry *const e = &b->g->by_role[role];
        if (e->field && !has_own_place(role, b->variant))
            add(a, e->name, ATTRIBUTE_FIELD, e);
    }
    if (b->f->cfg.source && source && source->file.len > 0) {
        add(a, NAME("code.file.path"), ATTRIBUTE_FILE, NULL);
        add(a, NAME("code.function.name"), ATTRIBUTE_FUNCTION, NULL);
        add(a, NAME("code.line.number"), ATTRIBUTE_LINE, NULL);
    }
    if (b->variant & PLAN_VARIANT_LOST)
        add(a, NAME("fapilog.context_lost"), ATTRIBUTE_LOST, NULL);
    if (b->g->cut > 0)
        add(a, NAME("fapilog.fields_cut"), ATTRIBUTE_CUT, NULL);
    add(a, NAME("fapilog.invalid"), ATTRIBUTE_FLAGS, NULL);
    if (level_is_extra(b->r->level))
        add(a, NAME("fapilog.level"), ATTRIBUTE_LEVEL, NULL);
    if (b->variant & PLAN_VARIANT_TRUNCATED)
        add(a, NAME("fapilog.truncated"), ATTRIBUTE_TRUNCATED, NULL);
    if (with_uid)
        add(a, NAME("log.record.uid"), ATTRIBUTE_UID, NULL);
}

bool attributes_next(struct attributes *a, struct attribute *ret)
{
    if (a->next_entry == a->g->count && a->next_extra == a->extra_count)
        return false;
    const struct gather_entry *const e = &a->g->entry[a->next_entry];
    const struct attribute *const x = &a->extra[a->next_extra];
    const int order = a->next_entry == a->g->count ? 1 :
                      a->next_extra == a->extra_count ? -1 : gather_compare(e->name, x->name, a->order);
    if (order < 0) {
        *ret = (struct attribute){e->name, e, ATTRIBUTE_FIELD};
        a->next_entry++;
        return true;
    }
    *ret = *x;
    a->next_extra++;
    a->next_entry += order == 0; /* the name is reserved */
    return true;
}

unsigned attributes_count(const struct attributes *a)
{
    struct attributes copy = *a;
    struct attribute x;
    unsigned n = 0;
    while (attributes_next(&copy, &x))
        n += x.kind != ATTRIBUTE_FLAGS;
    return n;
}

bool attributes_text(const struct build *b, enum attribute_kind kind, struct fapilog_text *ret)
{
    switch (kind) {
    case ATTRIBUTE_FILE:     *ret = fapilog_record_source(b->r)->file; return true;
    case ATTRIBUTE_FUNCTION: *ret = fapilog_record_source(b->r)->function; return true;
    case ATTRIBUTE_LEVEL:    *ret = level_name(b->r->level); return true;
    default:                 return false;
    }
}

bool attributes_number(const struct build *b, enum attribute_kind kind, uint64_t *ret)
{
    switch (kind) {
    case ATTRIBUTE_LINE: *ret = fapilog_record_source(b->r)->line; return true;
    case ATTRIBUTE_CUT:  *ret = b->g->cut; return true;
    default:             return false;
    }
}

struct fapilog_text attributes_scope(const struct fapilog_record *r)
{
    return r->logger && r->logger->name.len > 0 ? r->logger->name : NAME("root");
}
