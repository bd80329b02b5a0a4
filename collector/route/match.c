#include "collector/route/internal.h"
#include "lib/base/check.h"
#include "lib/base/level_mask.h"
#include "lib/where/glob.h"

#include <string.h>

static bool is_pattern(const char *name)
{
    return strpbrk(name, "*?") != NULL;
}

static bool service_fits(const struct opt_list *names, struct fapilog_text service)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (glob_matches(names->item[i], strlen(names->item[i]), service.data, service.len))
            return true;
    return names->count == 0;
}

static bool is_at_or_below(const char *name, struct fapilog_text logger)
{
    const size_t len = strlen(name);
    return logger.len >= len && memcmp(logger.data, name, len) == 0 && (logger.len == len || logger.data[len] == '.');
}

/* "orders" stands for itself and for all below it, a pattern for what it matches. */
static bool logger_fits(const struct opt_list *names, struct fapilog_text logger)
{
    for (uint32_t i = 0; i < names->count; i++) {
        const char *const name = names->item[i];
        if (is_pattern(name) ? glob_matches(name, strlen(name), logger.data, logger.len) :
            logger.data && is_at_or_below(name, logger))
            return true;
    }
    return names->count == 0;
}

static void look_up(const struct routes *r, const struct fapilog_record *rec, uint64_t *ret)
{
    const struct fapilog_text none = {"", 0};
    const struct fapilog_text logger = rec->logger ? rec->logger->name : none;
    const struct fapilog_text service = rec->logger && rec->logger->service.len ? rec->logger->service :
                                        rec->process ? rec->process->service : none;
    memset(ret, 0, ROUTE_WORDS * sizeof *ret);
    for (uint32_t i = 0; i < r->count; i++)
        if (logger_fits(r->rule[i].loggers, logger) && service_fits(r->rule[i].services, service))
            ret[i / 64] |= UINT64_C(1) << (i % 64);
}

/* Rules that the record's logger and service leave open. `spare` is for records that nothing can be remembered of. */
static const uint64_t *rules_open(struct routes *r, const struct fapilog_record *rec, uint64_t *spare)
{
    if (unlikely(!rec->logger || !rec->process || rec->internal)) {
        look_up(r, rec, spare);
        return spare;
    }
    uint64_t uuid[2];
    memcpy(uuid, rec->process->uuid, sizeof uuid);
    const uintptr_t at = (uintptr_t)rec->logger;
    struct remembered_logger *const m = &r->remembered[(at >> 6 ^ at >> 14) % ROUTE_REMEMBERED];
    if (unlikely(m->logger != rec->logger || m->uuid[0] != uuid[0] || m->uuid[1] != uuid[1])) {
        look_up(r, rec, m->rules);
        m->logger = rec->logger;
        m->uuid[0] = uuid[0];
        m->uuid[1] = uuid[1];
    }
    return m->rules;
}

static uint32_t match_rules(const struct routes *r, const struct fapilog_record *rec, const uint64_t *open)
{
    uint32_t sinks = 0;
    for (uint32_t w = 0; w < r->words; w++)
        for (uint64_t left = open[w]; left; left &= left - 1) {
            const struct compiled_rule *const rule = &r->rule[w * 64 + (uint32_t)__builtin_ctzll(left)];
            if (!level_mask_has(rule->levels, rec->level))
                continue;
            /* What adds no sink needs no look at the record. */
            if (rule->where && ((r->overlap && (sinks | rule->sinks) == sinks) || !where_matches(rule->where, rec)))
                continue;
            sinks |= rule->sinks;
            if (!r->overlap)
                return sinks;
        }
    return sinks;
}

uint32_t routes_match(struct routes *r, const struct fapilog_record *rec)
{
    uint64_t spare[ROUTE_WORDS];
    if (r->count == 0)
        return r->all;
    const uint32_t sinks = match_rules(r, rec, rules_open(r, rec, spare));
    return likely(sinks != 0) ? sinks : r->fallback;
}
