/* Call sites and loggers in the registry: lock-free and signal safe. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"
#include "lib/ring/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { READY_STEP = 16384 };

/* Pages of the file that were never touched may have no memory behind them: with a full tmpfs the registry is
 * full, which is better than SIGBUS. Kernels before 5.14 go without this check. */
static bool make_ready(uint64_t end)
{
    /* order: relaxed - only grows; two threads that both populate a page do no harm */
    const uint64_t ready = load_rlx(&process.registry_ready);
    if (end <= ready)
        return true;
    const uint64_t to = align_up(end, READY_STEP);
    const uint64_t limit = to < process.registry_size ? to : process.registry_size;
    if (madvise(process.registry + ready, limit - ready, MADV_POPULATE_WRITE) < 0 && errno != EINVAL)
        return false;
    /* order: relaxed - as above */
    store_rlx(&process.registry_ready, limit);
    return true;
}

/* Hands out `size` bytes; 0 when the registry is full. */
static uint64_t take(uint64_t size)
{
    /* order: relaxed - only the number matters, entries are released by their word0 */
    uint64_t at = load_rlx(&process.registry_used);
    do {
        if (at + size > process.registry_size || !make_ready(at + size))
            return 0;
        /* order: acq_rel - as above */
    } while (!cas_acq_rel(&process.registry_used, &at, at + size));
    return at;
}

/* superblock.registry_tail follows process.registry_used; readers want it never to go back. */
static void publish_tail(uint64_t end)
{
    if (process.mode != MODE_RING)
        return;
    uint64_t *const shared = &process.area->super->registry_tail;
    /* order: relaxed - a bound, the entries below it are released by R1 */
    uint64_t seen = load_rlx(shared);
    while (seen < end) {
        /* order: acq_rel - monotonic maximum */
        if (cas_acq_rel(shared, &seen, end))
            return;
    }
}

static uint32_t release_entry(uint64_t at, uint64_t size, uint32_t kind)
{
    uint8_t *const entry = process.registry + at;
    const uint64_t hash = hash64(entry + 8, size - 8);
    publish_tail(at + size);
    /* order: R1 release, pairs with R2 - the entry is complete */
    store_rel((uint64_t *)entry, FAPILOG_ENTRY_WORD0(size, kind, hash));
    return (uint32_t)(at / 8);
}

/* The id of an entry that says what the one at `at` is about to say, which is then given back; 0: there is none. */
static uint32_t take_twin(uint64_t at, uint64_t size, uint32_t kind)
{
    uint8_t *const entry = process.registry + at;
    const uint64_t word0 = FAPILOG_ENTRY_WORD0(size, kind, hash64(entry + 8, size - 8));
    for (uint64_t off = FAPILOG_REGISTRY_PREAMBLE; off + size <= at;) {
        const uint64_t *const other = (const uint64_t *)(process.registry + off);
        const uint64_t seen = load_acq(other); /* order: R2 acquire, pairs with R1 - the entry is complete */
        if (seen == word0 && memcmp(other + 1, entry + 8, size - 8) == 0) {
            uint64_t end = at + size;
            memset(entry, 0, size);
            /* order: acq_rel - only the number matters; where another entry follows already, a gap is left */
            (void)cas_acq_rel(&process.registry_used, &end, at);
            return (uint32_t)(off / 8);
        }
        /* Inside an entry that is not complete the way goes in steps of eight bytes, as a reader's does. */
        const uint64_t bytes = align_up(FAPILOG_ENTRY_BYTES(seen), 8);
        off += bytes && bytes <= at - off ? bytes : 8;
    }
    return 0;
}

static size_t text_len(const char *text, size_t max)
{
    return text ? strnlen(text, max) : 0;
}

static uint8_t *put_text(uint8_t *to, const char *text, size_t len)
{
    memcpy(to, text ? text : "", len);
    to[len] = '\0';
    return to + len + 1;
}

