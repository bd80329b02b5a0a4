#include "collector/config/build.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct origin {
    char *key;
    char *source;
};

struct config_sources {
    struct origin *item;
    unsigned count;
};

static struct origin *find(const struct config *c, const char *key)
{
    for (unsigned i = 0; c->sources && i < c->sources->count; i++)
        if (strcmp(c->sources->item[i].key, key) == 0)
            return &c->sources->item[i];
    return NULL;
}

const char *sources_variable(const struct config *c, const char *path)
{
    const size_t len = strlen(path);
    for (unsigned i = 0; c->sources && i < c->sources->count; i++) {
        const struct origin *s = &c->sources->item[i];
        if (strncmp(s->key, path, len) == 0 && s->key[len] == '.' && strncasecmp(s->source, "FAPILOG_", 8) == 0 &&
            strcasecmp(s->source, "FAPILOG_SINKS") != 0)
            return s->source;
    }
    return NULL;
}

const char *config_source(const struct config *c, const char *key)
{
    const struct origin *s = find(c, key);
    return s ? s->source : "default";
}

const char *config_behind_source(const char *source, const char *why)
{
    if (strncmp(source, "--", 2) != 0)
        return why;
    const size_t len = strlen(source + 2);
    return strncmp(why, source + 2, len) == 0 && strncmp(why + len, ": ", 2) == 0 ? why + len + 2 : why;
}

/* For people only: without memory the last one that was noted is shown. */
void sources_set(struct config *c, const char *path, const char *name, const char *source)
{
    char key[300];
    (void)snprintf(key, sizeof key, "%s%s", path, name);
    struct origin *s = find(c, key);
    char *text = strdup(source);
    if (!c->sources)
        c->sources = calloc(1, sizeof *c->sources);
    if (!c->sources || !text) {
        free(text);
        return;
    }
    if (s) {
        free(s->source);
        s->source = text;
        return;
    }
    char *copy = strdup(key);
    struct origin *more = copy ? reallocarray(c->sources->item, c->sources->count + 1, sizeof *more) : NULL;
    if (!more) {
        free(copy);
        free(text);
        return;
    }
    c->sources->item = more;
    more[c->sources->count++] = (struct origin){copy, text};
}

void sources_free(struct config *c)
{
    for (unsigned i = 0; c->sources && i < c->sources->count; i++) {
        free(c->sources->item[i].key);
        free(c->sources->item[i].source);
    }
    if (c->sources)
        free(c->sources->item);
    free(c->sources);
    c->sources = NULL;
}

const char *source_of(const struct node *n, char ret[NODE_PLACE_MAX])
{
    const char *const shown = n->source;
    if (strncmp(shown, "preset ", 7) == 0 || strncmp(shown, "FAPILOG_", 8) == 0)
        (void)snprintf(ret, NODE_PLACE_MAX, "%s", shown);
    else
        (void)snprintf(ret, NODE_PLACE_MAX, "%s:%d", shown, n->line);
    return ret;
}
