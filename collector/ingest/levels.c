#include "collector/ingest/levels.h"

#include "lib/base/check.h"

#include <errno.h>
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

/* Walks the registry's entries; each word is bounded before it is used. */
static void loggers_store(struct source *s)
{
    const struct segment *seg = s->seg;
    const uint8_t *base = seg->base + seg->sb.registry_off;
    /* order: acquire - entries handed out before are seen; R2 says which are complete */
    uint64_t tail = load_acq(&segment_shared(seg)->registry_tail);
    if (tail > seg->sb.registry_size)
        tail = seg->sb.registry_size;
    for (uint64_t off = FAPILOG_REGISTRY_PREAMBLE; off + sizeof(uint64_t) <= tail;) {
        /* order: R2 acquire, pairs with R1 - the entry is complete */
        const uint64_t word0 = load_acq((const uint64_t *)(const void *)(base + off));
        const uint64_t bytes = FAPILOG_ENTRY_BYTES(word0);
        if (bytes < sizeof(uint64_t) || bytes > tail - off)
            return; /* not complete yet; its logger will apply the rules when it is */
        if (FAPILOG_ENTRY_KIND(word0) == FAPILOG_ENTRY_LOGGER && bytes >= sizeof(struct fapilog_logger_entry)) {
            struct fapilog_logger_entry entry;
            memcpy(&entry, base + off, sizeof entry);
            if (entry.name_len <= bytes - sizeof entry)
                logger_store(seg->ctl, entry.level_slot, (const char *)base + off + sizeof entry, entry.name_len);
        }
        off += (bytes + 7) & ~UINT64_C(7);
    }
}

int levels_apply(struct source *s, const struct level_setting *settings, unsigned count)
{
    int r = 0;
    for (unsigned i = 0; i < count && r == 0; i++)
        r = rule_store(s->seg->ctl, &settings[i]);
    if (count) {
        logger_store(s->seg->ctl, 0, "", 0); /* the root logger needs no entry */
        loggers_store(s);
    }
    return r;
}
