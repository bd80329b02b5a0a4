#include "collector/sinks/loki.h"

#include "collector/format/gather.h"
#include "collector/format/level.h"
#include "collector/format/values.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES = 256 };

/* ---- names and values ---- */

static const bool is_plain[256] = {['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['_'] = true};

/* [A-Za-z_][A-Za-z0-9_]*, at most LOKI_LABEL_MAX. */
static void set_name(struct loki_label *l, const char *name)
{
    size_t n = 0;
    if (*name >= '0' && *name <= '9')
        l->name[n++] = '_';
    for (; *name && n < LOKI_LABEL_MAX; name++)
        l->name[n++] = is_plain[(unsigned char)*name] ? *name : '_';
    l->name[n] = '\0';
    l->name_len = (uint16_t)n;
}

/* Text of a record is copied byte by byte: each is looked at once. */
static char *put_value(char *out, struct fapilog_text text)
{
    const uint32_t len = text.len < LOKI_LABEL_MAX ? text.len : LOKI_LABEL_MAX;
    for (uint32_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        *out++ = is_plain[c] || c == '-' ? (char)c : '_';
    }
    return out;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct loki_label *)a)->name, ((const struct loki_label *)b)->name);
}

/* ---- what they are made of ---- */

static void set_source(struct loki_label *l, const char *key)
{
    static const struct { const char *key; enum loki_source source; } known[] = {
        {"level", LOKI_LEVEL}, {"logger", LOKI_LOGGER}, {"service", LOKI_SERVICE}, {"env", LOKI_ENV},
        {"version", LOKI_VERSION}, {"host", LOKI_HOST}, {"pid", LOKI_PID}, {"thread", LOKI_THREAD},
        {"record_id", LOKI_RECORD_ID},
    };
    l->key = key;
    l->source = LOKI_FIELD;
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        if (strcmp(known[i].key, key) == 0)
            l->source = known[i].source;
    const struct fapilog_field named = {.name = {key, (uint32_t)strlen(key)}};
    l->role = gather_role(&named);
}

static struct loki_label *find(struct loki_labels *l, const char *name)
{
    for (unsigned i = 0; i < l->count; i++)
        if (strcmp(l->label[i].name, name) == 0)
            return &l->label[i];
    return NULL;
}

static int add_fixed(struct loki_labels *l, const struct opt_pair *p, struct err *e)
{
    struct loki_label *label = &l->label[l->count];
    set_name(label, p->key);
    if (find(l, label->name))
        return err_set(e, -EINVAL, "labels: '%s' becomes '%s', which is there already", p->key, label->name);
    char *const end = put_value(label->value, (struct fapilog_text){p->value, (uint32_t)strlen(p->value)});
    *end = '\0';
    label->value_len = (uint16_t)(end - label->value);
    if (!*label->value)
        return err_set(e, -EINVAL, "labels: '%s' has no value", p->key);
    l->count++;
    return 0;
}

/* A key that is also a static label takes the static value for records that do not have it. */
static int add_key(struct loki_labels *l, const char *key, struct err *e)
{
    struct loki_label made = {0}, *label;
    if (strcmp(key, "record_id") == 0)
        return err_set(e, -EINVAL, "label_keys: record_id would make each record a stream; use structured_metadata");
    set_name(&made, key);
    label = find(l, made.name);
    if (label && label->source != LOKI_STATIC)
        return err_set(e, -EINVAL, "label_keys: '%s' becomes '%s', which is there already", key, made.name);
    if (!label) {
        label = &l->label[l->count++];
        *label = made;
    }
    set_source(label, key);
    return 0;
}

/* Where a record has none of the labels: what Loki itself would call it. */
#define NO_LABEL "service_name=\"unknown_service\""

static void prepare_label(struct loki_labels *l, struct loki_label *label)
{
    const bool is_static = label->source == LOKI_STATIC;
    label->text_len = (uint16_t)snprintf(label->text, sizeof label->text, ", %s=\"%s%s", label->name,
                                         is_static ? label->value : "", is_static ? "\"" : "");
    CHECK(label->text_len < sizeof label->text);
    l->bound += label->text_len + (is_static ? 0 : LOKI_LABEL_MAX + 1);
}

static char *write_group(const struct loki_labels *l, const struct fapilog_record *r, char *out);