uint32_t fapilogi_register_site(struct fapilog_site_desc *site)
{
    struct fapilog_site_entry head = {
        .line = site->line,
        .level = site->level,
        .flags = site->flags,
        .fields_count = site->fields_count,
        .message_len = (uint16_t)text_len(site->message, UINT16_MAX),
        .file_len = (uint16_t)text_len(site->file, UINT16_MAX),
        .function_len = (uint16_t)text_len(site->function, UINT16_MAX),
    };
    size_t size = sizeof head + 2u * head.fields_count + 3;
    size += head.message_len + head.file_len + head.function_len;
    for (uint16_t i = 0; i < head.fields_count; i++)
        size += text_len(site->fields[i].name, UINT8_MAX) + 1;
    size = (size + 7) & ~(size_t)7;
    const uint64_t at = take(size);
    if (at == 0)
        return 0;
    uint8_t *to = process.registry + at;
    memcpy(to + 8, (const uint8_t *)&head + 8, sizeof head - 8);
    to += sizeof head;
    for (uint16_t i = 0; i < head.fields_count; i++) {
        *to++ = site->fields[i].type;
        if (site->fields[i].type == FAPILOG_TYPE_STACK)
            store_rlx(&process.stacks, true); /* order: relaxed - only whether there is one */
        *to++ = (uint8_t)text_len(site->fields[i].name, UINT8_MAX);
    }
    to = put_text(to, site->message, head.message_len);
    to = put_text(to, site->file, head.file_len);
    to = put_text(to, site->function, head.function_len);
    for (uint16_t i = 0; i < head.fields_count; i++)
        to = put_text(to, site->fields[i].name, text_len(site->fields[i].name, UINT8_MAX));
    uint32_t expected = 0;
    /* order: relaxed - a module that is loaded again has been unloaded by the same thread, or before a lock */
    const uint32_t twin = load_rlx(&process.unloaded) ? take_twin(at, size, FAPILOG_ENTRY_SITE) : 0;
    const uint32_t id = twin ? twin : release_entry(at, size, FAPILOG_ENTRY_SITE);
    /* order: acq_rel, releases the entry to those who load the id - the first registration wins */
    return cas_acq_rel(&site->id, &expected, id) ? id : expected;
}

uint32_t fapilogi_register_location(const struct fapilog_location *location)
{
    const struct fapilog_text *const file = &location->file, *const function = &location->function;
    const struct fapilog_site_entry head = {
        .line = location->line,
        .file_len = (uint16_t)(file->len < UINT16_MAX ? file->len : UINT16_MAX),
        .function_len = (uint16_t)(function->len < UINT16_MAX ? function->len : UINT16_MAX),
    };
    const size_t size = align_up(sizeof head + 3u + head.file_len + head.function_len, 8);
    const uint64_t at = take(size);
    if (at == 0)
        return 0;
    uint8_t *const entry = process.registry + at;
    memcpy(entry + 8, (const uint8_t *)&head + 8, sizeof head - 8);
    uint8_t *to = put_text(entry + sizeof head, NULL, 0); /* the message stands in the record */
    to = put_text(to, file->data, head.file_len);
    (void)put_text(to, function->data, head.function_len);
    return release_entry(at, size, FAPILOG_ENTRY_SITE);
}

uint32_t fapilogi_register_logger(const struct fapilog_logger_entry *head, const char *name,
                                  const char *service, const uint8_t *fields)
{
    const size_t texts = sizeof *head + head->name_len + head->service_len + 2;
    const size_t size = align_up(align_up(texts, 8) + head->fields_bytes, 8);
    const uint64_t at = take(size);
    if (at == 0)
        return 0;
    uint8_t *const entry = process.registry + at;
    memcpy(entry + 8, (const uint8_t *)head + 8, sizeof *head - 8);
    uint8_t *to = put_text(entry + sizeof *head, name, head->name_len);
    (void)put_text(to, service, head->service_len);
    if (head->fields_bytes)
        memcpy(entry + align_up(texts, 8), fields, head->fields_bytes);
    return release_entry(at, size, FAPILOG_ENTRY_LOGGER);
}

uint32_t fapilogi_register_module(uint64_t base, uint64_t bytes, const char *path, const char *build_id)
{
    const struct fapilog_module_entry head = {
        .base = base,
        .size = bytes,
        .path_len = (uint16_t)text_len(path, UINT16_MAX),
        .build_id_len = (uint16_t)text_len(build_id, UINT16_MAX),
        .flags = FAPILOG_MODULE_SINCE,
    };
    const uint64_t since = clock_now(process.clock_kind);
    const size_t texts = sizeof head + head.path_len + head.build_id_len + 2u;
    const size_t size = align_up(texts, 8) + sizeof since;
    const uint64_t at = take(size);
    if (at == 0)
        return 0;
    uint8_t *const entry = process.registry + at;
    memcpy(entry + 8, (const uint8_t *)&head + 8, sizeof head - 8);
    uint8_t *to = put_text(entry + sizeof head, path, head.path_len);
    (void)put_text(to, build_id, head.build_id_len);
    memcpy(entry + align_up(texts, 8), &since, sizeof since);
    return release_entry(at, size, FAPILOG_ENTRY_MODULE);
}

void fapilogi_count_unregistered(void)
{
    if (process.mode == MODE_RING)
        /* order: relaxed - a counter */
        __atomic_fetch_add(&process.area->super->unregistered, 1, __ATOMIC_RELAXED);
}
