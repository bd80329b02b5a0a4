#include "collector/ingest/drain.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void checkpoint_done(struct checkpoint *c)
{
    free(c->position);
    free(c->item);
    memset(c, 0, sizeof *c);
}

static int reserve(struct checkpoint *c, uint32_t count)
{
    if (count <= c->cap)
        return 0;
    struct position *position = realloc(c->position, count * sizeof *position);
    if (!position)
        return -ENOMEM;
    c->position = position;
    struct checkpoint_item *item = realloc(c->item, count * sizeof *item);
    if (!item)
        return -ENOMEM;
    c->item = item;
    c->cap = count;
    return 0;
}

/* Where the lane or source of an item stands in a checkpoint, from 1; 0: not there. */
static uint32_t *place_of(const struct checkpoint_item *item)
{
    return item->lane ? &item->lane->merged : &item->source->merged;
}

int checkpoint_merge(struct checkpoint *c, struct checkpoint *next)
{
    const int r = reserve(c, c->count + next->count);
    if (r < 0)
        return r;
    const uint32_t before = c->count;
    for (uint32_t i = 0; i < before; i++)
        *place_of(&c->item[i]) = i + 1;
    for (uint32_t i = 0; i < next->count; i++) {
        const uint32_t place = *place_of(&next->item[i]);
        if (place) {
            c->position[place - 1] = next->position[i];
            c->item[place - 1].has_losses |= next->item[i].has_losses;
            next->item[i].source->refs--;
        } else {
            c->position[c->count] = next->position[i];
            c->item[c->count++] = next->item[i];
        }
    }
    for (uint32_t i = 0; i < before; i++)
        *place_of(&c->item[i]) = 0;
    next->count = 0;
    return 0;
}
