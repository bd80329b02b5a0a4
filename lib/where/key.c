#include "lib/where/key.h"

#include "lib/base/bytes_text.h"
#include "lib/base/check.h"
#include "lib/reader/role.h"
#include "lib/where/where.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SITES_REMEMBERED = 64, NOT_THERE = -1 };

enum member {
    MEMBER_NONE, MEMBER_LEVEL, MEMBER_MESSAGE, MEMBER_LOGGER, MEMBER_SERVICE, MEMBER_HOST, MEMBER_ENV,
    MEMBER_VERSION, MEMBER_PID, MEMBER_TID, MEMBER_THREAD, MEMBER_TIME, MEMBER_FILE, MEMBER_LINE,
    MEMBER_FUNCTION, MEMBER_COUNT
};
static const char *const member_names[MEMBER_COUNT] = {
    "", "level", "message", "logger", "service", "host", "env", "version", "pid", "tid", "thread", "time", "file",
    "line", "function",
};

/* Where the name is in the records of a call site. A site's address alone does not identify it: segments come
 * and go, and memory is used again; the segment's uuid beside it does. */
struct remembered {
    const struct fapilog_site *site;
    uint64_t uuid[2];
    int32_t index;
};

struct where_key {
    enum member member;
    uint32_t len;
    char *name;
    struct remembered site[]; /* SITES_REMEMBERED, or none for a member */
};

char *(*where_message_text)(const struct fapilog_record *r, size_t *ret_len);

int where_key_new(const char *name, bool field_only, struct where_key **ret)
{
    enum member member = MEMBER_NONE;
    for (unsigned m = 1; m < MEMBER_COUNT && !field_only; m++)
        if (strcmp(name, member_names[m]) == 0)
            member = m;
    const size_t sites = member == MEMBER_NONE ? SITES_REMEMBERED : 0;
    struct where_key *const k = calloc(1, sizeof *k + sites * sizeof k->site[0]);
    if (!k)
        return -ENOMEM;
    k->member = member;
    k->len = (uint32_t)strlen(name);
    k->name = strdup(name);
    if (!k->name) {
        free(k);
        return -ENOMEM;
    }
    *ret = k;
    return 0;
}

void where_key_free(struct where_key *k)
{
    if (!k)
        return;
    free(k->name);
    free(k);
}

bool where_key_is_field(const struct where_key *k)
{
    return k->member == MEMBER_NONE;
}

const char *where_key_name(const struct where_key *k)
{
    return k->name;
}

const char *where_key_member(unsigned i)
{
    return i + 1 < MEMBER_COUNT ? member_names[i + 1] : NULL;
}

enum where_kind where_key_kind(const struct where_key *k)
{
    switch (k->member) {
    case MEMBER_NONE:  return WHERE_VALUE_NONE;
    case MEMBER_LEVEL: return WHERE_VALUE_LEVEL;
    case MEMBER_TIME:  return WHERE_VALUE_TIME;
    case MEMBER_PID: case MEMBER_TID: case MEMBER_LINE:
        return WHERE_VALUE_NUMBER;
    default:           return WHERE_VALUE_TEXT;
    }
}

/* ---- values ---- */

static void set_number(struct where_value *v, enum where_kind kind, long double n)
{
    v->kind = kind;
    v->number = n;
}

static void set_text(struct where_value *v, struct fapilog_text t)
{
    v->kind = WHERE_VALUE_TEXT;
    v->data = t.data;
    v->len = t.len;
}

/* In v->scratch, up to `end`; by the functions that formats use, so that what is shown is what is compared. */
static void set_made(struct where_value *v, const char *end)
{
    set_text(v, (struct fapilog_text){v->scratch, (uint32_t)(end - v->scratch)});
}

