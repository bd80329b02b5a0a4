#include "collector/sinks/entry.h"

#include "lib/base/bytes_text.h"
#include "lib/base/num.h"

char *entry_id_write(const uint8_t uuid[16], uint32_t lane, uint32_t generation, uint64_t position, char *out)
{
    out = uuid_write(uuid, out);
    *out++ = '-';
    out = num_hex(out, lane);
    *out++ = '-';
    out = num_hex(out, generation);
    *out++ = '-';
    return num_hex(out, position);
}

char *entry_id_text(const struct entry_head *h, char *out)
{
    return entry_id_write(h->uuid, h->lane, h->generation, h->position, out);
}
