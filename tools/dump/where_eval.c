/* What a key holds in a record, and how it compares with a literal. */
#include "tools/dump/where_internal.h"

#include "collector/format/gather.h"
#include "collector/format/printf_text.h"
#include "collector/format/text.h"
#include "collector/format/values.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_kind {
    VALUE_NONE,
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_NUMBER,
    VALUE_LEVEL,
    VALUE_TIME,
    VALUE_DURATION,
    VALUE_TEXT
};

struct value {
    enum value_kind kind;
    long double number; /* all kinds but TEXT: levels and times too */
    const char *data;
    size_t len;
    char scratch[64]; /* of texts that had to be made */
    char *made;       /* of a formatted message; freed by the caller */
};

static void set_number(struct value *v, enum value_kind kind, long double n)
{
    v->kind = kind;
    v->number = n;
}

static void set_text(struct value *v, const char *data, size_t len)
{
    v->kind = VALUE_TEXT;
    v->data = data;
    v->len = len;
}

static void set_hex(struct value *v, const char *bytes, uint32_t len, bool is_uuid)
{
    char *out = v->scratch;
    for (uint32_t i = 0; i < len && i < 16; i++) {
        if (is_uuid && (i == 4 || i == 6 || i == 8 || i == 10))
            *out++ = '-';
        *out++ = "0123456789abcdef"[(uint8_t)bytes[i] >> 4];
        *out++ = "0123456789abcdef"[(uint8_t)bytes[i] & 15];
    }
    set_text(v, v->scratch, (size_t)(out - v->scratch));
}

static void set_address(struct value *v, int family, const char *bytes)
{
    if (inet_ntop(family, bytes, v->scratch, sizeof v->scratch))
        set_text(v, v->scratch, strlen(v->scratch));
}

static void set_field(struct value *v, const struct fapilog_field *f)
{
    switch ((enum fapilog_type)f->type) {
    case FAPILOG_TYPE_NULL: set_number(v, VALUE_NULL, 0); break;
    case FAPILOG_TYPE_BOOL: set_number(v, VALUE_BOOL, f->v.u64 != 0); break;
    case FAPILOG_TYPE_I8:
    case FAPILOG_TYPE_I16:
    case FAPILOG_TYPE_I32:
    case FAPILOG_TYPE_I64:
    case FAPILOG_TYPE_ERRNO: set_number(v, VALUE_NUMBER, (long double)f->v.i64); break;
    case FAPILOG_TYPE_U8:
    case FAPILOG_TYPE_U16:
    case FAPILOG_TYPE_U32:
    case FAPILOG_TYPE_U64:
    case FAPILOG_TYPE_POINTER: set_number(v, VALUE_NUMBER, (long double)f->v.u64); break;
    case FAPILOG_TYPE_F32:
    case FAPILOG_TYPE_F64: set_number(v, VALUE_NUMBER, (long double)f->v.f64); break;
    case FAPILOG_TYPE_TIME: set_number(v, VALUE_TIME, (long double)f->v.i64); break;
    case FAPILOG_TYPE_DURATION: set_number(v, VALUE_DURATION, (long double)f->v.i64); break;
    case FAPILOG_TYPE_CHAR:
        v->scratch[0] = (char)f->v.u64;
        set_text(v, v->scratch, 1);
        break;
    case FAPILOG_TYPE_IPV4: set_address(v, AF_INET, f->v.data); break;
    case FAPILOG_TYPE_IPV6: set_address(v, AF_INET6, f->v.data); break;
    case FAPILOG_TYPE_UUID: set_hex(v, f->v.data, f->len, true); break;
    case FAPILOG_TYPE_TRACE_ID:
    case FAPILOG_TYPE_SPAN_ID: set_hex(v, f->v.data, f->len, false); break;
    case FAPILOG_TYPE_STRING:
    case FAPILOG_TYPE_BYTES:
    case FAPILOG_TYPE_JSON:
    case FAPILOG_TYPE_STACK: set_text(v, f->v.data, f->len); break;
    case FAPILOG_TYPE_COUNT: break;
    }
}

static bool find_field(struct value *v, const char *key, const struct fapilog_field *fields, uint32_t count)
{
    const size_t len = strlen(key);
    for (uint32_t i = 0; i < count; i++) {
        const struct fapilog_field *f = &fields[i];
        const struct fapilog_text role = f->role ? gather_role_name(f->role) : (struct fapilog_text){0};
        if ((f->name.len == len && memcmp(f->name.data, key, len) == 0) ||
            (role.len && role.len == len && memcmp(role.data, key, len) == 0)) {
            set_field(v, f);
            return true;
        }
    }
    return false;
}

static void set_view(struct value *v, struct fapilog_text t)
{
    set_text(v, t.data, t.len);
}

/* A printf-style message is what its reader would see, not its format string. */
static void set_message(struct value *v, const struct fapilog_record *r)
{
    set_view(v, r->message);
    if (!r->site || !r->site->is_printf)
        return;
    size_t bound = r->message.len * (size_t)JSON_ESCAPE_FACTOR + VALUE_SLACK + printf_text_bound(r);
    for (uint32_t i = 0; i < r->fields_count; i++)
        bound += value_bound(&r->fields[i]);
    unsigned flags = 0;
    v->made = malloc(bound);
    if (v->made)
        set_text(v, v->made, (size_t)(printf_text_write(r, text_clean, v->made, &flags) - v->made));
}

