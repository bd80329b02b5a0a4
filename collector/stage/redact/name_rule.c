#include "collector/stage/redact/name_rule.h"

#include "lib/where/glob.h"

#include <errno.h>
#include <string.h>

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

unsigned name_snake(const char *text, unsigned len, char *out)
{
    char *to = out;
    for (unsigned i = 0; i < len; i++) {
        const char c = text[i];
        /* userID -> user_id, HTTPToken -> http_token */
        const bool hump = is_upper(c) && i > 0 &&
            (is_lower_or_digit(text[i - 1]) ||
             (is_upper(text[i - 1]) && i + 1 < len && text[i + 1] >= 'a' && text[i + 1] <= 'z'));
        if (hump)
            *to++ = '_';
        *to++ = c == '-' || c == ' ' ? '_' : name_fold(c);
    }
    return (unsigned)(to - out);
}

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

static bool key_matches(const char *key, const struct name_path *p, unsigned i)
{
    const struct name_key *const k = &p->key[i];
    const char *const text = p->text + k->at;
    const size_t key_len = strlen(key);
    char form[2 * NAME_PATH_BYTES];
    if (k->is_index && !is_number(key))
        return strcmp(key, "*") == 0;
    for (unsigned c = 0; c < k->len; c++)
        form[c] = name_fold(text[c]);
    if (glob_matches(key, key_len, form, k->len))
        return true;
    return !k->is_index && glob_matches(key, key_len, form, name_snake(text, k->len, form));
}

/* ** may be nothing: where it comes next, the key behind it does too. */
static uint32_t pass_stars(const struct name_rule *rule, uint32_t at)
{
    for (unsigned k = 0; k < rule->count; k++) {
        if (at >> k & 1 && strcmp(name_rule_key(rule, k), "**") == 0)
            at |= 2u << k;
    }
    return at;
}

/* Rows are the rule's keys, columns the path's: the set of rule positions that the path has led to. */
bool name_rule_matches(const struct name_rule *rule, const struct name_path *p, unsigned count)
{
    uint32_t at = 1; /* bit i: i keys of the rule are used up */
    if (!(rule->place & p->place))
        return false;
    if (rule->is_anywhere)
        return !p->key[count - 1].is_index && key_matches(name_rule_key(rule, 0), p, count - 1);
    for (unsigned i = 0; i < count && at; i++) {
        uint32_t next = 0;
        at = pass_stars(rule, at);
        for (unsigned k = 0; k < rule->count; k++) {
            const char *const key = name_rule_key(rule, k);
            if (!(at >> k & 1))
                continue;
            if (strcmp(key, "**") == 0)
                next |= 1u << k;
            else if (key_matches(key, p, i))
                next |= 2u << k;
        }
        at = p->key[i].is_index ? next | at : next; /* lists are looked into without being named */
    }
    return pass_stars(rule, at) >> rule->count & 1;
}

static bool starts_with(const char **text, const char *word)
{
    const size_t len = strlen(word);
    for (size_t i = 0; i < len; i++) {
        if (name_fold((*text)[i]) != word[i])
            return false;
    }
    *text += len;
    return true;
}

static uint8_t take_place(const char **text)
{
    (void)starts_with(text, "log.");
    if (starts_with(text, "data."))
        return PLACE_DATA;
    if (starts_with(text, "context."))
        return PLACE_CONTEXT;
    if (starts_with(text, "diagnostics."))
        return PLACE_DIAGNOSTICS;
    return 0;
}

static int wrong(const char *text, const char *why, struct err *e)
{
    return err_set(e, -EINVAL, "field '%.200s': %s; write keys joined by dots, as user.token, data.user.*.token "
                   "or items[*].token", text, why);
}

/* [*] names what happens anyway; [3] becomes a key of its own. */
static int take_brackets(const char *whole, const char **text, struct name_rule *ret, char **to, struct err *e)
{
    while (**text == '[') {
        const char *const end = strchr(*text, ']');
        const size_t len = end ? (size_t)(end - *text - 1) : 0;
        if (len == 0)
            return wrong(whole, "a bracket is empty or without its end", e);
        if (!(len == 1 && (*text)[1] == '*')) {
            if (strspn(*text + 1, "0123456789") != len)
                return wrong(whole, "a bracket holds * or a number", e);
            if (ret->count == NAME_RULE_KEYS)
                return wrong(whole, "it has too many keys", e);
            memcpy(*to, *text + 1, len);
            ret->key[ret->count++] = (uint8_t)(*to - ret->text);
            *to += len + 1;
            ret->has_index = true;
        }
        *text = end + 1;
    }
    return 0;
}

int name_rule_parse(const char *text, struct name_rule *ret, struct err *e)
{
    const char *p = text;
    if (strlen(text) >= NAME_RULE_BYTES)
        return wrong(text, "it is too long", e);
    *ret = (struct name_rule){.place = take_place(&p)};
    const bool anchored = ret->place != 0;
    if (!anchored)
        ret->place = PLACE_DATA | PLACE_CONTEXT | PLACE_DIAGNOSTICS;
    char *to = ret->text;
    for (;;) {
        const char *const start = to;
        for (; *p && *p != '.' && *p != '['; p++)
            *to++ = name_fold(*p);
        to++;
        if (*start) {
            if (ret->count == NAME_RULE_KEYS)
                return wrong(text, "it has too many keys", e);
            ret->key[ret->count++] = (uint8_t)(start - ret->text);
            ret->has_index |= is_number(start);
            ret->has_glob |= strpbrk(start, "*?") != NULL;
        } else if (*p != '[') {
            return wrong(text, "a key is empty", e);
        }
        const int r = take_brackets(text, &p, ret, &to, e);
        if (r < 0)
            return r;
        if (!*p)
            break;
        if (*p++ != '.')
            return wrong(text, "only a dot or a bracket follows a bracket", e);
    }
    if (ret->count == 0)
        return wrong(text, "it names no key", e);
    ret->is_anywhere = !anchored && ret->count == 1 && strcmp(name_rule_key(ret, 0), "**") != 0 && !ret->has_index;
    return 0;
}
