#include "collector/sinks/entry_order.h"

#include "collector/sinks/entry.h"

#include <stdlib.h>
#include <string.h>

/* A merge sort: qsort() would not leave entries of one time in their order. */
void entry_order_by_time(const struct sink_request *r, uint32_t *index, uint32_t *spare, uint32_t count)
{
    if (count < 2)
        return;
    const uint32_t half = count / 2;
    entry_order_by_time(r, index, spare, half);
    entry_order_by_time(r, index + half, spare, count - half);
    if (r->entry[index[half - 1]]->time_ns <= r->entry[index[half]]->time_ns)
        return; /* as records mostly come */
    memcpy(spare, index, half * sizeof *index);
    for (uint32_t i = 0, left = 0, right = half; left < half; i++) {
        const bool take_left = right == count || r->entry[spare[left]]->time_ns <= r->entry[index[right]]->time_ns;
        index[i] = take_left ? spare[left++] : index[right++];
    }
}

static int by_index(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void entry_order_ascending(uint32_t *index, uint32_t count)
{
    if (count)
        qsort(index, count, sizeof *index, by_index);
}
