#include "collector/stage/redact/names.h"

#include "collector/stage/redact/name_rule.h"
#include "collector/stage/redact/name_set.h"
#include "collector/stage/redact/regex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DECIDED_MAX = 8192, DECIDED_BYTES_MAX = 1 << 20 };

struct pattern {
    struct regex *regex;
    enum names_pattern kind;
};

struct names {
    struct name_set exact, allowed; /* folded */
    struct name_rule *rules;
    uint32_t rules_count;
    char (*suffixes)[NAME_RULE_BYTES];
    uint32_t suffixes_count;
    struct pattern *patterns;
    uint32_t patterns_count;
    bool want_indices, want_any;
    struct name_set decided; /* by path; the seed of the hash is the place */
};

struct names *names_new(void)
{
    return calloc(1, sizeof(struct names));
}

void names_free(struct names *n)
{
    if (!n)
        return;
    for (uint32_t i = 0; i < n->patterns_count; i++)
        regex_free(n->patterns[i].regex);
    name_set_done(&n->exact);
    name_set_done(&n->allowed);
    name_set_done(&n->decided);
    free(n->patterns);
    free(n->suffixes);
    free(n->rules);
    free(n);
}

bool names_is_empty(const struct names *n)
{
    return !n->want_any;
}

bool names_want_indices(const struct names *n)
{
    return n->want_indices;
}

/* ---- adding rules ---- */

static int add_exact(struct name_set *s, const char *name, uint8_t value, struct err *e)
{
    const size_t len = strlen(name);
    if (name_set_add(s, name, len, name_hash(name, len, 0), value) < 0)
        return err_set(e, -ENOMEM, "field '%.200s': out of memory", name);
    return 0;
}

/* One more element behind an array; NULL: no memory. */
static void *one_more(void *array, uint32_t count, size_t size)
{
    return realloc(array, (count + 1) * size);
}

int names_add(struct names *n, const char *text, enum name_action action, struct err *e)
{
    struct name_rule rule;
    int r = name_rule_parse(text, &rule, e);
    if (r < 0)
        return r;
    rule.action = (uint8_t)action;
    n->want_any = true;
    name_set_clear(&n->decided);
    if (rule.is_anywhere && !rule.has_glob)
        return add_exact(&n->exact, name_rule_key(&rule, 0), (uint8_t)action, e);
    struct name_rule *const more = one_more(n->rules, n->rules_count, sizeof *more);
    if (!more)
        return err_set(e, -ENOMEM, "field '%.200s': out of memory", text);
    n->rules = more;
    n->rules[n->rules_count++] = rule;
    n->want_indices |= rule.has_index;
    return 0;
}

int names_add_suffix(struct names *n, const char *suffix, struct err *e)
{
    if (strlen(suffix) == 0 || strlen(suffix) >= sizeof *n->suffixes)
        return err_set(e, -EINVAL, "suffix '%.60s...' is empty or longer than %d bytes", suffix, NAME_RULE_BYTES - 1);
    char(*const more)[NAME_RULE_BYTES] = one_more(n->suffixes, n->suffixes_count, sizeof *more);
    if (!more)
        return err_set(e, -ENOMEM, "suffix '%.200s': out of memory", suffix);
    n->suffixes = more;
    for (size_t i = 0; i <= strlen(suffix); i++)
        n->suffixes[n->suffixes_count][i] = name_fold(suffix[i]);
    n->suffixes_count++;
    n->want_any = true;
    return 0;
}

int names_add_pattern(struct names *n, const char *text, enum names_pattern kind, bool is_unsafe, struct err *e)
{
    struct regex *re;
    const unsigned flags = REGEX_CASELESS | REGEX_KEYS | (kind == NAMES_PATTERN_WHOLE ? REGEX_WHOLE : 0) |
                           (is_unsafe ? REGEX_UNSAFE : 0);
    const int r = regex_new(text, flags, &re, e);
    if (r < 0)
        return r;
    struct pattern *const more = one_more(n->patterns, n->patterns_count, sizeof *more);
    if (!more) {
        regex_free(re);
        return err_set(e, -ENOMEM, "pattern '%.200s': out of memory", text);
    }
    n->patterns = more;
    n->patterns[n->patterns_count++] = (struct pattern){re, kind};
    n->want_any = true;
    return 0;
}

int names_allow(struct names *n, const char *name, struct err *e)
{
    char folded[NAME_RULE_BYTES];
    const size_t len = strlen(name);
    if (len == 0 || len >= sizeof folded)
        return err_set(e, -EINVAL, "allowed field '%.60s' is empty or too long", name);
    for (size_t i = 0; i <= len; i++)
        folded[i] = name_fold(name[i]);
    return add_exact(&n->allowed, folded, 1, e);
}

/* ---- deciding ---- */

/* A key in the two forms that single names are compared in. */
struct forms {
    char folded[NAME_PATH_BYTES], snake[2 * NAME_PATH_BYTES];
    unsigned len, snake_len;
};

static void make_forms(struct forms *f, const char *text, unsigned len)
{
    f->len = len;
    for (unsigned i = 0; i < len; i++)
        f->folded[i] = name_fold(text[i]);
    f->snake_len = name_snake(text, len, f->snake);
}

