#include "collector/config/env.h"

#include "lib/base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char all[] = "FAPILOG_";

static int add(struct env *v, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return 0;
    struct env_var *more = reallocarray(v->var, v->count + 1, sizeof *more);
    if (!more)
        return -ENOMEM;
    v->var = more;
    char *name = strndup(text, (size_t)(equals - text));
    if (!name)
        return -ENOMEM;
    v->var[v->count++] = (struct env_var){.name = name, .value = equals + 1};
    return 0;
}

int env_read(struct env *ret)
{
    struct env v = {0};
    int r = 0;
    for (char **p = environ; p && *p && r == 0; p++)
        if (strncasecmp(*p, all, sizeof all - 1) == 0)
            r = add(&v, *p);
    if (r < 0)
        env_free(&v);
    *ret = v;
    return r;
}

void env_free(struct env *v)
{
    for (unsigned i = 0; i < v->count; i++)
        free(v->var[i].name);
    free(v->var);
    *v = (struct env){0};
}

const struct env_var *env_get(struct env *v, const char *name)
{
    for (unsigned i = 0; i < v->count; i++)
        if (strcasecmp(v->var[i].name, name) == 0) {
            v->var[i].is_used = true;
            return *v->var[i].value ? &v->var[i] : NULL;
        }
    return NULL;
}

const char *env_rest(const struct env_var *var, const char *prefix)
{
    const size_t len = strlen(prefix);
    return strncasecmp(var->name, prefix, len) == 0 ? var->name + len : NULL;
}

static const char *made(const char *head, const char *name, char ret[ENV_NAME_MAX])
{
    const int used = snprintf(ret, ENV_NAME_MAX, "%s%s__", head, name);
    for (int i = 0; i < used && i < ENV_NAME_MAX - 1; i++)
        ret[i] = isalnum((unsigned char)ret[i]) ? (char)toupper((unsigned char)ret[i]) : '_';
    return ret;
}

void env_prefixes(struct env_prefixes *ret, const char *head, const char *name, const char *const *aliases,
                  const char *const *own)
{
    unsigned n = 0, used = 0;
    ret->item[n++] = made(head, name, ret->text[used++]);
    for (; aliases && *aliases; aliases++) {
        CHECK(used < ARRAY_COUNT(ret->text));
        ret->item[n++] = made(head, *aliases, ret->text[used++]);
    }
    for (; own && *own; own++) {
        CHECK(n + 1 < ARRAY_COUNT(ret->item));
        ret->item[n++] = *own;
    }
    ret->item[n] = NULL;
}