static void keep_groups(struct loki_labels *l)
{
    l->is_by_level = l->bound <= LOKI_KEPT_BYTES;
    for (unsigned i = 0; i < l->count; i++)
        l->is_by_level &= l->label[i].source == LOKI_STATIC || l->label[i].source == LOKI_LEVEL;
    for (unsigned level = 0; l->is_by_level && level <= FAPILOG_LEVEL_SECURITY; level++) {
        const struct fapilog_record r = {.level = (uint8_t)level};
        const unsigned i = level_name_index(r.level);
        l->by_level[i].len = (uint16_t)(write_group(l, &r, l->by_level[i].text) - l->by_level[i].text);
    }
}

/* What does not change from record to record. */
static void prepare(struct loki_labels *l)
{
    l->bound = sizeof NO_LABEL;
    l->metadata_bound = 0;
    for (unsigned i = 0; i < l->count; i++)
        prepare_label(l, &l->label[i]);
    for (unsigned i = 0; i < l->metadata_count; i++)
        l->metadata_bound += 3 + l->metadata[i].name_len + 3 * LOKI_METADATA_BYTES;
    keep_groups(l);
}

int loki_labels_init(struct loki_labels *l, const struct opt_map *fixed, const struct opt_list *keys,
                     const struct opt_list *metadata, struct err *e)
{
    int r = 0;
    *l = (struct loki_labels){0};
    if (fixed->count + keys->count > LOKI_LABELS_MAX)
        return err_set(e, -E2BIG, "labels: %u with label_keys, allowed are %d", fixed->count + keys->count,
                       LOKI_LABELS_MAX);
    if (fixed->count + keys->count == 0)
        return err_set(e, -EINVAL, "labels: Loki wants at least one; give labels or label_keys");
    if (metadata->count > LOKI_METADATA_MAX)
        return err_set(e, -E2BIG, "structured_metadata: %u keys, allowed are %d", metadata->count, LOKI_METADATA_MAX);
    for (uint32_t i = 0; i < fixed->count && r == 0; i++)
        r = add_fixed(l, &fixed->item[i], e);
    for (uint32_t i = 0; i < keys->count && r == 0; i++)
        r = add_key(l, keys->item[i], e);
    qsort(l->label, l->count, sizeof *l->label, by_name);
    for (uint32_t i = 0; i < metadata->count && r == 0; i++) {
        set_name(&l->metadata[i], metadata->item[i]);
        set_source(&l->metadata[i], metadata->item[i]);
        l->metadata_count++;
    }
    prepare(l);
    return r;
}

/* ---- values of a record ---- */

static bool is_it(const struct loki_label *l, const struct fapilog_field *f)
{
    if (l->role != FAPILOG_ROLE_DATA && gather_role(f) == l->role)
        return true;
    return f->name.len == strlen(l->key) && memcmp(f->name.data, l->key, f->name.len) == 0;
}

/* The call wins over the context, the context over the logger, the last over those before it. */
static const struct fapilog_field *find_field(const struct loki_label *l, const struct fapilog_record *r)
{
    for (uint32_t i = r->fields_count; i-- > 0;)
        if (is_it(l, &r->fields[i]))
            return &r->fields[i];
    for (uint32_t i = r->context ? r->context->fields_count : 0; i-- > 0;)
        if (is_it(l, &r->context->fields[i]))
            return &r->context->fields[i];
    for (uint32_t i = r->logger ? r->logger->fields_count : 0; i-- > 0;)
        if (is_it(l, &r->logger->fields[i]))
            return &r->logger->fields[i];
    return NULL;
}

/* Scalars only; empty: there is nothing to show. */
static struct fapilog_text field_text(const struct fapilog_field *f, char *scratch)
{
    char *end = scratch;
    if (!f || f->type == FAPILOG_TYPE_NULL || f->type == FAPILOG_TYPE_BYTES)
        return (struct fapilog_text){scratch, 0};
    if (f->type == FAPILOG_TYPE_STRING)
        return (struct fapilog_text){f->v.data, f->len};
    if (f->type == FAPILOG_TYPE_CHAR) {
        *scratch = (char)f->v.u64;
        return (struct fapilog_text){scratch, 1};
    }
    if (value_bound(f) > SCRATCH_BYTES || !value_plain(f, NUM_POINT, &end))
        return (struct fapilog_text){scratch, 0};
    return (struct fapilog_text){scratch, (uint32_t)(end - scratch)};
}

static struct fapilog_text record_id(const struct fapilog_record *r, char *scratch)
{
    const char *end = entry_id_write(r->id.uuid, r->id.lane, r->id.generation, r->id.position, scratch);
    return (struct fapilog_text){scratch, (uint32_t)(end - scratch)};
}

