#include "collector/sinks/entry.h"

#include <inttypes.h>
#include <stdio.h>

char *entry_id_text(const struct entry_head *h, char *out)
{
    static const char hex[] = "0123456789abcdef";
    for (unsigned i = 0; i < sizeof h->uuid; i++) {
        *out++ = hex[h->uuid[i] >> 4];
        *out++ = hex[h->uuid[i] & 15];
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *out++ = '-';
    }
    return out + snprintf(out, ENTRY_ID_MAX - 36, "-%" PRIx32 "-%" PRIx32 "-%" PRIx64, h->lane, h->generation,
                          h->position);
}
