/* env_reference.h - variables of the system that came before, which have no effect here, and what takes their place. */
#ifndef COLLECTOR_CONFIG_ENV_REFERENCE_H
#define COLLECTOR_CONFIG_ENV_REFERENCE_H

struct env_reference {
    const char *name;    /* behind FAPILOG_; one that ends in "__" stands for all that begin so */
    const char *instead; /* what to do */
};
extern const struct env_reference env_references[]; /* ends with name NULL */

/* What to do instead of a variable, or NULL; without regard to case. `name` is what comes behind FAPILOG_. */
const char *env_reference(const char *name);

#endif
