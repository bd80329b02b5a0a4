#include "lib/where/internal.h"

#include "lib/base/opt.h"
#include "lib/where/times.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parser {
    const char *text, *at;
    int64_t now_ns;
    unsigned depth;
    struct where *where;
    struct err *err;
};

static int refuse(const struct parser *p, const char *what)
{
    const size_t column = (size_t)(p->at - p->text) + 1;
    if (!*p->at)
        return err_set(p->err, -EINVAL, "where: %s at the end (column %zu)", what, column);
    return err_set(p->err, -EINVAL, "where: %s at '%.20s' (column %zu)", what, p->at, column);
}

/* Whoever is used to another language should not have to look this one up. */
static const char *operator_hint(const char *at)
{
    static const struct { const char *text, *hint; } habits[] = {
        {"and", "did you mean '&&'?"}, {"&", "did you mean '&&'?"},
        {"or", "did you mean '||'?"},  {"|", "did you mean '||'?"},
    };
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
        const size_t len = strlen(habits[i].text);
        if (strncasecmp(at, habits[i].text, len) == 0 && !isalnum((unsigned char)at[len]))
            return habits[i].hint;
    }
    return "operators are == != < <= > >= ~ && || !";
}

static int refuse_operator(const struct parser *p, const char *what)
{
    return err_wrap(p->err, refuse(p, what), "%s", operator_hint(p->at));
}

