#include "collector/daemon/check.h"

#include "collector/daemon/chain.h"
#include "lib/ring/ringdir.h"

int check_write(const struct options *o, FILE *f, struct err *e)
{
    struct config c;
    struct ringdir dir;
    int r = config_load(&o->args, &c, e);
    if (r < 0)
        return r;
    r = ringdir_choose(&dir, c.settings.rings, e);
    for (unsigned i = 0; i < c.warnings_count; i++)
        (void)fprintf(stderr, "fapilog-collector: %s\n", c.warning[i]);
    if (r == 0)
        r = chain_try(&c, e);
    if (r == 0 && !c.settings.rings)
        (void)fprintf(f, "rings = %s  # default\n", dir.path);
    if (r == 0)
        config_print(&c, f);
    config_free(&c);
    return r;
}
