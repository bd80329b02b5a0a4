#include "collector/delivery/identity.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The texts of a sink's options say where it writes (path, directory, host); its numbers only how. So
 * a changed size limit keeps the mark, a changed path does not take over the mark of another file. */
uint64_t sink_identity(const struct sink *s)
{
    uint64_t hash = XXH3_64bits(s->ops->scheme, strlen(s->ops->scheme));
    /* What keeps no mark is told apart by its name alone, as its spool is. */
    if (!s->ops->mark && s->common.name)
        hash = XXH3_64bits_withSeed(s->common.name, strlen(s->common.name), hash);
    for (const struct opt *row = s->ops->opts; row && row->type != OPT_END_ROW; row++) {
        if (row->type != OPT_TEXT || (row->flags & OPT_SECRET))
            continue;
        const char *text;
        memcpy(&text, (const char *)s->cfg + row->offset, sizeof text);
        if (!text)
            continue;
        hash = XXH3_64bits_withSeed(row->name, strlen(row->name), hash);
        hash = XXH3_64bits_withSeed(text, strlen(text), hash);
    }
    return hash;
}
