#include "collector/format/attributes.h"

#include "collector/format/level.h"
#include "lib/base/check.h"

#define NAME(s) {s, sizeof(s) - 1}

static const struct fapilog_text own_names[] = {
    [ATTRIBUTE_FILE] = NAME("code.file.path"), [ATTRIBUTE_FUNCTION] = NAME("code.function.name"),
    [ATTRIBUTE_LINE] = NAME("code.line.number"), [ATTRIBUTE_LOST] = NAME("fapilog.context_lost"),
    [ATTRIBUTE_CUT] = NAME("fapilog.fields_cut"), [ATTRIBUTE_FLAGS] = NAME("fapilog.invalid"),
    [ATTRIBUTE_LEVEL] = NAME("fapilog.level"), [ATTRIBUTE_TRUNCATED] = NAME("fapilog.truncated"),
    [ATTRIBUTE_UID] = NAME("log.record.uid")};

static void add(struct attributes *a, struct fapilog_text name, enum attribute_kind kind,
                const struct gather_entry *entry)
{
    CHECK(a->extra_count < ARRAY_COUNT(a->extra));
    unsigned i = a->extra_count++;
    for (; i > 0 && gather_compare(a->extra[i - 1].name, name, a->order) > 0; i--)
        a->extra[i] = a->extra[i - 1];
    a->extra[i] = (struct attribute){.name = name, .entry = entry, .kind = kind};
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

/* What is taken depends on the configuration, not on the record: a field has the same name in all of them. "x_" would
 * meet an "x" that was renamed, so names of ours with '_' behind them move too. */
static bool is_taken(const struct attributes *a, struct fapilog_text name)
{
    if (name.len == 0 || (name.data[0] != 'c' && name.data[0] != 'f' && name.data[0] != 'l'))
        return false;
    while (name.len > 0 && name.data[name.len - 1] == '_')
        name.len--;
    for (unsigned kind = a->has_source ? ATTRIBUTE_FILE : ATTRIBUTE_LOST; kind < ARRAY_COUNT(own_names); kind++) {
        if (name.len == own_names[kind].len && memcmp(name.data, own_names[kind].data, name.len) == 0)
            return kind != ATTRIBUTE_UID || a->has_uid;
    }
    return false;
}

static void skip_to(const struct attributes *a, unsigned *at, bool taken)
{
    while (*at < a->g->count && is_taken(a, a->g->entry[*at].name) != taken)
        ++*at;
}

void attributes_begin(struct attributes *a, const struct build *b, bool with_uid)
{
    const struct fapilog_site *const source = fapilog_record_source(b->r);
    *a = (struct attributes){.g = b->g, .order = b->layout->order, .has_source = b->f->cfg.source, .has_uid = with_uid};
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        const struct gather_entry *const e = &b->g->by_role[role];
        if (e->field && !has_own_place(role, b->variant))
            add(a, e->name, ATTRIBUTE_FIELD, e);
    }
    if (b->f->cfg.source && source && source->file.len > 0) {
        add(a, own_names[ATTRIBUTE_FILE], ATTRIBUTE_FILE, NULL);
        add(a, own_names[ATTRIBUTE_FUNCTION], ATTRIBUTE_FUNCTION, NULL);
        add(a, own_names[ATTRIBUTE_LINE], ATTRIBUTE_LINE, NULL);
    }
    if (b->variant & PLAN_VARIANT_LOST)
        add(a, own_names[ATTRIBUTE_LOST], ATTRIBUTE_LOST, NULL);
    if (b->g->cut > 0)
        add(a, own_names[ATTRIBUTE_CUT], ATTRIBUTE_CUT, NULL);
    add(a, own_names[ATTRIBUTE_FLAGS], ATTRIBUTE_FLAGS, NULL);
    if (level_is_extra(b->r->level))
        add(a, own_names[ATTRIBUTE_LEVEL], ATTRIBUTE_LEVEL, NULL);
    if (b->variant & PLAN_VARIANT_TRUNCATED)
        add(a, own_names[ATTRIBUTE_TRUNCATED], ATTRIBUTE_TRUNCATED, NULL);
    if (with_uid)
        add(a, own_names[ATTRIBUTE_UID], ATTRIBUTE_UID, NULL);
    skip_to(a, &a->next_entry, false);
    skip_to(a, &a->next_taken, true);
}

/* As gather_compare(), with the '_' behind names that have one. */
static int compare(const struct attribute *x, const struct attribute *y, enum gather_order order)
{
    if (x->is_renamed == y->is_renamed) /* no name of ours begins another */
        return gather_compare(x->name, y->name, order);
    if (y->is_renamed)
        return -compare(y, x, order);
    struct fapilog_text as_long = y->name;
    if (as_long.len > x->name.len)
        as_long.len = x->name.len;
    const int order_of_names = gather_compare(x->name, as_long, order);
    if (order_of_names || y->name.len == as_long.len)
        return order_of_names ? order_of_names : 1;
    /* In either order. Behind a '_' of its own there is more: else its name would be taken, too. */
    return (uint8_t)y->name.data[as_long.len] < '_' ? 1 : -1;
}

bool attributes_next(struct attributes *a, struct attribute *ret)
{
    const struct gather *const g = a->g;
    struct attribute first = {.kind = ATTRIBUTE_FIELD};
    unsigned *from = NULL;
    if (a->next_entry < g->count) {
        first.entry = &g->entry[a->next_entry];
        first.name = first.entry->name;
        from = &a->next_entry;
    }
    if (a->next_taken < g->count) {
        const struct gather_entry *const e = &g->entry[a->next_taken];
        const struct attribute x = {e->name, e, ATTRIBUTE_FIELD, true};
        if (!from || compare(&x, &first, a->order) < 0) {
            first = x;
            from = &a->next_taken;
        }
    }
    if (a->next_extra < a->extra_count && (!from || compare(&a->extra[a->next_extra], &first, a->order) < 0)) {
        first = a->extra[a->next_extra];
        from = &a->next_extra;
    }
    if (!from)
        return false;
    ++*from;
    if (from != &a->next_extra)
        skip_to(a, from, from == &a->next_taken);
    *ret = first;
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

void build_attribute_name(struct build *b, const struct attribute *x)
{
    build_quoted(b, x->name);
    if (!x->is_renamed)
        return;
    build_drop_quote(b);
    build_lit(b, "_\"");
}

struct fapilog_text attributes_scope(const struct fapilog_record *r)
{
    return r->logger && r->logger->name.len > 0 ? r->logger->name : (struct fapilog_text)NAME("root");
}
