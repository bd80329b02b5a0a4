/* Keys that no record has, or that mean something else than fields of that name, and values that are no patterns: for a
 * program that has to explain why nothing matched. */
#include "lib/base/edit_distance.h"
#include "lib/where/internal.h"

#include <string.h>

enum { SHORT_LEN = 5 }; /* of a short name only one letter may be wrong */

static bool is_sought(const struct where_node *n)
{
    return n->key && where_key_is_field(n->key) && !n->was_found;
}

bool where_look_for_keys(struct where *w, const struct fapilog_record *r)
{
    bool is_missing = false;
    for (unsigned i = 0; i < w->count; i++) {
        struct where_node *n = &w->nodes[i];
        if (!n->key || n->was_found)
            continue;
        n->was_found = where_key_field(n->key, r) || where_key_hides_field(n->key, r);
        is_missing |= !n->was_found;
    }
    return is_missing;
}

static bool is_hiding(const struct where_node *n)
{
    return n->key && !where_key_is_field(n->key) && n->was_found;
}

static bool is_told(const struct where *w, unsigned end, bool (*is_it)(const struct where_node *n))
{
    const char *name = where_key_name(w->nodes[end].key);
    for (unsigned i = 0; i < end; i++)
        if (is_it(&w->nodes[i]) && strcmp(where_key_name(w->nodes[i].key), name) == 0)
            return true;
    return false;
}

static const char *near_member(const char *name)
{
    unsigned limit = strlen(name) <= SHORT_LEN ? 1 : 2;
    const char *nearest = NULL, *member;
    for (unsigned i = 0; (member = where_key_member(i)) != NULL; i++) {
        const unsigned d = edit_distance(member, name);
        if (d > limit || (nearest && d == limit))
            continue;
        nearest = member;
        limit = d;
    }
    return nearest;
}

const char *where_missing_key(const struct where *w, unsigned *at, const char **ret_near)
{
    for (; *at < w->count; ++*at) {
        const struct where_node *n = &w->nodes[*at];
        if (!is_sought(n) || is_told(w, *at, is_sought))
            continue;
        const char *name = where_key_name(n->key);
        *ret_near = near_member(name);
        ++*at;
        return name;
    }
    return NULL;
}

const char *where_hiding_key(const struct where *w, unsigned *at)
{
    for (; *at < w->count; ++*at)
        if (is_hiding(&w->nodes[*at]) && !is_told(w, *at, is_hiding))
            return where_key_name(w->nodes[(*at)++].key);
    return NULL;
}

const char *where_plain_pattern(const struct where *w, unsigned *at)
{
    for (; *at < w->count; ++*at) {
        const struct where_node *n = &w->nodes[*at];
        if (n->op == WHERE_EQ && n->value.is_pattern) {
            ++*at;
            return n->value.text;
        }
    }
    return NULL;
}
