/* Suppresses a message that repeats within a window, and says at its end how often it was. */
#include "collector/stage/key_fields.h"
#include "collector/stage/stage.h"
#include "lib/base/clock.h"
#include "lib/base/level_mask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_KEPT = 200, UNCUT_MAX = 1024, NAME_KEPT = 64 };

struct config {
    struct opt_list levels, key_fields;
    uint64_t window_ns, max_keys;
};

struct repeat {
    struct table_entry entry;
    uint64_t since_ns;
    uint64_t suppressed;
    int64_t last_time_ns;
    uint8_t level;
    /* of the first suppressed record */
    struct { uint32_t len; char data[NAME_KEPT]; } service, logger, host;
    uint32_t pid;
    uint32_t text_len;
    char text[]; /* its message: room for UNCUT_MAX in front of redactors, for TEXT_KEPT where there are none */
};

struct state {
    struct key_fields key;
    struct where_key *message;
    struct table table; /* in the order in which the windows began */
    uint32_t levels;
    bool has_redactors; /* behind it in the chain: they have to find in the summary what they find in the record */
};

static int dedupe_check(void *config, struct err *e)
{
    const struct config *const cfg = config;
    uint32_t mask;
    if (cfg->key_fields.count == 0 || cfg->key_fields.count > KEY_FIELDS_MAX)
        return err_set(e, -EINVAL, "key_fields: %u names are outside 1..%d", cfg->key_fields.count, KEY_FIELDS_MAX);
    return level_mask_parse(&cfg->levels, "levels", &mask, e);
}

static bool has_redactors(const struct stages *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->stage[i]->ops->group == STAGE_REDACT)
            return true;
    return false;
}

static int dedupe_open(struct stage *s, struct err *e)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    int r = level_mask_parse(&cfg->levels, "levels", &t->levels, e);
    if (r < 0)
        return r;
    if (cfg->levels.count == 0)
        t->levels = LEVEL_MASK_ALL;
    t->has_redactors = has_redactors(s->chain);
    r = key_fields_open(&t->key, (const char *const *)cfg->key_fields.item, cfg->key_fields.count, e);
    if (r < 0)
        return r;
    if (where_key_new("message", false, &t->message) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    const size_t entry = sizeof(struct repeat) + (t->has_redactors ? UNCUT_MAX : TEXT_KEPT);
    if (table_open(&t->table, (uint32_t)cfg->max_keys, entry) < 0)
        return err_set(e, -ENOMEM, "max_keys: no memory for %llu keys", (unsigned long long)cfg->max_keys);
    return 0;
}

static void dedupe_close(struct stage *s)
{
    struct state *const t = s->state;
    key_fields_close(&t->key);
    where_key_free(t->message);
    t->message = NULL;
    table_close(&t->table);
}

/* Cut between characters. */
static uint32_t keep_text(char *to, uint32_t room, const char *data, size_t len)
{
    if (len > room) {
        len = room;
        while (len && ((uint8_t)data[len] & 0xc0) == 0x80)
            len--;
    }
    if (len)
        memcpy(to, data, len);
    return (uint32_t)len;
}

/* The summary has a plain text and no arguments. What redactors mask by the name or the place of an argument they
 * would not find in the text that it went into, nor a secret of which only the beginning is left: for them a format
 * stays as it is, and a text stays whole or out. */
static void keep_message(struct state *t, struct repeat *p, const struct fapilog_record *r)
{
    struct where_value v = {.data = r->message.data, .len = r->message.len};
    const bool is_format = r->site && r->site->is_printf && r->message.data == r->site->message.data;
    if (!is_format || !t->has_redactors)
        where_key_find(t->message, r, &v);
    if (t->has_redactors && v.len > UNCUT_MAX)
        p->text_len = (uint32_t)snprintf(p->text, UNCUT_MAX, "(a message of %zu bytes)", v.len);
    else
        p->text_len = keep_text(p->text, t->has_redactors ? UNCUT_MAX : TEXT_KEPT, v.data, v.len);
    free(v.made);
}

static void keep_record(struct state *t, struct repeat *p, const struct fapilog_record *r)
{
    keep_message(t, p, r);
    if (r->logger) {
        p->service.len = keep_text(p->service.data, NAME_KEPT, r->logger->service.data, r->logger->service.len);
        p->logger.len = keep_text(p->logger.data, NAME_KEPT, r->logger->name.data, r->logger->name.len);
    }
    if (r->process) {
        p->host.len = keep_text(p->host.data, NAME_KEPT, r->process->host.data, r->process->host.len);
        p->pid = r->process->pid;
    }
    p->level = r->level;
}

