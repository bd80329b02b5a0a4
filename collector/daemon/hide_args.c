#include "collector/daemon/hide_args.h"

#include "collector/sinks/sink.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 64 };

static void blank(char *text, size_t len)
{
    memset(text, '*', len);
}

/* scheme://user:PASSWORD@host, wherever it stands in the text. */
static void blank_passwords(char *text)
{
    for (char *at = strstr(text, "://"); at; at = strstr(at + 3, "://")) {
        char *const authority = at + 3;
        const size_t len = strcspn(authority, "/?#");
        char *const end = memrchr(authority, '@', len), *const colon = end ? memchr(authority, ':', len) : NULL;
        if (colon && colon < end)
            blank(colon + 1, (size_t)(end - colon - 1));
    }
}

/* One name means one kind of thing in all sinks, so it does not matter whose option it is. */
static bool is_shown_option(const char *name, size_t len)
{
    char copy[NAME_MAX_BYTES];
    bool is_known = false;
    if (len >= sizeof copy)
        return false;
    memcpy(copy, name, len);
    copy[len] = '\0';
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        const struct opt *const rows[] = {(*ops)->opts, sink_common_opts, sink_delivery_opts};
        for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
            const struct opt *const row = opt_find(rows[i], copy);
            if (row && row->flags & OPT_SECRET)
                return false;
            is_known |= row != NULL;
        }
    }
    return is_known;
}

static void blank_query(char *uri)
{
    for (char *part = strchr(uri, '?'); part; part = *part == '&' ? part : NULL) {
        const size_t len = strcspn(++part, "&#");
        char *const equals = memchr(part, '=', len);
        if (equals && !is_shown_option(part, (size_t)(equals - part)))
            blank(equals + 1, (size_t)(part + len - equals - 1));
        part += len;
    }
}

/* sinks.NAME.OPTION=VALUE */
static void blank_set(char *set)
{
    char *const equals = strchr(set, '=');
    const char *const dot = equals ? memrchr(set, '.', (size_t)(equals - set)) : NULL;
    if (dot && strncasecmp(set, "sinks.", 6) == 0 && !is_shown_option(dot + 1, (size_t)(equals - dot - 1)))
        blank(equals + 1, strlen(equals + 1));
}

static int move(const char **arg, void (*hide)(char *text), struct err *e)
{
    char *const original = (char *)(uintptr_t)*arg;
    *arg = strdup(original);
    if (!*arg)
        return err_set(e, -ENOMEM, "out of memory");
    hide(original);
    blank_passwords(original);
    return 0;
}

int hide_args(struct config_args *a, struct err *e)
{
    int r = 0;
    for (unsigned i = 0; i < a->sinks_count && r == 0; i++)
        r = move(&a->sink[i], blank_query, e);
    for (unsigned i = 0; i < a->sets_count && r == 0; i++)
        r = move(&a->set[i], blank_set, e);
    return r;
}

void hide_args_done(struct config_args *a)
{
    for (unsigned i = 0; i < a->sinks_count; i++)
        free((void *)(uintptr_t)a->sink[i]);
    for (unsigned i = 0; i < a->sets_count; i++)
        free((void *)(uintptr_t)a->set[i]);
    a->sinks_count = a->sets_count = 0;
}
