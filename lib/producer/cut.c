/* A record whose payload is beyond the format's limit: its longest texts are cut, at a character boundary,
 * until it fits. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

#include <string.h>
#include <sys/mman.h>

static bool can_cut(const struct fapilog_field *f)
{
    return f->type == FAPILOG_TYPE_STRING || f->type == FAPILOG_TYPE_BYTES || f->type == FAPILOG_TYPE_JSON;
}

/* `text` cut to `max` bytes; texts not inside a UTF-8 sequence. */
static uint32_t cut_len(const char *data, uint32_t len, uint32_t max, bool text)
{
    if (len <= max)
        return len;
    uint32_t keep = max;
    while (text && keep && max - keep < 4 && ((unsigned char)data[keep] & 0xc0) == 0x80)
        keep--;
    return keep;
}

static void cut_fields(struct decoded *d, uint32_t max)
{
    d->message.len = cut_len(d->message.data, d->message.len, max, true);
    for (uint32_t i = 0; i < d->fields_count; i++)
        if (can_cut(&d->fields[i]))
            d->fields[i].len = cut_len(d->fields[i].v.data, d->fields[i].len, max,
                                       d->fields[i].type != FAPILOG_TYPE_BYTES);
}

static size_t encode(uint8_t *to, const struct decoded *d)
{
    size_t at = 0;
    if (d->site) {
        for (uint32_t i = 0; i < d->fields_count; i++)
            at = to ? fapilogi_value_put(to, at, &d->fields[i]) : fapilogi_value_end(at, &d->fields[i]);
        return at;
    }
    const struct fapilog_dynamic head = {d->fields_count, d->message.len};
    const size_t start = align_up(sizeof head + d->message.len, 8);
    if (to) {
        memcpy(to, &head, sizeof head);
        memmove(to + sizeof head, d->message.data, d->message.len);
    }
    for (uint32_t i = 0; i < d->fields_count; i++)
        at = to ? fapilogi_list_put(to + start, at, &d->fields[i]) : fapilogi_list_end(at, &d->fields[i]);
    return start + at;
}

void fapilogi_cut(struct scratch *s)
{
    struct decoded whole, fits;
    fapilogi_decode(s, &whole);
    uint32_t low = 0, high = FAPILOG_RECORD_BYTES_MAX; /* the longest text that lets the record fit */
    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        fits = whole;
        cut_fields(&fits, middle);
        if (whole.args_at + encode(NULL, &fits) <= FAPILOG_RECORD_BYTES_MAX)
            low = middle;
        else
            high = middle - 1;
    }
    fits = whole;
    cut_fields(&fits, low);
    /* Into memory of its own first: names lie between the values that move. */
    const size_t size = encode(NULL, &fits);
    uint8_t *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy != MAP_FAILED) {
        (void)encode(copy, &fits);
        memcpy(s->payload + whole.args_at, copy, size);
        (void)munmap(copy, size);
        s->call.size = whole.args_at + size;
    }
    s->call.word0 |= (uint64_t)FAPILOG_FLAG_TRUNCATED << 25;
    if (process.mode == MODE_RING)
        /* order: relaxed - a counter */
        __atomic_fetch_add(&process.area->super->truncated, 1, __ATOMIC_RELAXED);
}
