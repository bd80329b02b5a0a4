#include "collector/stage/enrich/enriched.h"

#include "collector/stage/retire.h"
#include "lib/base/utf8.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLACK = 16 }; /* formats read text in steps of 16 */

struct copy { /* in the cache slot of the original */
    uint64_t id;
    const struct fapilog_process_info *input;
    struct fapilog_process_info process;
    struct fapilog_field fields[];
};

static const struct { const char *name; size_t member; } members[] = {
    {"service", offsetof(struct fapilog_process_info, service)},
    {"service.name", offsetof(struct fapilog_process_info, service)},
    {"env", offsetof(struct fapilog_process_info, env)},
    {"deployment.environment.name", offsetof(struct fapilog_process_info, env)},
    {"deployment.environment", offsetof(struct fapilog_process_info, env)},
    {"version", offsetof(struct fapilog_process_info, version)},
    {"service.version", offsetof(struct fapilog_process_info, version)},
    {"host", offsetof(struct fapilog_process_info, host)},
    {"host.name", offsetof(struct fapilog_process_info, host)},
    {"pid", SIZE_MAX}, {"process.pid", SIZE_MAX},
};

int enrichment_add(struct enrichment *en, const char *name, size_t name_len, const char *value, size_t len,
                   struct err *e)
{
    uint32_t i = 0;
    if (len == 0)
        return 0;
    if (!utf8_valid(name, name_len)) /* formats have them in order, and as they are */
        return err_set(e, -EINVAL, "the name of a field is not UTF-8 text");
    char *const kept_name = strndup(name, name_len), *const kept = malloc(len + SLACK);
    if (!kept_name || !kept) {
        free(kept_name);
        free(kept);
        return err_set(e, -ENOMEM, "out of memory");
    }
    memcpy(kept, value, len);
    memset(kept + len, 0, SLACK);
    while (i < en->count && strcmp(en->name[i], kept_name) != 0)
        i++;
    if (i == ENRICH_FIELDS_MAX) {
        free(kept_name);
        free(kept);
        return err_set(e, -E2BIG, "more than %d fields", ENRICH_FIELDS_MAX);
    }
    if (i < en->count) {
        free(en->name[i]);
        free(en->value[i]);
    } else {
        en->count++;
    }
    en->name[i] = kept_name;
    en->value[i] = kept;
    return 0;
}

int enrichment_add_text(struct enrichment *en, const char *name, const char *value, struct err *e)
{
    return value ? enrichment_add(en, name, strlen(name), value, strlen(value), e) : 0;
}

static void enrichment_free(struct enrichment *en)
{
    for (uint32_t i = 0; i < en->count; i++) {
        free(en->name[i]);
        free(en->value[i]);
    }
    en->count = 0;
}

int enrich_open(struct stage *s, struct err *e)
{
    struct enrichment *const en = s->state;
    const int r = en->count ? stage_take_slot(s, e) : 0;
    en->id = s->slot;
    for (uint32_t i = 0; i < en->count; i++) {
        en->id = XXH3_64bits_withSeed(en->name[i], strlen(en->name[i]) + 1, en->id);
        en->id = XXH3_64bits_withSeed(en->value[i], strlen(en->value[i]) + 1, en->id);
    }
    return r;
}

void enrich_close(struct stage *s)
{
    enrichment_free(s->state);
}

/* True where the name has a place of its own. */
static bool fill_member(struct fapilog_process_info *p, const char *name, struct fapilog_text value)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(members[i].name, name) != 0)
            continue;
        if (members[i].member != SIZE_MAX) {
            struct fapilog_text *const t = (struct fapilog_text *)((char *)p + members[i].member);
            if (t->len == 0)
                *t = value;
        }
        return true;
    }
    return false;
}

static void put_field(struct copy *c, struct fapilog_text name, struct fapilog_text value)
{
    uint32_t i = 0;
    while (i < c->process.enriched_count && (c->fields[i].name.len != name.len ||
                                             memcmp(c->fields[i].name.data, name.data, name.len) != 0))
        i++;
    c->process.enriched_count += i == c->process.enriched_count;
    c->fields[i] = (struct fapilog_field){.name = name, .type = FAPILOG_TYPE_STRING, .len = value.len,
                                          .v.data = value.data};
}

static struct fapilog_text keep(char **to, const char *text)
{
    const size_t len = strlen(text);
    const struct fapilog_text t = {memcpy(*to, text, len), (uint32_t)len};
    *to += len + SLACK;
    return t;
}

static struct copy *make(const struct enrichment *en, const struct fapilog_process_info *now)
{
    const uint32_t room = now->enriched_count + en->count;
    size_t texts = 0;
    for (uint32_t i = 0; i < en->count; i++)
        texts += strlen(en->name[i]) + strlen(en->value[i]) + 2 * SLACK;
    struct copy *const c = calloc(1, sizeof *c + room * sizeof *c->fields + texts);
    if (!c)
        return NULL;
    char *to = (char *)(c->fields + room);
    c->id = en->id;
    c->input = now;
    c->process = *now;
    memset(c->process.cache, 0, sizeof c->process.cache);
    if (now->enriched_count)
        memcpy(c->fields, now->enriched, now->enriched_count * sizeof *c->fields);
    c->process.enriched = c->fields;
    for (uint32_t i = 0; i < en->count; i++) {
        const struct fapilog_text name = keep(&to, en->name[i]), value = keep(&to, en->value[i]);
        if (!fill_member(&c->process, en->name[i], value))
            put_field(c, name, value);
    }
    return c;
}

enum stage_verdict enrich_run(struct stage *s, struct stage_record *sr)
{
    const struct enrichment *const en = s->state;
    const struct fapilog_process_info *const now = sr->r->process;
    if (!now || en->count == 0)
        return STAGE_PASS;
    void **const place = (void **)&sr->given->process->cache[s->slot]; /* ours to fill, as formats do */
    struct copy *c = *place;
    if (!c || c->id != en->id) {
        c = make(en, now);
        if (!c)
            return STAGE_FAILED;
        stage_retire(*place);
        *place = c;
    }
    if (c->input != now)
        return STAGE_FAILED; /* an earlier enricher had no memory, then or now */
    stage_own(sr)->process = &c->process;
    return STAGE_PASS;
}
