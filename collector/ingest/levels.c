#include "collector/ingest/levels.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A rule is written before `used` is set; from then on only its level changes. */
static bool rule_is_used(const struct fapilog_level_rule *rule)
{
    return load_acq(&rule->used); /* order: acquire, pairs with the release in rule_store() */
}

static bool rule_is(const struct fapilog_level_rule *rule, const char *prefix)
{
    return rule_is_used(rule) && !strncmp(rule->prefix, prefix, sizeof rule->prefix);
}

static int rule_store(struct fapilog_ctl *ctl, const struct level_setting *setting)
{
    for (unsigned i = 0; i < FAPILOG_LEVEL_RULES_MAX; i++) {
        struct fapilog_level_rule *rule = &ctl->rule[i];
        if (rule_is_used(rule) && !rule_is(rule, setting->prefix))
            continue;
        memcpy(rule->prefix, setting->prefix, sizeof rule->prefix);
        /* order: relaxed - the release of `used` publishes it */
        store_rlx(&rule->level, (uint32_t)setting->level);
        /* order: release, pairs with the acquire of whoever looks for a rule: prefix and level are there */
        store_rel(&rule->used, 1u);
        return 0;
    }
    return -ENOSPC;
}

/* How much of the name the rule governs, -1: not at all. */
static int rule_match(const struct fapilog_level_rule *rule, const char *name, size_t len)
{
    const size_t prefix = strnlen(rule->prefix, sizeof rule->prefix);
    if (!rule_is_used(rule) || prefix > len || memcmp(rule->prefix, name, prefix) != 0)
        return -1;
    return prefix == 0 || prefix == len || name[prefix] == '.' ? (int)prefix : -1;
}

/* order: relaxed - a level word stands for itself; a call in progress may still use the old one */
static void logger_store(struct fapilog_ctl *ctl, uint32_t slot, const char *name, size_t len)
{
    int best = -1;
    uint32_t level = 0;
    for (unsigned i = 0; i < FAPILOG_LEVEL_RULES_MAX; i++) {
        const int match = rule_match(&ctl->rule[i], name, len);
        if (match > best) {
            best = match;
            level = load_rlx(&ctl->rule[i].level);
        }
    }
    if (best >= 0 && slot < FAPILOG_LOGGERS_MAX)
        store_rlx(&ctl->level[slot], level);
}

/* One that is not complete yet will look at the rules when it is. */
static void loggers_store(struct source *s)
{
    struct registry *r = &s->seg->registry;
    struct registry_walk walk = registry_walk_begin(r);
    struct fapilog_logger_entry entry;
    uint32_t bytes;
    for (uint8_t *copy; (copy = registry_walk_next(r, &walk, FAPILOG_ENTRY_LOGGER, &bytes)); free(copy)) {
        if (bytes < sizeof entry)
            continue;
        memcpy(&entry, copy, sizeof entry);
        if (entry.name_len <= bytes - sizeof entry)
            logger_store(s->seg->ctl, entry.level_slot, (const char *)copy + sizeof entry, entry.name_len);
    }
}

int levels_apply(struct source *s, const struct level_setting *settings, unsigned count)
{
    int r = 0;
    for (unsigned i = 0; i < count && r == 0; i++)
        r = rule_store(s->seg->ctl, &settings[i]);
    if (count) {
        /* order: seq_cst fence - the rules before our look at the entries and our stores, as the producer's entry and
         * store come before its second look at the rules (settle_level()): one of the two sees the other */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        logger_store(s->seg->ctl, 0, "", 0); /* the root logger needs no entry */
        loggers_store(s);
    }
    return r;
}