static bool find_builtin(struct value *v, const char *key, const struct fapilog_record *r)
{
    static const struct fapilog_site no_site;
    static const struct fapilog_process_info no_process;
    const struct fapilog_site *site = r->site ? r->site : &no_site;
    const struct fapilog_process_info *process = r->process ? r->process : &no_process;
    const struct { const char *key; struct fapilog_text text; } texts[] = {
        {"service", r->logger ? r->logger->service : process->service},
        {"logger", r->logger ? r->logger->name : (struct fapilog_text){0}},
        {"thread", r->thread}, {"host", process->host}, {"env", process->env}, {"version", process->version},
        {"file", site->file}, {"function", site->function},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].key) == 0) {
            set_view(v, texts[i].text);
            return true;
        }
    }
    if (strcmp(key, "message") == 0)
        set_message(v, r);
    else if (strcmp(key, "level") == 0)
        set_number(v, VALUE_LEVEL, r->level);
    else if (strcmp(key, "time") == 0)
        set_number(v, VALUE_TIME, (long double)r->time_ns);
    else if (strcmp(key, "pid") == 0)
        set_number(v, VALUE_NUMBER, process->pid);
    else if (strcmp(key, "tid") == 0)
        set_number(v, VALUE_NUMBER, r->tid);
    else if (strcmp(key, "line") == 0)
        set_number(v, VALUE_NUMBER, site->line);
    return v->kind != VALUE_NONE;
}

static void find(struct value *v, const struct where_node *n, const struct fapilog_record *r)
{
    if ((!n->field_only && find_builtin(v, n->key, r)) || find_field(v, n->key, r->fields, r->fields_count) ||
        (r->context && find_field(v, n->key, r->context->fields, r->context->fields_count)))
        return;
    if (r->logger)
        (void)find_field(v, n->key, r->logger->fields, r->logger->fields_count);
}

static bool ordered(enum where_op op, int order)
{
    switch (op) {
    case WHERE_EQ: return order == 0;
    case WHERE_NE: return order != 0;
    case WHERE_LT: return order < 0;
    case WHERE_LE: return order <= 0;
    case WHERE_GT: return order > 0;
    case WHERE_GE: return order >= 0;
    default: return false;
    }
}

/* The literal as a number of the value's kind; false when it is none. */
static bool literal_number(const struct where_literal *l, enum value_kind kind, long double *ret)
{
    switch (kind) {
    case VALUE_NULL:
        *ret = 0;
        return strcmp(l->text, "null") == 0;
    case VALUE_BOOL:
        *ret = strcmp(l->text, "true") == 0 || strcmp(l->text, "1") == 0;
        return *ret != 0 || strcmp(l->text, "false") == 0 || strcmp(l->text, "0") == 0;
    case VALUE_LEVEL:
        *ret = l->level;
        return l->level != 0;
    case VALUE_TIME:
        *ret = (long double)l->time_ns;
        return l->is_time;
    case VALUE_DURATION: /* a bare number is in nanoseconds, as the field is */
        *ret = l->is_number ? l->number : (long double)l->duration_ns;
        return l->is_number || l->is_duration;
    default:
        *ret = l->number;
        return l->is_number && !l->quoted;
    }
}

static bool numbers_compare(const struct where_node *n, const struct value *v)
{
    long double want;
    if (!literal_number(&n->value, v->kind, &want))
        return n->op == WHERE_NE; /* 5 is not "abc" */
    if (v->number != v->number || want != want) /* NaN */
        return n->op == WHERE_NE;
    return ordered(n->op, v->number < want ? -1 : v->number > want);
}

static bool texts_compare(const struct where_node *n, const struct value *v)
{
    const size_t both = v->len < n->value.len ? v->len : n->value.len;
    int order = both ? memcmp(v->data, n->value.text, both) : 0;
    if (order == 0)
        order = v->len < n->value.len ? -1 : v->len > n->value.len;
    return ordered(n->op, order);
}

static bool like(const struct where_literal *l, const struct value *v)
{
    char made[64];
    const char *data = v->data;
    size_t len = v->len;
    if (v->kind != VALUE_TEXT) {
        len = (size_t)snprintf(made, sizeof made, "%.17Lg", v->number);
        data = made;
    }
    if (!strpbrk(l->text, "*?"))
        return l->len == 0 || (len && memmem(data, len, l->text, l->len) != NULL);
    char *z = malloc(len + 1);
    if (!z)
        return false;
    if (len)
        memcpy(z, data, len);
    z[len] = '\0';
    const bool matches = fnmatch(l->text, z, FNM_NOESCAPE) == 0;
    free(z);
    return matches;
}

static bool value_matches(const struct where_node *n, const struct value *v)
{
    if (v->kind == VALUE_NONE)
        return false;
    if (n->op == WHERE_SET)
        return v->kind == VALUE_TEXT ? v->len > 0 : v->kind != VALUE_NULL && v->number != 0;
    if (n->op == WHERE_LIKE)
        return like(&n->value, v);
    return v->kind == VALUE_TEXT ? texts_compare(n, v) : numbers_compare(n, v);
}

static bool leaf_matches(const struct where_node *n, const struct fapilog_record *r)
{
    struct value v = {0};
    find(&v, n, r);
    const bool matches = value_matches(n, &v);
    free(v.made);
    return matches;
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

bool where_matches(const struct where *w, const struct fapilog_record *r)
{
    return node_matches(w, w->root, r);
}
