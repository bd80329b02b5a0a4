#include "collector/stage/stage.h"

#include "lib/base/check.h"
#include "lib/base/edit_distance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names are alike when they differ only in case and in '-' for '_'. */
static bool is_called(const struct stage_ops *ops, const char *kind)
{
    if (edit_distance(ops->kind, kind) == 0)
        return true;
    for (const char *const *alias = ops->aliases; alias && *alias; alias++)
        if (edit_distance(*alias, kind) == 0)
            return true;
    return false;
}

const struct stage_ops *stage_find(const char *kind)
{
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++)
        if (is_called(*ops, kind))
            return *ops;
    return NULL;
}

static unsigned list_length(void)
{
    unsigned n = 0;
    while (stage_list[n])
        n++;
    return n;
}

int stage_register(const struct stage_ops *ops, struct err *e)
{
    const unsigned n = list_length();
    if (stage_find(ops->kind))
        return err_set(e, -EEXIST, "there is a stage '%s' already: %s", ops->kind, stage_find(ops->kind)->summary);
    if (n == stage_list_room)
        return err_set(e, -ENOSPC, "stage %s: there are %u already", ops->kind, n);
    stage_list[n] = ops;
    return 0;
}

void stage_unregister(const struct stage_ops *ops)
{
    unsigned i = 0;
    while (stage_list[i] && stage_list[i] != ops)
        i++;
    for (; stage_list[i]; i++)
        stage_list[i] = stage_list[i + 1];
}

static struct stage *stage_allocate(const struct stage_ops *ops)
{
    struct stage *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->ops = ops;
    s->name = strdup(ops->kind);
    s->cfg = calloc(1, ops->cfg_size ? ops->cfg_size : 1);
    s->state = calloc(1, ops->state_size ? ops->state_size : 1);
    if (s->name && s->cfg && s->state)
        return s;
    free((char *)(uintptr_t)s->name);
    free(s->cfg);
    free(s->state);
    free(s);
    return NULL;
}

int stage_new(const struct stage_ops *ops, struct stage **ret, struct err *e)
{
    CHECK(ops->abi == STAGE_ABI && ops->group < STAGE_GROUP_COUNT);
    struct stage *s = stage_allocate(ops);
    if (!s)
        return err_set(e, -ENOMEM, "stage %s: out of memory", ops->kind);
    const int r = opt_defaults(ops->opts, s->cfg, e);
    if (r < 0) {
        stage_free(s);
        return err_wrap(e, r, "stage %s", ops->kind);
    }
    *ret = s;
    return 0;
}

int stage_finish(struct stage *s, struct err *e)
{
    int r = opt_complete(s->ops->opts, s->cfg, e);
    if (r == 0 && s->ops->check)
        r = s->ops->check(s->cfg, e);
    if (r == 0 && s->ops->check_own)
        r = s->ops->check_own(s, e);
    return r < 0 ? err_wrap(e, r, "stage %s", s->ops->kind) : 0;
}

void stage_free(struct stage *s)
{
    if (!s)
        return;
    opt_free(s->ops->opts, s->cfg);
    free((char *)(uintptr_t)s->name);
    free(s->cfg);
    free(s->state);
    free(s);
}

int stage_take_slot(struct stage *s, struct err *e)
{
    struct stages *const c = s->chain;
    if (STAGE_SLOT_FIRST + c->slots_taken >= FAPILOG_SITE_CACHE_SLOTS)
        return err_set(e, -ENOSPC, "only %d stages of a pipeline may keep what they know of call sites",
                       FAPILOG_SITE_CACHE_SLOTS - STAGE_SLOT_FIRST);
    s->slot = STAGE_SLOT_FIRST + c->slots_taken++;
    return 0;
}

static void say(const struct stage *s, const char *text)
{
    char line[ERR_TEXT_MAX + 128];
    if (!s->chain->on_message)
        return;
    (void)snprintf(line, sizeof line, "stage %s: %s", s->name, text);
    s->chain->on_message(s->chain->message_arg, line);
}

void stage_warn(struct stage *s, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    const uint64_t now = s->chain->record.now_ns;
    if (now - s->warned.since_ns >= STAGE_WARN_WINDOW_NS) {
        if (s->warned.swallowed) {
            (void)snprintf(text, sizeof text, "%u more messages were left out", s->warned.swallowed);
            say(s, text);
        }
        s->warned.since_ns = now;
        s->warned.said = s->warned.swallowed = 0;
    }
    if (s->warned.said == STAGE_WARN_MAX) {
        s->warned.swallowed++;
        return;
    }
    s->warned.said++;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    say(s, text);
}
