/* env.h - the variables of the environment that begin with FAPILOG_. Names are compared without regard to case,
 * and a character of a scheme that a variable cannot have ("syslog+udp") is an underscore. */
#ifndef COLLECTOR_CONFIG_ENV_H
#define COLLECTOR_CONFIG_ENV_H

#include <stdbool.h>

enum { ENV_NAME_MAX = 128 };

struct env_var {
    char *name;        /* as it stands in the environment */
    const char *value; /* of the environment */
    bool is_used;
};

struct env {
    struct env_var *var;
    unsigned count;
};

int env_read(struct env *ret); /* 0 or -ENOMEM */
void env_free(struct env *v);
/* NULL: not there, or empty. Marks it as used. */
const struct env_var *env_get(struct env *v, const char *name);
/* What follows the prefix in the name, or NULL. */
const char *env_rest(const struct env_var *var, const char *prefix);
/* What the variables of one sink or stage begin with: HEAD, its name or an alias and "__"
 * ("FAPILOG_SINK_CONFIG__SYSLOG_UDP__"), and the prefixes of its own. */
struct env_prefixes {
    const char *item[48]; /* ends with NULL */
    char text[24][ENV_NAME_MAX];
};
void env_prefixes(struct env_prefixes *ret, const char *head, const char *name, const char *const *aliases,
                  const char *const *own);

#endif