#define TEXT(s) {(s), sizeof(s) - 1}

static void tell(struct stage *s, const struct repeat *p)
{
    const struct config *const cfg = s->cfg;
    char message[UNCUT_MAX + 64];
    const int head = snprintf(message, sizeof message, "message repeated %llu times: ",
                              (unsigned long long)p->suppressed);
    memcpy(message + head, p->text, p->text_len);
    const struct fapilog_field fields[] = {
        {.name = TEXT("suppressed_count"), .type = FAPILOG_TYPE_U64, .v.u64 = p->suppressed},
        {.name = TEXT("window_seconds"), .type = FAPILOG_TYPE_F64, .v.f64 = (double)cfg->window_ns / NS_PER_S},
    };
    const struct fapilog_logger_info logger = {
        .name = {p->logger.data, p->logger.len}, .service = {p->service.data, p->service.len}};
    const struct fapilog_process_info process = {
        .pid = p->pid, .service = logger.service, .host = {p->host.data, p->host.len}};
    const struct fapilog_record r = {
        .time_ns = p->last_time_ns, .level = p->level, .message = {message, (uint32_t)head + p->text_len},
        .logger = &logger, .process = &process, .fields = fields,
        .fields_count = sizeof fields / sizeof fields[0]};
    stage_emit(s, &r);
}

static bool may_finish(const struct stage *s, const struct repeat *p)
{
    return !p->suppressed || s->chain->emitted_count < STAGE_EMIT_MAX;
}

/* Its window has ended. There must be room for what it has to tell. */
static void finish(struct stage *s, struct repeat *p)
{
    if (p->suppressed)
        tell(s, p);
    table_remove(&((struct state *)s->state)->table, p);
}

static enum stage_verdict dedupe_run(struct stage *s, struct stage_record *sr)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    if (!level_mask_has(t->levels, sr->r->level))
        return STAGE_PASS;
    const struct table_key key = key_fields_hash(&t->key, sr->r);
    struct repeat *p = table_find(&t->table, key);
    if (p && sr->now_ns - p->since_ns < cfg->window_ns) {
        if (p->suppressed++ == 0)
            keep_record(t, p, sr->r);
        p->last_time_ns = sr->r->time_ns;
        return STAGE_DROP;
    }
    if (p && !may_finish(s, p)) { /* its count is told with that of the window which begins now */
        table_touch(&t->table, p);
        p->since_ns = sr->now_ns;
        return STAGE_PASS;
    }
    if (!p && table_is_full(&t->table)) {
        p = table_oldest(&t->table);
        if (!may_finish(s, p))
            return STAGE_FAILED;
    }
    if (p)
        finish(s, p);
    p = table_add(&t->table, key);
    p->since_ns = sr->now_ns;
    return STAGE_PASS;
}

/* No more at a time than there is room for: what is left is told by the next tick. */
static void dedupe_tick(struct stage *s, uint64_t now_ns)
{
    const struct config *const cfg = s->cfg;
    struct state *const t = s->state;
    for (struct repeat *p; (p = table_oldest(&t->table)) && now_ns - p->since_ns >= cfg->window_ns;) {
        if (!may_finish(s, p))
            return;
        finish(s, p);
    }
}

static void dedupe_gauges(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg)
{
    visit(arg, "dedupe_keys_tracked", ((const struct state *)s->state)->table.count);
}

static const struct opt dedupe_opts[] = {
    OPT_NUM_ALIAS_(OPT_DURATION, struct config, window_ns, "window", "window_seconds", "5s", 1000000,
                   86400000000000, 0, "From the record that passes to the count of those that were like it."),
    OPT_LIST_(struct config, levels, "levels", "", 0, "Only these levels, ERROR,CRITICAL; empty: all."),
    OPT_LIST_(struct config, key_fields, "key_fields", "message,level,logger,service", 0,
              "Names whose values together make two records alike."),
    OPT_NUM_ALIAS_(OPT_UINT, struct config, max_keys, "max_keys", "max_entries", "1000", 1, 100000, 0,
                   "Messages that are told apart; then the oldest ends early, with its count."),
    OPT_END,
};

const struct stage_ops stage_dedupe = {
    .abi = STAGE_ABI, .kind = "dedupe", .summary = "Suppresses repeated messages and counts them.",
    .group = STAGE_FILTER, .opts = dedupe_opts, .cfg_size = sizeof(struct config),
    .state_size = sizeof(struct state), .check = dedupe_check, .open = dedupe_open, .run = dedupe_run,
    .tick = dedupe_tick, .gauges = dedupe_gauges, .close = dedupe_close,
};
