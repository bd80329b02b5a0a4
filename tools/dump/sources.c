#include "tools/dump/sources.h"

#include "lib/ring/ringdir.h"

#include <errno.h>

int sources_add(struct reader *r, const struct options *o, struct err *e)
{
    int n = 0;
    for (int i = 0; i < o->paths_count && n == 0; i++)
        n = reader_add(r, o->paths[i], e);
    if (n < 0 || (o->paths_count && !o->rings))
        return n;
    struct ringdir dir;
    n = ringdir_choose(&dir, o->rings, e);
    if (n == 0)
        n = reader_add(r, dir.path, e);
    return n == -ENOENT ? err_wrap(e, n, "no program has logged there yet") : n;
}
