#include "collector/format/enriched.h"

void enriched_begin(struct enriched *en, const struct fapilog_record *r, enum gather_order order)
{
    *en = (struct enriched){.order = order};
    if (r->process) {
        en->fields = r->process->enriched;
        en->count = r->process->enriched_count;
    }
}

/* They are few, and plans are compiled once. Of equal names the last one counts. */
bool enriched_next(struct enriched *en, const char *key, struct gather_entry *ret)
{
    const struct fapilog_field *best = NULL;
    for (uint32_t i = 0; i < en->count; i++) {
        const struct fapilog_text name = en->fields[i].name;
        if (en->last.data && gather_compare(name, en->last, en->order) <= 0)
            continue;
        if (!best || gather_compare(name, best->name, en->order) <= 0)
            best = &en->fields[i];
    }
    if (!best || (key && gather_compare(best->name, (struct fapilog_text){key, (uint32_t)strlen(key)}, en->order) > 0))
        return false;
    en->last = best->name;
    *ret = (struct gather_entry){.name = best->name, .field = best, .source = GATHER_LOGGER};
    return true;
}

bool enriched_is_hidden(const struct gather *g, struct fapilog_text name)
{
    for (unsigned i = 0; i < g->count; i++) {
        if (gather_compare(g->entry[i].name, name, GATHER_BYTES) == 0)
            return true;
    }
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        if (g->by_role[role].field && gather_compare(g->by_role[role].name, name, GATHER_BYTES) == 0)
            return true;
    }
    return false;
}