static int find_form(const struct name_set *s, const struct forms *f)
{
    if (s->count == 0)
        return -1;
    const int v = name_set_find(s, f->folded, f->len, name_hash(f->folded, f->len, 0));
    return v >= 0 ? v : name_set_find(s, f->snake, f->snake_len, name_hash(f->snake, f->snake_len, 0));
}

static bool ends_in(const char *text, unsigned len, const char *suffix)
{
    const size_t n = strlen(suffix);
    return len >= n && memcmp(text + len - n, suffix, n) == 0;
}

static bool has_suffix(const struct names *n, const struct forms *f)
{
    for (uint32_t i = 0; i < n->suffixes_count; i++) {
        if (ends_in(f->folded, f->len, n->suffixes[i]) || ends_in(f->snake, f->snake_len, n->suffixes[i]))
            return true;
    }
    return false;
}

/* What cannot be judged counts as hit. */
static bool is_hit(struct regex *re, const char *text, size_t len)
{
    size_t from, to;
    return regex_find(re, text, len, 0, NULL, &from, &to) != 0;
}

static bool hits_whole(struct regex *re, uint8_t place, const char *path, unsigned len)
{
    static const struct { uint8_t place; const char *name; } places[] = {
        {PLACE_DATA, "data."}, {PLACE_CONTEXT, "context."}, {PLACE_DIAGNOSTICS, "diagnostics."}};
    char text[2 * NAME_PATH_BYTES + 16];
    if (is_hit(re, path, len))
        return true;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!(place & places[i].place))
            continue;
        const size_t n = strlen(places[i].name);
        memcpy(text, places[i].name, n);
        memcpy(text + n, path, len);
        if (is_hit(re, text, n + len))
            return true;
    }
    return false;
}

static bool hits_pattern(const struct pattern *x, const struct name_path *p, unsigned len)
{
    char snake[2 * NAME_PATH_BYTES];
    if (x->kind == NAMES_PATTERN_FIND_DATA && p->place == PLACE_DIAGNOSTICS)
        return false;
    const unsigned snake_len = name_snake(p->text, len, snake);
    if (x->kind != NAMES_PATTERN_WHOLE)
        return is_hit(x->regex, p->text, len) || is_hit(x->regex, snake, snake_len);
    return hits_whole(x->regex, p->place, p->text, len) || hits_whole(x->regex, p->place, snake, snake_len);
}

static enum name_action match_rules(const struct names *n, const struct name_path *p, unsigned count)
{
    struct name_path split;
    const struct name_path *at = p;
    if (n->rules_count && p->place == PLACE_DIAGNOSTICS) { /* dotted rules see the dots */
        name_path_start(&split, PLACE_DATA);
        if (name_path_push(&split, (struct fapilog_text){p->text, p->len})) {
            split.place = PLACE_DIAGNOSTICS;
            at = &split;
            count = split.count;
        }
    }
    for (uint32_t i = 0; i < n->rules_count; i++) {
        if (name_rule_matches(&n->rules[i], at, count))
            return n->rules[i].action;
    }
    return NAME_PASS;
}

/* The first `count` keys of the path, the last of which is the one in question. */
static enum name_action match(const struct names *n, const struct name_path *p, unsigned count)
{
    const struct name_key *const k = &p->key[count - 1];
    struct forms forms;
    if (!k->is_index) {
        make_forms(&forms, p->text + k->at, k->len);
        if (find_form(&n->allowed, &forms) >= 0)
            return NAME_PASS;
        const int exact = find_form(&n->exact, &forms);
        if (exact >= 0)
            return (enum name_action)exact;
        if (has_suffix(n, &forms))
            return NAME_MASK;
    }
    const enum name_action a = match_rules(n, p, count);
    if (a != NAME_PASS)
        return a;
    for (uint32_t i = 0; !k->is_index && i < n->patterns_count; i++) {
        if (hits_pattern(&n->patterns[i], p, (unsigned)k->at + k->len))
            return NAME_MASK;
    }
    return NAME_PASS;
}

enum name_action names_decide(struct names *n, const struct name_path *p)
{
    enum name_action a = NAME_PASS;
    if (!n->want_any || p->count == 0)
        return NAME_PASS;
    const uint64_t hash = name_hash(p->text, p->len, p->place);
    const int known = name_set_find(&n->decided, p->text, p->len, hash);
    if (known >= 0)
        return (enum name_action)known;
    /* A name with dots may have been hit by any of its keys. */
    for (unsigned i = 1; i <= p->count && a == NAME_PASS; i++)
        a = match(n, p, i);
    if (n->decided.count >= DECIDED_MAX || n->decided.text_bytes > DECIDED_BYTES_MAX)
        name_set_clear(&n->decided);
    (void)name_set_add(&n->decided, p->text, p->len, hash, (uint8_t)a); /* without memory it is decided anew */
    return a;
}

enum name_action names_decide_word(struct names *n, const char *name, uint32_t len)
{
    struct name_path p;
    name_path_start(&p, PLACE_DATA);
    return name_path_push(&p, (struct fapilog_text){name, len}) ? names_decide(n, &p) : NAME_PASS;
}
