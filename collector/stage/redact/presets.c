#include "collector/stage/redact/presets.h"

#include "lib/base/edit_distance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct chain { /* of presets that extend each other, outermost last */
    const struct redact_preset *preset;
    const struct chain *outer;
};

static const struct redact_preset *find(const struct redact_preset *table, const char *name)
{
    for (; table->name; table++) {
        if (edit_distance(table->name, name) == 0)
            return table;
    }
    return NULL;
}

static int unknown(const struct redact_preset *table, const char *name, struct err *e)
{
    char all[512];
    size_t n = 0;
    all[0] = '\0';
    for (; table->name && n < sizeof all; table++) {
        if (table->description)
            n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", table->name);
    }
    return err_set(e, -EINVAL, "preset '%.100s' is not known; there are %s, and regulation:, region: and tag: "
                   "with a value of theirs", name, all);
}

static int add_lists(const struct redact_preset *p, struct names *names, struct err *e)
{
    int r = 0;
    for (const char *const *f = p->fields; f && *f && r == 0; f++)
        r = names_add(names, *f, NAME_MASK, e);
    for (const char *const *x = p->patterns; x && *x && r == 0; x++)
        r = names_add_pattern(names, *x, p->is_everywhere ? NAMES_PATTERN_FIND : NAMES_PATTERN_FIND_DATA, false, e);
    return r;
}

static int add(const struct redact_preset *table, const struct redact_preset *p, const struct chain *outer,
               struct names *names, unsigned *kinds, struct err *e)
{
    const struct chain here = {p, outer};
    for (const struct chain *c = outer; c; c = c->outer) {
        if (c->preset == p)
            return err_set(e, -ELOOP, "preset %s extends itself, by way of %s", p->name, outer->preset->name);
    }
    int r = add_lists(p, names, e);
    for (const char *const *x = p->extends; x && *x && r == 0; x++) {
        const struct redact_preset *const inner = find(table, *x);
        r = inner ? add(table, inner, &here, names, kinds, e) : unknown(table, *x, e);
    }
    *kinds |= p->kinds;
    return r;
}

static bool has_tag(const struct redact_preset *p, const char *tag)
{
    for (const char *const *t = p->tags; t && *t; t++) {
        if (strcasecmp(*t, tag) == 0)
            return true;
    }
    return false;
}

static bool is_selected(const struct redact_preset *p, const char *by, const char *value)
{
    if (!p->description)
        return false;
    if (strcmp(by, "regulation") == 0)
        return p->regulation && strcasecmp(p->regulation, value) == 0;
    if (strcmp(by, "region") == 0)
        return p->region && strcasecmp(p->region, value) == 0;
    return strcmp(by, "tag") == 0 && has_tag(p, value);
}

int presets_add(const struct redact_preset *table, const char *select, struct names *names, unsigned *kinds,
                struct err *e)
{
    const char *const colon = strchr(select, ':');
    char by[16];
    bool found = false;
    if (!colon) {
        const struct redact_preset *const p = find(table, select);
        return p ? add(table, p, NULL, names, kinds, e) : unknown(table, select, e);
    }
    (void)snprintf(by, sizeof by, "%.*s", (int)(colon - select), select);
    for (const struct redact_preset *p = table; p->name; p++) {
        if (!is_selected(p, by, colon + 1))
            continue;
        found = true;
        const int r = add(table, p, NULL, names, kinds, e);
        if (r < 0)
            return r;
    }
    return found ? 0 : unknown(table, select, e);
}