static void space_skip(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool take(struct parser *p, const char *token)
{
    space_skip(p);
    if (strncmp(p->at, token, strlen(token)) != 0)
        return false;
    p->at += strlen(token);
    return true;
}

static int node_new(struct parser *p, enum where_op op, unsigned left, unsigned right)
{
    if (p->where->count == WHERE_NODES_MAX)
        return err_set(p->err, -EINVAL, "where: more than %d terms", WHERE_NODES_MAX);
    struct where_node *n = &p->where->nodes[p->where->count];
    n->op = op;
    n->left = left;
    n->right = right;
    return (int)p->where->count++;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_.-:/@+*?%", c)) || (unsigned char)c >= 0x80;
}

/* A word, or quoted text in which \ quotes the next character. */
static int text_take(struct parser *p, char **ret, size_t *ret_len, bool *ret_quoted)
{
    space_skip(p);
    const char quote = *p->at == '"' || *p->at == '\'' ? *p->at++ : 0;
    char *out = malloc(strlen(p->at) + 1);
    size_t len = 0;
    if (!out)
        return err_set(p->err, -ENOMEM, "where: no memory");
    while (*p->at && (quote ? *p->at != quote : is_word(*p->at))) {
        if (quote && *p->at == '\\' && p->at[1])
            p->at++;
        out[len++] = *p->at++;
    }
    if ((quote && *p->at != quote) || (!quote && !len)) {
        free(out);
        if (!quote && *p->at && strchr("=<>!~&|", *p->at)) /* the rest of an operator of another language: =~, === */
            return refuse_operator(p, "a key or value is missing");
        return refuse(p, quote ? "text without its closing quote" : "a key or value is missing");
    }
    p->at += quote != 0;
    out[len] = '\0';
    *ret = out;
    *ret_len = len;
    *ret_quoted = quote != 0;
    return 0;
}

static void literal_understand(const struct parser *p, struct where_literal *v)
{
    char *end;
    uint64_t ns;
    errno = 0;
    v->number = strtold(v->text, &end);
    v->is_number = v->len && end == v->text + v->len && !isspace((unsigned char)v->text[0]);
    v->is_integer = v->is_number && strspn(v->text, "+-0123456789") == v->len;
    if (opt_parse_level(v->text, &v->level) < 0)
        v->level = 0;
    v->is_time = times_parse(v->text, p->now_ns, &v->time_ns) == 0;
    v->is_pattern = strpbrk(v->text, "*?") != NULL;
    v->is_duration = opt_parse_duration(v->text, &ns) == 0 && ns <= INT64_MAX;
    v->duration_ns = v->is_duration ? (int64_t)ns : 0;
}

static enum where_op op_take(struct parser *p)
{
    static const struct { const char *text; enum where_op op; } ops[] = {
        {"==", WHERE_EQ}, {"!=", WHERE_NE}, {"<=", WHERE_LE}, {">=", WHERE_GE},
        {"<", WHERE_LT},  {">", WHERE_GT},  {"~", WHERE_LIKE}, {"=", WHERE_EQ},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (take(p, ops[i].text))
            return ops[i].op;
    }
    return WHERE_SET;
}

static void shortcut_find(struct where_node *n)
{
    static const uint8_t accepts[] = {[WHERE_EQ] = 2, [WHERE_NE] = 5, [WHERE_LT] = 1, [WHERE_LE] = 3, [WHERE_GT] = 4,
                                      [WHERE_GE] = 6, [WHERE_LIKE] = 0};
    struct where_literal *const v = &n->value;
    n->accepts = accepts[n->op];
    if (n->op == WHERE_LIKE)
        return;
    if (where_key_kind(n->key) == WHERE_VALUE_LEVEL) {
        n->shortcut = WHERE_SHORT_LEVEL;
    } else if (where_key_is_field(n->key) && v->is_integer && !v->quoted && v->number >= (long double)INT64_MIN &&
               v->number <= (long double)INT64_MAX) {
        n->shortcut = WHERE_SHORT_INTEGER;
        v->integer = (int64_t)v->number;
    }
}

/* A member of the record is always of one kind: what cannot be compared with it would never match, or always. */
static int literal_check(const struct parser *p, const struct where_node *n, const char *at)
{
    const char *what = NULL;
    const struct where_literal *const v = &n->value;
    switch (n->op == WHERE_LIKE ? WHERE_VALUE_NONE : where_key_kind(n->key)) {
    case WHERE_VALUE_LEVEL:
        what = v->level ? NULL : "level (TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, AUDIT, SECURITY or 1..31)";
        break;
    case WHERE_VALUE_TIME:
        what = v->is_time ? NULL : "time (2026-11-21T08:15:00Z, 14:00, today, 1763712900, -5m or now)";
        break;
    case WHERE_VALUE_NUMBER:
        what = v->is_number && !v->quoted ? NULL : "number";
        break;
    default:
        break;
    }
    return what ? err_set(p->err, -EINVAL, "where: '%.40s' is not a %s (column %zu)", v->text, what,
                          (size_t)(at - p->text) + 1) : 0;
}

static int comparison_parse(struct parser *p)
{
    bool quoted;
    size_t len;
    char *key = NULL;
    const int i = node_new(p, WHERE_SET, 0, 0);
    if (i < 0)
        return i;
    struct where_node *n = &p->where->nodes[i];
    int r = text_take(p, &key, &len, &quoted);
    if (r < 0)
        return r;
    const bool field_only = !quoted && strncmp(key, "fields.", 7) == 0 && key[7];
    r = where_key_new(field_only ? key + 7 : key, field_only, &n->key);
    free(key);
    if (r < 0)
        return err_set(p->err, r, "where: no memory");
    n->op = op_take(p);
    if (n->op == WHERE_SET)
        return i;
    space_skip(p);
    const char *const at = p->at;
    r = text_take(p, &n->value.text, &n->value.len, &n->value.quoted);
    if (r < 0)
        return r;
    literal_understand(p, &n->value);
    r = literal_check(p, n, at);
    if (r < 0)
        return r;
    shortcut_find(n);
    return i;
}

static int or_parse(struct parser *p);

static int unary_parse(struct parser *p)
{
    if (++p->depth > WHERE_DEPTH_MAX)
        return refuse(p, "nested too deeply");
    int r;
    if (take(p, "!")) {
        r = unary_parse(p);
        if (r >= 0)
            r = node_new(p, WHERE_NOT, (unsigned)r, 0);
    } else if (take(p, "(")) {
        r = or_parse(p);
        if (r >= 0 && !take(p, ")"))
            r = refuse(p, "')' is missing");
    } else {
        r = comparison_parse(p);
    }
    p->depth--;
    return r;
}

static int chain_parse(struct parser *p, const char *token, enum where_op op, int (*operand)(struct parser *))
{
    int left = operand(p);
    while (left >= 0 && take(p, token)) {
        const int right = operand(p);
        left = right < 0 ? right : node_new(p, op, (unsigned)left, (unsigned)right);
    }
    return left;
}

static int and_parse(struct parser *p)
{
    return chain_parse(p, "&&", WHERE_AND, unary_parse);
}

static int or_parse(struct parser *p)
{
    return chain_parse(p, "||", WHERE_OR, and_parse);
}

int where_parse(const char *text, int64_t now_ns, struct where **ret, struct err *e)
{
    struct parser p = {
        .text = text, .at = text, .now_ns = now_ns, .where = calloc(1, sizeof *p.where), .err = e};
    if (!p.where)
        return err_set(e, -ENOMEM, "where: no memory");
    int r = or_parse(&p);
    space_skip(&p);
    if (r >= 0 && *p.at)
        r = refuse_operator(&p, "not understood");
    if (r < 0) {
        where_free(p.where);
        return r;
    }
    p.where->root = (unsigned)r;
    *ret = p.where;
    return 0;
}

void where_free(struct where *w)
{
    for (unsigned i = 0; w && i < w->count; i++) {
        where_key_free(w->nodes[i].key);
        free(w->nodes[i].value.text);
    }
    free(w);
}
