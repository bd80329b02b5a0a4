#include "collector/daemon/message_limit.h"

#include "lib/base/str.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_NS (NS_PER_S / MESSAGE_LIMIT_PER_SECOND)

/* ---- the same text ---- */

static void tell_text(struct message_limit *q, struct limited_text *t)
{
    char line[MESSAGE_LIMIT_TEXT_MAX + 60];
    if (!t->left_out)
        return;
    (void)snprintf(line, sizeof line, "%s (%" PRIu64 " times more)", t->text, t->left_out);
    t->left_out = 0;
    q->say(q->arg, line);
}

static void remove_text(struct message_limit *q, unsigned i)
{
    tell_text(q, &q->text[i]);
    memmove(&q->text[i], &q->text[i + 1], (--q->texts - i) * sizeof q->text[0]);
}

/* Windows that have ended; those behind began later. */
static void expire(struct message_limit *q, uint64_t now_ns)
{
    while (q->texts && now_ns - q->text[0].since_ns >= MESSAGE_LIMIT_WINDOW_NS)
        remove_text(q, 0);
}

static struct limited_text *find_text(struct message_limit *q, uint64_t hash, const char *text)
{
    for (unsigned i = 0; i < q->texts; i++)
        if (q->text[i].hash == hash && strncmp(q->text[i].text, text, MESSAGE_LIMIT_TEXT_MAX - 1) == 0)
            return &q->text[i];
    return NULL;
}

static void add_text(struct message_limit *q, uint64_t now_ns, uint64_t hash, const char *text)
{
    if (q->texts == MESSAGE_LIMIT_TEXTS)
        remove_text(q, 0);
    struct limited_text *t = &q->text[q->texts++];
    *t = (struct limited_text){ .hash = hash, .since_ns = now_ns };
    (void)snprintf(t->text, sizeof t->text, "%s", text);
}

/* ---- a component ---- */

static void tell_component(struct message_limit *q, struct limited_component *c)
{
    char line[MESSAGE_LIMIT_NAME_MAX + 60];
    if (!c->left_out)
        return;
    (void)snprintf(line, sizeof line, "%s: %" PRIu64 " more messages left out", c->name, c->left_out);
    c->left_out = 0;
    q->say(q->arg, line);
}

static void name_of(const char *text, char ret[MESSAGE_LIMIT_NAME_MAX])
{
    const char *colon = strstr(text, ": ");
    const size_t len = colon ? (size_t)(colon - text) : strcspn(text, " ");
    const size_t most = MESSAGE_LIMIT_NAME_MAX - 1;
    (void)snprintf(ret, MESSAGE_LIMIT_NAME_MAX, "%.*s", (int)(len < most ? len : most), text);
}

/* The one that has been silent for longest goes. */
static struct limited_component *room_for_component(struct message_limit *q)
{
    struct limited_component *oldest = &q->component[0];
    if (q->components < MESSAGE_LIMIT_COMPONENTS)
        return &q->component[q->components++];
    for (unsigned i = 1; i < q->components; i++)
        if (q->component[i].full_at_ns < oldest->full_at_ns)
            oldest = &q->component[i];
    tell_component(q, oldest);
    return oldest;
}

static struct limited_component *component_of(struct message_limit *q, const char *text)
{
    char name[MESSAGE_LIMIT_NAME_MAX];
    name_of(text, name);
    for (unsigned i = 0; i < q->components; i++)
        if (strcmp(q->component[i].name, name) == 0)
            return &q->component[i];
    struct limited_component *c = room_for_component(q);
    *c = (struct limited_component){ 0 };
    memcpy(c->name, name, sizeof name);
    return c;
}

static bool has_token(const struct limited_component *c, uint64_t now_ns)
{
    return c->full_at_ns <= now_ns || c->full_at_ns - now_ns <= (MESSAGE_LIMIT_BURST - 1) * TOKEN_NS;
}

static void take_token(struct limited_component *c, uint64_t now_ns)
{
    c->full_at_ns = (c->full_at_ns > now_ns ? c->full_at_ns : now_ns) + TOKEN_NS;
}

/* ---- both ---- */

void message_limit_say(struct message_limit *q, uint64_t now_ns, const char *text)
{
    const uint64_t hash = str_hash(text);
    expire(q, now_ns);
    struct limited_text *t = find_text(q, hash, text);
    if (t) {
        t->left_out++;
        return;
    }
    struct limited_component *c = component_of(q, text);
    if (!has_token(c, now_ns)) {
        c->left_out++;
        return;
    }
    tell_component(q, c);
    take_token(c, now_ns);
    add_text(q, now_ns, hash, text);
    q->say(q->arg, text);
}

void message_limit_run(struct message_limit *q, uint64_t now_ns)
{
    expire(q, now_ns);
    for (unsigned i = 0; i < q->components; i++)
        if (has_token(&q->component[i], now_ns))
            tell_component(q, &q->component[i]);
}

uint64_t message_limit_deadline(const struct message_limit *q)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < q->texts; i++)
        if (q->text[i].left_out && q->text[i].since_ns + MESSAGE_LIMIT_WINDOW_NS < at)
            at = q->text[i].since_ns + MESSAGE_LIMIT_WINDOW_NS;
    for (unsigned i = 0; i < q->components; i++) {
        const struct limited_component *c = &q->component[i];
        const uint64_t token_at = c->full_at_ns - (MESSAGE_LIMIT_BURST - 1) * TOKEN_NS;
        if (c->left_out && token_at < at)
            at = token_at;
    }
    return at;
}
