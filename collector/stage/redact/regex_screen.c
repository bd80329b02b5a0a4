#include "collector/stage/redact/regex_screen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct group {
    bool has_repeat;      /* a quantifier that can take many turns, at any depth below */
    bool has_alternation;
    bool has_wildcard;    /* . or a negated class, repeated */
};

struct screen {
    const char *pattern, *p;
    struct group group[REGEX_GROUPS_MAX];
    unsigned depth;
    struct err *e;
};

enum repeat { REPEAT_NONE, REPEAT_ONCE, REPEAT_BOUNDED, REPEAT_MANY };

enum { BOUNDED_SMALL = 1 }; /* {0,1} is a choice, not a repetition */

static int refuse(const struct screen *s, const char *why)
{
    return err_set(s->e, -EINVAL, "pattern '%.200s': %s at offset %zu; see docs/stages/redact.md, or set "
                   "allow_unsafe_patterns", s->pattern, why, (size_t)(s->p - s->pattern));
}

/* A quantifier at p, and steps over it with its ? or +. */
static enum repeat take_repeat(struct screen *s)
{
    enum repeat r = REPEAT_NONE;
    if (*s->p == '*' || *s->p == '+') {
        r = REPEAT_MANY;
        s->p++;
    } else if (*s->p == '?') {
        r = REPEAT_ONCE;
        s->p++;
    } else if (*s->p == '{') {
        char *end;
        const unsigned long low = strtoul(s->p + 1, &end, 10);
        if (end == s->p + 1 || (*end != ',' && *end != '}'))
            return REPEAT_NONE; /* a brace that stands for itself */
        unsigned long high = low;
        const bool open = end[0] == ',' && end[1] == '}';
        if (*end == ',' && !open)
            high = strtoul(end + 1, &end, 10);
        else if (open)
            end++;
        if (*end != '}')
            return REPEAT_NONE;
        s->p = end + 1;
        r = open ? REPEAT_MANY : high <= BOUNDED_SMALL ? REPEAT_ONCE : REPEAT_BOUNDED;
    }
    if (r != REPEAT_NONE && (*s->p == '?' || *s->p == '+'))
        s->p++; /* lazy or possessive */
    return r;
}

/* At '[': steps over the class; says whether it is a negated one, which is as good as a wildcard. */
static int take_class(struct screen *s, bool *ret_wild)
{
    s->p++;
    *ret_wild = *s->p == '^';
    if (*ret_wild)
        s->p++;
    if (*s->p == ']')
        s->p++;
    while (*s->p && *s->p != ']') {
        if (*s->p == '[' && s->p[1] == ':') {
            const char *const end = strstr(s->p, ":]");
            if (end) {
                s->p = end + 2;
                continue;
            }
        }
        if (*s->p == '\\' && s->p[1])
            s->p++;
        s->p++;
    }
    if (!*s->p)
        return refuse(s, "a character class without an end");
    s->p++;
    return 0;
}

/* At '\\'. */
static int take_escape(struct screen *s)
{
    const char c = s->p[1];
    if (!c)
        return refuse(s, "a backslash at the end");
    if ((c >= '1' && c <= '9') || c == 'g' || c == 'k')
        return refuse(s, "a back reference");
    if (c == 'Q' || c == 'E' || c == 'C' || c == 'K')
        return refuse(s, "\\Q, \\E, \\C and \\K are not supported");
    s->p += 2;
    if ((c == 'x' || c == 'p' || c == 'P' || c == 'o' || c == 'N') && *s->p == '{') {
        const char *const end = strchr(s->p, '}');
        if (!end)
            return refuse(s, "a brace without an end");
        s->p = end + 1;
    }
    return 0;
}

/* A name up to the sign that ends it. */
static int take_group_name(struct screen *s, char sign)
{
    const char *const end = strchr(s->p, sign);
    if (!end)
        return refuse(s, "a name without an end");
    s->p = end + 1;
    return 0;
}

