/* The modules of the process (executable and shared objects) that hold call sites. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

static struct fapilogi_module *modules;

static void register_module(struct fapilogi_module *m)
{
    for (struct fapilog_site_desc *s = m->start; s && s < m->stop; s++) {
        /* order: relaxed - a site registered meanwhile by its own call only wastes an entry */
        if (s->tag == FAPILOGI_SITE_TAG && load_rlx(&s->id) == 0)
            (void)fapilogi_register_site(s);
    }
}

void fapilogi_register_modules(void)
{
    for (struct fapilogi_module *m = modules; m; m = m->next)
        register_module(m);
}

void fapilogi_module_add(struct fapilogi_module *m)
{
    if (m->linked)
        return; /* each translation unit of the module calls */
    m->linked = 1;
    fapilogi_lock();
    m->next = modules;
    modules = m;
    if (process.mode != MODE_CLOSED)
        register_module(m);
    fapilogi_unlock();
}

void fapilogi_module_remove(struct fapilogi_module *m)
{
    fapilogi_lock();
    for (struct fapilogi_module **at = &modules; *at; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }
    m->linked = 0;
    fapilogi_unlock();
}
