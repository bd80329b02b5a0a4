/* How what a key holds compares with a literal. */
#include "lib/base/check.h"
#include "lib/base/num.h"
#include "lib/base/opt.h"
#include "lib/base/time_text.h"
#include "lib/where/glob.h"
#include "lib/where/internal.h"

#include <stdlib.h>
#include <string.h>

static bool accepts(const struct where_node *n, int order)
{
    return n->accepts >> (order + 1) & 1;
}

/* The literal as a number of the value's kind; false when it is none. */
static bool literal_number(const struct where_literal *l, enum where_kind kind, long double *ret)
{
    switch (kind) {
    case WHERE_VALUE_NULL:
        *ret = 0;
        return strcmp(l->text, "null") == 0;
    case WHERE_VALUE_BOOL:
        *ret = strcmp(l->text, "true") == 0 || strcmp(l->text, "1") == 0;
        return *ret != 0 || strcmp(l->text, "false") == 0 || strcmp(l->text, "0") == 0;
    case WHERE_VALUE_LEVEL:
        *ret = l->level;
        return l->level != 0;
    case WHERE_VALUE_TIME:
        *ret = (long double)l->time_ns;
        return l->is_time;
    case WHERE_VALUE_DURATION: /* a bare number is in nanoseconds, as the field is */
        *ret = l->is_number ? l->number : (long double)l->duration_ns;
        return l->is_number || l->is_duration;
    default:
        *ret = l->number;
        return l->is_number && !l->quoted;
    }
}

static bool texts_compare(const struct where_node *n, const char *data, size_t len)
{
    const size_t both = len < n->value.len ? len : n->value.len;
    int order = both ? memcmp(data, n->value.text, both) : 0;
    if (order == 0)
        return accepts(n, len < n->value.len ? -1 : len > n->value.len);
    return accepts(n, order < 0 ? -1 : 1);
}

/* NULL: it has none. */
static const char *errno_name(const struct where_value *v)
{
    return v->number > 0 && v->number < 4096 ? strerrorname_np((int)v->number) : NULL;
}

static bool numbers_compare(const struct where_node *n, const struct where_value *v)
{
    long double want;
    const char *const name = v->kind == WHERE_VALUE_ERRNO && !n->value.is_number ? errno_name(v) : NULL;
    if (name && (n->op == WHERE_EQ || n->op == WHERE_NE))
        return texts_compare(n, name, strlen(name));
    if (!literal_number(&n->value, v->kind, &want))
        return n->op == WHERE_NE; /* 5 is not "abc" */
    if (v->number != v->number || want != want) /* NaN */
        return n->op == WHERE_NE;
    return accepts(n, v->number < want ? -1 : v->number > want);
}

enum { MADE_MAX = 64 };
_Static_assert(MADE_MAX > (int)TIME_TEXT_MAX && MADE_MAX > (int)NUM_DOUBLE_MAX, "all that is made fits");

static char *put_number(long double n, char *out)
{
    if (n >= -0x1p63L && n < 0x1p63L && n == (long double)(int64_t)n)
        return num_i64(out, (int64_t)n);
    if (n > 0 && n < 0x1p64L && n == (long double)(uint64_t)n)
        return num_u64(out, (uint64_t)n);
    return num_f64(out, (double)n, NUM_ECMA);
}

/* What is no text as it is shown; `made` may be used for it. */
static struct fapilog_text text_of(const struct where_value *v, char made[MADE_MAX])
{
    struct time_text time = {0};
    const char *name = NULL;
    switch (v->kind) {
    case WHERE_VALUE_TEXT:  return (struct fapilog_text){v->data, (uint32_t)v->len};
    case WHERE_VALUE_NULL:  name = "null"; break;
    case WHERE_VALUE_BOOL:  name = v->number != 0 ? "true" : "false"; break;
    case WHERE_VALUE_LEVEL: name = opt_level_name((uint8_t)v->number); break;
    case WHERE_VALUE_ERRNO: name = errno_name(v); break;
    case WHERE_VALUE_TIME:
        return (struct fapilog_text){made, (uint32_t)(time_text_write(&time, (int64_t)v->number, 9, made) - made)};
    default: break;
    }
    return name ? (struct fapilog_text){name, (uint32_t)strlen(name)} :
           (struct fapilog_text){made, (uint32_t)(put_number(v->number, made) - made)};
}

static bool like(const struct where_literal *l, const struct where_value *v)
{
    char made[MADE_MAX];
    const struct fapilog_text text = text_of(v, made);
    const char *const data = text.data;
    const size_t len = text.len;
    if (l->is_pattern)
        return glob_matches(l->text, l->len, data, len);
    return l->len == 0 || (len && memmem(data, len, l->text, l->len) != NULL);
}

static bool value_matches(const struct where_node *n, const struct where_value *v)
{
    if (v->kind == WHERE_VALUE_NONE)
        return false;
    if (n->op == WHERE_SET)
        return v->kind == WHERE_VALUE_TEXT ? v->len > 0 : v->kind != WHERE_VALUE_NULL && v->number != 0;
    if (n->op == WHERE_LIKE)
        return like(&n->value, v);
    return v->kind == WHERE_VALUE_TEXT ? texts_compare(n, v->data, v->len) : numbers_compare(n, v);
}

static bool long_matches(const struct where_node *n, const struct fapilog_record *r)
{
    struct where_value v;
    where_key_find(n->key, r, &v);
    const bool matches = value_matches(n, &v);
    if (unlikely(v.made != NULL))
        free(v.made);
    return matches;
}

static bool integer_matches(const struct where_node *n, const struct fapilog_record *r)
{
    const struct fapilog_field *const f = where_key_field(n->key, r);
    const int64_t want = n->value.integer;
    if (!f)
        return false;
    switch (f->type) {
    case FAPILOG_TYPE_I8: case FAPILOG_TYPE_I16: case FAPILOG_TYPE_I32: case FAPILOG_TYPE_I64: case FAPILOG_TYPE_ERRNO:
        return accepts(n, (f->v.i64 > want) - (f->v.i64 < want));
    case FAPILOG_TYPE_U8: case FAPILOG_TYPE_U16: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_U64:
    case FAPILOG_TYPE_POINTER:
        return accepts(n, want < 0 ? 1 : (f->v.u64 > (uint64_t)want) - (f->v.u64 < (uint64_t)want));
    default:
        return long_matches(n, r);
    }
}

static bool leaf_matches(const struct where_node *n, const struct fapilog_record *r)
{
    if (n->shortcut == WHERE_SHORT_INTEGER)
        return integer_matches(n, r);
    if (n->shortcut == WHERE_SHORT_LEVEL)
        return accepts(n, (r->level > n->value.level) - (r->level < n->value.level));
    return long_matches(n, r);
}

static bool node_matches(const struct where *w, unsigned i, const struct fapilog_record *r)
{
    const struct where_node *n = &w->nodes[i];
    switch (n->op) {
    case WHERE_OR: return node_matches(w, n->left, r) || node_matches(w, n->right, r);
    case WHERE_AND: return node_matches(w, n->left, r) && node_matches(w, n->right, r);
    case WHERE_NOT: return !node_matches(w, n->left, r);
    default: return leaf_matches(n, r);
    }
}

bool where_matches(struct where *w, const struct fapilog_record *r)
{
    return node_matches(w, w->root, r);
}