/* At the '?' of (?: (?= (?<! (?| (?i: (?<name> (?'name': steps to what the group holds. */
static int take_group_kind(struct screen *s)
{
    s->p++;
    switch (*s->p) {
    case ':': case '=': case '!': case '>': case '|': case '*':
        s->p++;
        return 0;
    case '\'':
        s->p++;
        return take_group_name(s, '\'');
    case '<':
        s->p++;
        if (*s->p != '=' && *s->p != '!' && *s->p != '*')
            return take_group_name(s, '>');
        s->p++;
        return 0;
    default:
        break;
    }
    while (*s->p == '^' || *s->p == '-' || (*s->p >= 'a' && *s->p <= 'z') || (*s->p >= 'A' && *s->p <= 'Z')) {
        if (*s->p == 'x') /* blanks and comments would stand between a group and its quantifier */
            return refuse(s, "the option x is not supported");
        s->p++;
    }
    if (*s->p == ':')
        s->p++;
    else if (*s->p != ')')
        return refuse(s, *s->p == '#' ? "comments are not supported" : "a group of no known kind");
    return 0;
}

static int open_group(struct screen *s)
{
    if (s->depth + 1 == REGEX_GROUPS_MAX)
        return refuse(s, "groups nested too deep");
    if (s->p[1] == '*')
        return refuse(s, "verbs are not supported");
    if (s->p[1] == '?') {
        const char c = s->p[2];
        if (c == 'R' || c == '&' || c == 'P' || c == '+' || c == '(' || c == 'C' || (c >= '0' && c <= '9') ||
            (c == '-' && s->p[3] >= '0' && s->p[3] <= '9'))
            return refuse(s, "recursion, conditions and callouts are not supported");
    }
    s->group[++s->depth] = (struct group){0};
    s->p++;
    return *s->p == '?' ? take_group_kind(s) : 0;
}

static int close_group(struct screen *s)
{
    if (s->depth == 0)
        return refuse(s, "a ) without its (");
    const struct group g = s->group[s->depth--];
    struct group *const outer = &s->group[s->depth];
    s->p++;
    const enum repeat r = take_repeat(s);
    if (r == REPEAT_MANY && g.has_repeat)
        return refuse(s, "a quantifier over a quantifier");
    if (r == REPEAT_MANY && g.has_alternation)
        return refuse(s, "alternation under an unbounded quantifier");
    if (r == REPEAT_BOUNDED && g.has_wildcard)
        return refuse(s, "a wildcard inside a repetition");
    if (r == REPEAT_BOUNDED && g.has_repeat)
        return refuse(s, "a quantifier over a quantifier");
    outer->has_repeat |= g.has_repeat || r == REPEAT_MANY || r == REPEAT_BOUNDED;
    outer->has_alternation |= g.has_alternation;
    outer->has_wildcard |= g.has_wildcard;
    return 0;
}

static int take_atom(struct screen *s)
{
    bool wild = *s->p == '.';
    int r = 0;
    if (*s->p == '[')
        r = take_class(s, &wild);
    else if (*s->p == '\\')
        r = take_escape(s);
    else
        s->p++;
    if (r < 0)
        return r;
    const enum repeat n = take_repeat(s);
    if (n == REPEAT_MANY || n == REPEAT_BOUNDED) {
        s->group[s->depth].has_repeat = true;
        s->group[s->depth].has_wildcard |= wild;
    }
    return 0;
}

int regex_screen(const char *pattern, struct err *e)
{
    struct screen s = {.pattern = pattern, .p = pattern, .e = e};
    if (!*pattern)
        return err_set(e, -EINVAL, "a pattern is empty");
    if (strlen(pattern) > REGEX_PATTERN_MAX)
        return err_set(e, -EINVAL, "pattern '%.60s...' is longer than %d bytes", pattern, REGEX_PATTERN_MAX);
    while (*s.p) {
        int r = 0;
        switch (*s.p) {
        case '(': r = open_group(&s); break;
        case ')': r = close_group(&s); break;
        case '|':
            s.group[s.depth].has_alternation = true;
            s.p++;
            break;
        default:  r = take_atom(&s); break;
        }
        if (r < 0)
            return r;
    }
    return s.depth ? refuse(&s, "a ( without its )") : 0;
}