static void set_field(struct where_value *v, const struct fapilog_field *f)
{
    switch ((enum fapilog_type)f->type) {
    case FAPILOG_TYPE_NULL: set_number(v, WHERE_VALUE_NULL, 0); break;
    case FAPILOG_TYPE_BOOL: set_number(v, WHERE_VALUE_BOOL, f->v.u64 != 0); break;
    case FAPILOG_TYPE_I8:
    case FAPILOG_TYPE_I16:
    case FAPILOG_TYPE_I32:
    case FAPILOG_TYPE_I64: set_number(v, WHERE_VALUE_NUMBER, (long double)f->v.i64); break;
    case FAPILOG_TYPE_ERRNO: set_number(v, WHERE_VALUE_ERRNO, (long double)f->v.i64); break;
    case FAPILOG_TYPE_U8:
    case FAPILOG_TYPE_U16:
    case FAPILOG_TYPE_U32:
    case FAPILOG_TYPE_U64:
    case FAPILOG_TYPE_POINTER: set_number(v, WHERE_VALUE_NUMBER, (long double)f->v.u64); break;
    case FAPILOG_TYPE_F32:
    case FAPILOG_TYPE_F64: set_number(v, WHERE_VALUE_NUMBER, (long double)f->v.f64); break;
    case FAPILOG_TYPE_TIME: set_number(v, WHERE_VALUE_TIME, (long double)f->v.i64); break;
    case FAPILOG_TYPE_DURATION: set_number(v, WHERE_VALUE_DURATION, (long double)f->v.i64); break;
    case FAPILOG_TYPE_CHAR:
        v->scratch[0] = (char)f->v.u64;
        set_text(v, (struct fapilog_text){v->scratch, 1});
        break;
    case FAPILOG_TYPE_IPV4: set_made(v, ipv4_write((const uint8_t *)f->v.data, v->scratch)); break;
    case FAPILOG_TYPE_IPV6: set_made(v, ipv6_write((const uint8_t *)f->v.data, v->scratch)); break;
    case FAPILOG_TYPE_UUID: set_made(v, uuid_write((const uint8_t *)f->v.data, v->scratch)); break;
    case FAPILOG_TYPE_TRACE_ID: set_made(v, hex_write(f->v.data, 16, v->scratch)); break;
    case FAPILOG_TYPE_SPAN_ID: set_made(v, hex_write(f->v.data, 8, v->scratch)); break;
    case FAPILOG_TYPE_STRING:
    case FAPILOG_TYPE_BYTES:
    case FAPILOG_TYPE_JSON:
    case FAPILOG_TYPE_STACK: set_text(v, (struct fapilog_text){f->v.data, f->len}); break;
    case FAPILOG_TYPE_COUNT: break;
    }
}

void where_value_of(const struct fapilog_field *f, struct where_value *ret)
{
    ret->kind = WHERE_VALUE_NONE;
    ret->made = NULL;
    set_field(ret, f);
}

/* ---- fields ---- */

static bool is_called(const struct where_key *k, const struct fapilog_field *f)
{
    if (f->name.len == k->len && memcmp(f->name.data, k->name, k->len) == 0)
        return k->len != 0; /* arguments of a printf-style message have no name */
    if (likely(f->role == FAPILOG_ROLE_DATA))
        return false;
    const struct fapilog_text role = role_name(f->role);
    return role.len && role.len == k->len && memcmp(role.data, k->name, k->len) == 0;
}

static int32_t index_in(const struct where_key *k, const struct fapilog_field *fields, uint32_t count)
{
    for (uint32_t i = count; i-- > 0;) /* the last one of a name is the one that is printed */
        if (is_called(k, &fields[i]))
            return (int32_t)i;
    return NOT_THERE;
}

/* Whether stages have left the list of names as the call site has it. */
static bool names_are_the_sites(const struct fapilog_record *r)
{
    const struct fapilog_site *const s = r->site;
    uintptr_t differs = r->fields_count ^ s->fields_count;
    for (uint32_t i = 0; i < s->fields_count && !differs; i++)
        differs |= (uintptr_t)r->fields[i].name.data ^ (uintptr_t)s->fields[i].name.data;
    return differs == 0;
}

/* The place that is remembered still holds the name: texts of names are the site's own. */
static inline const struct fapilog_field *field_at(const struct fapilog_record *r, uint32_t i)
{
    if (likely(i < r->fields_count && i < r->site->fields_count &&
               r->fields[i].name.data == r->site->fields[i].name.data))
        return &r->fields[i];
    return NULL;
}

static const struct fapilog_field *search_call(struct where_key *k, const struct fapilog_record *r,
                                               struct remembered *m)
{
    const int32_t i = index_in(k, r->fields, r->fields_count);
    if (m && names_are_the_sites(r)) {
        *m = (struct remembered){.site = r->site, .index = i};
        memcpy(m->uuid, r->process->uuid, sizeof m->uuid);
    }
    return i == NOT_THERE ? NULL : &r->fields[i];
}