static struct fapilog_text value_of(const struct loki_label *l, const struct fapilog_record *r, char *scratch)
{
    static const struct fapilog_process_info nobody;
    const struct fapilog_process_info *p = r->process ? r->process : &nobody;
    const char *end = NULL;
    switch (l->source) {
    case LOKI_STATIC:    return (struct fapilog_text){l->value, l->value_len};
    case LOKI_LEVEL:     return level_name(r->level);
    case LOKI_LOGGER:    return r->logger ? r->logger->name : (struct fapilog_text){scratch, 0};
    case LOKI_SERVICE:   return r->logger && r->logger->service.len ? r->logger->service : p->service;
    case LOKI_ENV:       return p->env;
    case LOKI_VERSION:   return p->version;
    case LOKI_HOST:      return p->host;
    case LOKI_PID:       end = p->pid ? num_u64(scratch, p->pid) : scratch; break;
    case LOKI_THREAD:    return r->thread;
    case LOKI_RECORD_ID: return record_id(r, scratch);
    case LOKI_FIELD:     return field_text(find_field(l, r), scratch);
    }
    return (struct fapilog_text){scratch, (uint32_t)(end - scratch)};
}

/* ---- groups ---- */

/* With what stands for it where the record has none. */
static struct fapilog_text value_or_other(const struct loki_label *l, const struct fapilog_record *r, char *scratch)
{
    const struct fapilog_text value = value_of(l, r, scratch);
    return value.len ? value : (struct fapilog_text){l->value, l->value_len};
}

static char *write_group(const struct loki_labels *l, const struct fapilog_record *r, char *out)
{
    char scratch[SCRATCH_BYTES + VALUE_SLACK];
    const char *const start = out;
    for (unsigned i = 0; i < l->count; i++) {
        const struct loki_label *label = &l->label[i];
        const size_t skip = out == start ? LOKI_SEPARATOR : 0, len = label->text_len - skip;
        const bool is_whole = label->source == LOKI_STATIC;
        const struct fapilog_text value = is_whole ? (struct fapilog_text){0} : value_or_other(label, r, scratch);
        if (!is_whole && value.len == 0)
            continue;
        out = (char *)memcpy(out, label->text + skip, len) + len;
        if (is_whole)
            continue;
        out = put_value(out, value);
        *out++ = '"';
    }
    return out == start ? put_lit(out, NO_LABEL) : out;
}

char *loki_labels_write(const struct loki_labels *l, const struct fapilog_record *r, char *out)
{
    if (!l->is_by_level)
        return write_group(l, r, out);
    const unsigned i = level_name_index(r->level);
    return (char *)memcpy(out, l->by_level[i].text, l->by_level[i].len) + l->by_level[i].len;
}

/* ---- structured metadata ---- */

/* As UTF-8: what is none becomes U+FFFD. Cut at a character. */
static char *put_utf8(char *out, struct fapilog_text text)
{
    char copy[LOKI_METADATA_BYTES];
    const size_t len = text.len < sizeof copy ? text.len : sizeof copy;
    memcpy(copy, text.data, len); /* it may change meanwhile */
    for (size_t i = 0; i < len;) {
        const int n = (unsigned char)copy[i] < 0x80 ? 1 : utf8_sequence((const uint8_t *)copy + i, len - i);
        if (n < 0 && i + (size_t)-n >= len && text.len > len)
            break;
        out = n < 0 ? put_lit(out, UTF8_REPLACEMENT) : (char *)memcpy(out, copy + i, (size_t)n) + n;
        i += (size_t)(n < 0 ? -n : n);
    }
    return out;
}

_Static_assert(LOKI_METADATA_MAX * (3 + LOKI_LABEL_MAX + 3 * LOKI_METADATA_BYTES) < UINT16_MAX, "length of meta");
_Static_assert(LOKI_LABELS_MAX * (2 * LOKI_LABEL_MAX + LOKI_SEPARATOR + 3) + sizeof NO_LABEL < UINT16_MAX,
               "length of group");

char *loki_metadata_write(const struct loki_labels *l, const struct fapilog_record *r, char *out)
{
    char scratch[SCRATCH_BYTES + VALUE_SLACK];
    for (unsigned i = 0; i < l->metadata_count; i++) {
        const struct fapilog_text value = value_of(&l->metadata[i], r, scratch);
        const size_t name_len = l->metadata[i].name_len;
        if (value.len == 0)
            continue;
        *out++ = (char)name_len;
        char *const len_at = (char *)memcpy(out, l->metadata[i].name, name_len) + name_len;
        out = put_utf8(len_at + 2, value);
        const uint16_t len = (uint16_t)(out - len_at - 2);
        memcpy(len_at, &len, sizeof len);
    }
    return out;
}
