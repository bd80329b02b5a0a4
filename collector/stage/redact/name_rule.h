/* name_rule.h - one rule over names, as users write it: "password" (at any depth), "data.user.token" (from
 * the field on), with * for one key or a part of one, ** for any number of keys, [*] for lists (which are
 * looked into anyway), [3] for one place in a list. Case does not matter. */
#ifndef COLLECTOR_STAGE_REDACT_NAME_RULE_H
#define COLLECTOR_STAGE_REDACT_NAME_RULE_H

#include "collector/stage/redact/name_path.h"
#include "lib/base/err.h"

enum { NAME_RULE_KEYS = 16, NAME_RULE_BYTES = 200 };
_Static_assert(NAME_RULE_BYTES <= UINT8_MAX, "places in it fit into a byte");

struct name_rule {
    uint8_t place;    /* bits of enum name_place */
    uint8_t count;
    bool is_anywhere; /* one key, at any depth */
    bool has_glob;
    bool has_index;
    uint8_t action;   /* enum name_action */
    uint8_t key[NAME_RULE_KEYS]; /* where each begins in text */
    char text[NAME_RULE_BYTES];  /* the keys, folded to lower case, each with its NUL */
};

/* 0, or -EINVAL that names the rule and what is wrong with it. */
int name_rule_parse(const char *text, struct name_rule *ret, struct err *e);
/* Whether the first `count` keys of the path are what the rule names. */
bool name_rule_matches(const struct name_rule *rule, const struct name_path *p, unsigned count);

/* Text with lower-case letters, '_' for '-' and in front of each hump of camelCase: accessToken and
 * Access-Token are access_token. Returns the length; out has room for twice len. */
unsigned name_snake(const char *text, unsigned len, char *out);

static inline const char *name_rule_key(const struct name_rule *rule, unsigned i)
{
    return rule->text + rule->key[i];
}

static inline char name_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

#endif