static inline const struct fapilog_field *field_of_call(struct where_key *k, const struct fapilog_record *r)
{
    if (unlikely(!r->site || !r->process))
        return search_call(k, r, NULL);
    struct remembered *const m = &k->site[((uintptr_t)r->site >> 6 ^ (uintptr_t)r->site >> 12) % SITES_REMEMBERED];
    if (unlikely(m->site != r->site || memcmp(m->uuid, r->process->uuid, sizeof m->uuid) != 0))
        return search_call(k, r, m);
    if (m->index == NOT_THERE)
        return names_are_the_sites(r) ? NULL : search_call(k, r, NULL);
    const struct fapilog_field *const f = field_at(r, (uint32_t)m->index);
    return likely(f != NULL) ? f : search_call(k, r, NULL);
}

const struct fapilog_field *where_key_field(struct where_key *k, const struct fapilog_record *r)
{
    if (k->member != MEMBER_NONE)
        return NULL;
    const struct fapilog_field *const f = field_of_call(k, r);
    int32_t i;
    if (likely(f != NULL))
        return f;
    if (r->context && (i = index_in(k, r->context->fields, r->context->fields_count)) != NOT_THERE)
        return &r->context->fields[i];
    if (r->logger && (i = index_in(k, r->logger->fields, r->logger->fields_count)) != NOT_THERE)
        return &r->logger->fields[i];
    if (r->process && (i = index_in(k, r->process->enriched, r->process->enriched_count)) != NOT_THERE)
        return &r->process->enriched[i];
    return NULL;
}

bool where_key_hides_field(const struct where_key *k, const struct fapilog_record *r)
{
    if (k->member == MEMBER_NONE)
        return false;
    return index_in(k, r->fields, r->fields_count) != NOT_THERE ||
           (r->context && index_in(k, r->context->fields, r->context->fields_count) != NOT_THERE) ||
           (r->logger && index_in(k, r->logger->fields, r->logger->fields_count) != NOT_THERE);
}

/* ---- members ---- */

/* A printf-style message is what its reader would see, not its format string. */
static void set_message(struct where_value *v, const struct fapilog_record *r)
{
    set_text(v, r->message);
    if (!r->site || !r->site->is_printf || !where_message_text || r->message.data != r->site->message.data)
        return;
    size_t len = 0;
    v->made = where_message_text(r, &len);
    if (v->made) {
        v->data = v->made;
        v->len = len;
    }
}

static void set_member(struct where_value *v, enum member member, const struct fapilog_record *r)
{
    static const struct fapilog_site no_site;
    static const struct fapilog_process_info no_process;
    const struct fapilog_site *const source = fapilog_record_source(r), *const site = source ? source : &no_site;
    const struct fapilog_process_info *const process = r->process ? r->process : &no_process;
    switch (member) {
    case MEMBER_LEVEL: set_number(v, WHERE_VALUE_LEVEL, r->level); break;
    case MEMBER_MESSAGE: set_message(v, r); break;
    case MEMBER_LOGGER: set_text(v, r->logger ? r->logger->name : (struct fapilog_text){0}); break;
    case MEMBER_SERVICE:
        set_text(v, r->logger && r->logger->service.len ? r->logger->service : process->service);
        break;
    case MEMBER_HOST: set_text(v, process->host); break;
    case MEMBER_ENV: set_text(v, process->env); break;
    case MEMBER_VERSION: set_text(v, process->version); break;
    case MEMBER_PID: set_number(v, WHERE_VALUE_NUMBER, process->pid); break;
    case MEMBER_TID: set_number(v, WHERE_VALUE_NUMBER, r->tid); break;
    case MEMBER_THREAD: set_text(v, r->thread); break;
    case MEMBER_TIME: set_number(v, WHERE_VALUE_TIME, (long double)r->time_ns); break;
    case MEMBER_FILE: set_text(v, site->file); break;
    case MEMBER_LINE: set_number(v, WHERE_VALUE_NUMBER, site->line); break;
    case MEMBER_FUNCTION: set_text(v, site->function); break;
    case MEMBER_NONE:
    case MEMBER_COUNT: break;
    }
}

void where_key_find(struct where_key *k, const struct fapilog_record *r, struct where_value *ret)
{
    ret->kind = WHERE_VALUE_NONE;
    ret->made = NULL;
    if (k->member != MEMBER_NONE) {
        set_member(ret, k->member, r);
        return;
    }
    const struct fapilog_field *const f = where_key_field(k, r);
    if (f)
        set_field(ret, f);
}
