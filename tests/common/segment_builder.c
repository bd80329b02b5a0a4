#include "tests/common/segment_builder.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

static uint64_t page_up(uint64_t n)
{
    return (n + 4095) & ~UINT64_C(4095);
}

static void options_fill(struct builder_options *o)
{
    o->lanes = o->lanes ? o->lanes : 1;
    o->cap_log2 = o->cap_log2 ? o->cap_log2 : 14;
    o->block_log2 = o->block_log2 ? o->block_log2 : 12;
    o->registry_bytes = o->registry_bytes ? o->registry_bytes : 16384;
    o->clock_kind = o->clock_kind ? o->clock_kind : FAPILOG_CLOCK_MONOTONIC;
    o->service = o->service ? o->service : "svc";
}

static void superblock_fill(struct segment_builder *b, uint64_t data_off)
{
    const struct builder_options *o = &b->opt;
    struct fapilog_superblock *sb = b->sb;
    sb->magic = FAPILOG_MAGIC;
    sb->endian = FAPILOG_ENDIAN_TAG;
    sb->major = FAPILOG_ABI_MAJOR;
    sb->super_size = sizeof *sb;
    sb->page_size = 4096;
    sb->file_size = b->bytes;
    sb->uuid_hi = UINT64_C(0x1122334455667788);
    sb->uuid_lo = UINT64_C(0x99aabbccddeeff00);
    sb->pid = 4242;
    sb->clock_kind = o->clock_kind;
    sb->t0_cycles = 1000000000;
    sb->t0_real_ns = UINT64_C(1700000000000000000);
    sb->counter_hz = UINT64_C(1000000000);
    sb->ctl_off = 4096;
    sb->ctl_size = page_up(FAPILOG_CTL_SLOTS_OFF + (uint64_t)o->lanes * sizeof(struct fapilog_lane_slot));
    sb->registry_off = sb->ctl_off + sb->ctl_size;
    sb->registry_size = o->registry_bytes;
    sb->lane_off = page_up(sb->registry_off + sb->registry_size);
    sb->data_off = data_off;
    sb->lane_count = o->lanes;
    sb->lane_stride = sizeof(struct fapilog_lane);
    sb->slot_stride = sizeof(struct fapilog_lane_slot);
    strncpy(sb->service, o->service, sizeof sb->service - 1);
    strncpy(sb->host, "host", sizeof sb->host - 1);
    strncpy(sb->exe, "/usr/bin/svc", sizeof sb->exe - 1);
    strncpy(sb->env, "test", sizeof sb->env - 1);
    strncpy(sb->version, "1.2.3", sizeof sb->version - 1);
    sb->registry_tail = FAPILOG_REGISTRY_PREAMBLE;
    sb->state = FAPILOG_STATE_LIVE;
}

void builder_init(struct segment_builder *b, int fd, const struct builder_options *opt)
{
    *b = (struct segment_builder){.fd = fd, .opt = *opt, .cycles = 1000000000};
    options_fill(&b->opt);
    const struct builder_options *o = &b->opt;
    const uint64_t ctl =
        page_up(FAPILOG_CTL_SLOTS_OFF + (uint64_t)o->lanes * sizeof(struct fapilog_lane_slot));
    const uint64_t tables = page_up(4096 + ctl + o->registry_bytes);
    const uint64_t data_off = page_up(tables + (uint64_t)o->lanes * sizeof(struct fapilog_lane));
    b->bytes = data_off + ((uint64_t)o->lanes << o->cap_log2);
    CHECK(ftruncate(fd, 0) == 0);
    CHECK(ftruncate(fd, (off_t)b->bytes) == 0);
    b->base = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(b->base != MAP_FAILED);
    b->sb = (struct fapilog_superblock *)(void *)b->base;
    superblock_fill(b, data_off);
    builder_seal(b);
    b->lanes = calloc(o->lanes, sizeof b->lanes[0]);
    CHECK(b->lanes != NULL);
    for (uint32_t i = 0; i < o->lanes; i++) {
        struct fapilog_lane *l = builder_lane(b, i);
        l->data_off = data_off + ((uint64_t)i << o->cap_log2);
        l->cap_log2 = o->cap_log2;
        l->block_log2 = o->block_log2;
        l->mode = o->mode;
        l->flags = o->lane_flags;
        b->lanes[i].generation = 0;
        builder_reclaim(b, i, 100 + i, "worker");
    }
}

void builder_done(struct segment_builder *b)
{
    if (b->base)
        (void)munmap(b->base, b->bytes);
    free(b->lanes);
    *b = (struct segment_builder){.fd = -1};
}

void builder_seal(struct segment_builder *b)
{
    b->sb->xxh3 = XXH3_64bits(b->sb, offsetof(struct fapilog_superblock, xxh3));
}

struct fapilog_lane *builder_lane(struct segment_builder *b, uint32_t lane)
{
    return (struct fapilog_lane *)(void *)(b->base + b->sb->lane_off +
                                           (size_t)lane * sizeof(struct fapilog_lane));
}

struct fapilog_lane_slot *builder_slot(struct segment_builder *b, uint32_t lane)
{
    return (struct fapilog_lane_slot *)(void *)(b->base + b->sb->ctl_off + FAPILOG_CTL_SLOTS_OFF) + lane;
}

uint8_t *builder_at(struct segment_builder *b, uint32_t lane, uint64_t pos)
{
    return b->base + builder_lane(b, lane)->data_off + (pos & ((UINT64_C(1) << b->opt.cap_log2) - 1));
}

/* ---- payloads ---- */

void payload_init(struct payload *p)
{
    memset(p->bytes, 0, 64);
    p->len = sizeof(struct fapilog_record_header);
    p->base = 0;
}

void payload_list_init(struct payload *p)
{
    p->len = p->base = 0;
}

static void payload_align(struct payload *p, uint32_t align)
{
    while ((p->len - p->base) % align)
        p->bytes[p->len++] = 0xee; /* never read */
}

void payload_put(struct payload *p, const void *value, uint32_t size, uint32_t align)
{
    payload_align(p, align);
    CHECK(p->len + size <= sizeof p->bytes);
    memcpy(p->bytes + p->len, value, size);
    p->len += size;
}

void payload_u8(struct payload *p, uint8_t v)
{
    payload_put(p, &v, 1, 1);
}

void payload_u16(struct payload *p, uint16_t v)
{
    payload_put(p, &v, 2, 2);
}

void payload_u32(struct payload *p, uint32_t v)
{
    payload_put(p, &v, 4, 4);
}

void payload_u64(struct payload *p, uint64_t v)
{
    payload_put(p, &v, 8, 8);
}

void payload_f64(struct payload *p, double v)
{
    payload_put(p, &v, 8, 8);
}

void payload_text(struct payload *p, const void *data, uint32_t len)
{
    payload_u32(p, len);
    payload_put(p, data, len, 1);
}

void payload_ext(struct payload *p, uint32_t logger, uint32_t epoch)
{
    const struct fapilog_ext x = {logger, epoch};
    payload_put(p, &x, sizeof x, 8);
}

void payload_name(struct payload *p, uint8_t type, uint8_t role, const char *name)
{
    payload_align(p, 4);
    payload_u8(p, type);
    payload_u8(p, role);
    payload_u16(p, (uint16_t)strlen(name));
    payload_put(p, name, (uint32_t)strlen(name), 1);
}

void payload_dynamic(struct payload *p, uint32_t fields, const char *message)
{
    payload_u32(p, fields);
    payload_u32(p, (uint32_t)strlen(message));
    payload_put(p, message, (uint32_t)strlen(message), 1);
    payload_align(p, 8);
}

/* ---- registry ---- */

static uint32_t entry_add(struct segment_builder *b, uint32_t kind, const uint8_t *bytes, uint32_t len)
{
    const uint64_t off = b->sb->registry_tail;
    CHECK(off + len <= b->sb->registry_size);
    uint8_t *to = b->base + b->sb->registry_off + off;
    memcpy(to + 8, bytes + 8, len - 8);
    const uint64_t word0 = FAPILOG_ENTRY_WORD0(len, kind, XXH3_64bits(to + 8, len - 8));
    store_rel((uint64_t *)(void *)to, word0);
    b->sb->registry_tail = (off + len + 7) & ~UINT64_C(7);
    return (uint32_t)(off / 8);
}

void builder_entry_rehash(struct segment_builder *b, uint32_t id)
{
    uint64_t *word0 = (uint64_t *)(void *)(b->base + b->sb->registry_off + (uint64_t)id * 8);
    const uint32_t len = FAPILOG_ENTRY_BYTES(*word0);
    *word0 = FAPILOG_ENTRY_WORD0(len, FAPILOG_ENTRY_KIND(*word0), XXH3_64bits(word0 + 1, len - 8));
}

static void put_z(struct payload *p, const char *text)
{
    payload_put(p, text, (uint32_t)strlen(text) + 1, 1);
}

static uint32_t site_add(struct segment_builder *b, uint8_t level, uint8_t flags, const char *message,
                         unsigned fields_count, const struct builder_field *fields)
{
    struct payload *p = malloc(sizeof *p);
    CHECK(p != NULL);
    payload_list_init(p);
    const struct fapilog_site_entry e = {
        .line = 77, .level = level, .flags = flags, .fields_count = (uint16_t)fields_count,
        .message_len = (uint16_t)strlen(message), .file_len = 6, .function_len = 4,
    };
    payload_put(p, &e, sizeof e, 8);
    for (unsigned i = 0; i < fields_count; i++) {
        payload_u8(p, fields[i].type);
        payload_u8(p, (uint8_t)strlen(fields[i].name));
    }
    put_z(p, message);
    put_z(p, "file.c");
    put_z(p, "func");
    for (unsigned i = 0; i < fields_count; i++)
        put_z(p, fields[i].name);
    const uint32_t id = entry_add(b, FAPILOG_ENTRY_SITE, p->bytes, p->len);
    free(p);
    return id;
}

uint32_t builder_site(struct segment_builder *b, uint8_t level, const char *message, unsigned fields_count,
                      const struct builder_field *fields)
{
    return site_add(b, level, 0, message, fields_count, fields);
}

uint32_t builder_site_printf(struct segment_builder *b, uint8_t level, const char *format,
                             unsigned fields_count, const struct builder_field *fields)
{
    return site_add(b, level, FAPILOG_SITE_PRINTF, format, fields_count, fields);
}

uint32_t builder_logger(struct segment_builder *b, uint32_t parent, const char *name, unsigned fields_count,
                        const struct payload *list)
{
    struct payload *p = malloc(sizeof *p);
    CHECK(p != NULL);
    payload_list_init(p);
    const struct fapilog_logger_entry e = {
        .parent = parent, .level_slot = 1, .name_len = (uint16_t)strlen(name), .service_len = 0,
        .fields_count = (uint16_t)fields_count, .fields_bytes = list ? list->len : 0,
    };
    payload_put(p, &e, sizeof e, 8);
    put_z(p, name);
    put_z(p, "");
    payload_align(p, 8);
    if (list)
        payload_put(p, list->bytes, list->len, 8);
    const uint32_t id = entry_add(b, FAPILOG_ENTRY_LOGGER, p->bytes, p->len);
    free(p);
    return id;
}

uint32_t builder_module_since(struct segment_builder *b, const char *path, uint64_t base, uint64_t size,
                              uint64_t since)
{
    struct payload *p = malloc(sizeof *p);
    CHECK(p != NULL);
    payload_list_init(p);
    const struct fapilog_module_entry e = {.base = base, .size = size, .path_len = (uint16_t)strlen(path),
                                           .build_id_len = 4, .flags = since ? FAPILOG_MODULE_SINCE : 0};
    payload_put(p, &e, sizeof e, 8);
    put_z(p, path);
    put_z(p, "beef");
    if (since)
        payload_put(p, &since, sizeof since, 8);
    const uint32_t id = entry_add(b, FAPILOG_ENTRY_MODULE, p->bytes, p->len);
    free(p);
    return id;
}

uint32_t builder_module(struct segment_builder *b, const char *path, uint64_t base, uint64_t size)
{
    return builder_module_since(b, path, base, size, 0);
}

/* ---- lanes ---- */

static uint64_t block_bytes(const struct segment_builder *b)
{
    return UINT64_C(1) << b->opt.block_log2;
}

static void block_open(struct segment_builder *b, uint32_t lane)
{
    struct builder_lane *l = &b->lanes[lane];
    CHECK(l->pos % block_bytes(b) == 0);
    store_rel(&builder_lane(b, lane)->intent, l->pos + block_bytes(b));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    const struct fapilog_block header = {
        .word0 = FAPILOG_WORD0(6, FAPILOG_KIND_BLOCK, 0, 0, l->generation),
        .pos = l->pos, .seq = l->seq, .dropped = l->dropped, .cycles = b->cycles,
        .real_ns = b->sb->t0_real_ns + (b->cycles - b->sb->t0_cycles),
    };
    memcpy(builder_at(b, lane, l->pos), &header, sizeof header);
    l->pos += sizeof header;
}

static void block_close(struct segment_builder *b, uint32_t lane)
{
    struct builder_lane *l = &b->lanes[lane];
    const uint64_t end = (l->pos + block_bytes(b) - 1) & ~(block_bytes(b) - 1);
    if (end - l->pos >= 8)
        memset(builder_at(b, lane, l->pos), 0, 8);
    l->pos = end;
}

/* Room for `size` bytes in one block; returns where they go. */
static uint8_t *reserve(struct segment_builder *b, uint32_t lane, uint32_t size)
{
    struct builder_lane *l = &b->lanes[lane];
    CHECK(size % 8 == 0 && size + sizeof(struct fapilog_block) <= block_bytes(b));
    const uint64_t used = l->pos & (block_bytes(b) - 1);
    if (used && block_bytes(b) - used < size)
        block_close(b, lane);
    if (l->pos % block_bytes(b) == 0)
        block_open(b, lane);
    return builder_at(b, lane, l->pos);
}

static void record_write(struct segment_builder *b, uint32_t lane, uint64_t word0_rest, const void *payload,
                         uint32_t len)
{
    const uint32_t size = (uint32_t)(sizeof(struct fapilog_record_header) + len + 7) & ~7u;
    uint8_t *at = reserve(b, lane, size);
    const struct fapilog_record_header h = {.word0 = word0_rest | size / 8, .cycles = b->cycles};
    memcpy(at, &h, sizeof h);
    if (len)
        memcpy(at + sizeof h, payload, len);
    b->lanes[lane].pos += size;
}

static void publish(struct segment_builder *b, uint32_t lane)
{
    store_rel(&builder_lane(b, lane)->tail, b->lanes[lane].pos); /* order: C1 release, pairs with C2 */
    b->cycles += 1000;
}

void builder_put(struct segment_builder *b, uint32_t lane, uint32_t kind, uint8_t level, uint8_t flags,
                 uint32_t schema, const struct payload *p)
{
    const uint32_t head = sizeof(struct fapilog_record_header);
    record_write(b, lane, FAPILOG_WORD0(0, kind, level, flags, schema), p ? p->bytes + head : NULL,
                 p ? p->len - head : 0);
    b->lanes[lane].seq += kind == FAPILOG_KIND_EVENT || kind == FAPILOG_KIND_DYNAMIC;
    publish(b, lane);
}

void builder_event(struct segment_builder *b, uint32_t lane, uint8_t level, uint32_t site,
                   const struct payload *p)
{
    builder_put(b, lane, FAPILOG_KIND_EVENT, level, 0, site, p);
}

void builder_context(struct segment_builder *b, uint32_t lane, uint32_t epoch, const struct payload *p)
{
    builder_put(b, lane, FAPILOG_KIND_CONTEXT, 0, 0, epoch, p);
}

void builder_put_large(struct segment_builder *b, uint32_t lane, uint32_t kind, uint8_t level, uint8_t flags,
                       uint32_t schema, const struct payload *p, uint32_t piece)
{
    const uint32_t head = sizeof(struct fapilog_record_header), len = p->len - head;
    CHECK(piece % 8 == 0);
    uint8_t *joined = malloc(24 + len);
    CHECK(joined != NULL);
    const uint64_t start[3] = {FAPILOG_WORD0(0, kind, level, flags, schema), b->cycles, len};
    memcpy(joined, start, sizeof start);
    memcpy(joined + sizeof start, p->bytes + head, len);
    for (uint32_t off = 0, total = 24 + len; off < total; off += piece) {
        const uint32_t n = total - off < piece ? total - off : piece;
        const uint32_t bits = (off == 0 ? 1u : 0u) | (off + n == total ? 2u : 0u);
        record_write(b, lane, FAPILOG_WORD0(0, FAPILOG_KIND_FRAGMENT, level, 0, bits), joined + off, n);
    }
    free(joined);
    b->lanes[lane].seq++;
    publish(b, lane);
}

void builder_reclaim(struct segment_builder *b, uint32_t lane, uint32_t tid, const char *thread)
{
    struct builder_lane *bl = &b->lanes[lane];
    struct fapilog_lane *l = builder_lane(b, lane);
    if (bl->pos % block_bytes(b))
        block_close(b, lane);
    bl->generation++;
    store_rel(&l->state, bl->generation << 8 | FAPILOG_LANE_CLAIMING);
    l->tid = tid;
    strncpy(l->thread, thread, sizeof l->thread - 1);
    l->open_cycles = b->cycles;
    store_rel(&l->tail, bl->pos);
    store_rel(&l->state, bl->generation << 8 | FAPILOG_LANE_ACTIVE); /* order: L1 release, pairs with L2 */
}

unsigned builder_sample(struct segment_builder *b, int fd)
{
    static struct payload p;
    builder_init(b, fd, &(struct builder_options){.registry_bytes = 4096});
    payload_list_init(&p);
    payload_name(&p, FAPILOG_TYPE_STRING, FAPILOG_ROLE_DATA, "region");
    payload_text(&p, "eu", 2);
    const uint32_t logger = builder_logger(b, 0, "orders", 1, &p);
    builder_module(b, "/usr/lib/libx.so", 0x1000, 0x1000);
    const struct builder_field fields[] = {
        {FAPILOG_TYPE_I32, "order_id"}, {FAPILOG_TYPE_F64, "price"}, {FAPILOG_TYPE_STRING, "symbol"}};
    const uint32_t site = builder_site(b, FAPILOG_LEVEL_INFO, "order accepted", 3, fields);
    payload_init(&p);
    payload_dynamic(&p, 1, "");
    payload_name(&p, FAPILOG_TYPE_STRING, FAPILOG_ROLE_REQUEST_ID, "request_id");
    payload_text(&p, "r-1", 3);
    builder_context(b, 0, 1, &p);
    for (uint32_t i = 0; i < 4; i++) {
        payload_init(&p);
        payload_ext(&p, logger, 1);
        payload_u32(&p, i);
        payload_f64(&p, 9.5);
        payload_text(&p, "ACME", 4);
        builder_put(b, 0, FAPILOG_KIND_EVENT, FAPILOG_LEVEL_INFO, FAPILOG_FLAG_EXT, site, &p);
    }
    payload_init(&p);
    payload_dynamic(&p, 1, "dynamic");
    payload_name(&p, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&p, 7);
    builder_put(b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_ERROR, 0, 0, &p);
    char text[5000];
    memset(text, 'x', sizeof text);
    payload_init(&p);
    payload_u32(&p, 99);
    payload_f64(&p, 1.0);
    payload_text(&p, text, sizeof text);
    builder_put_large(b, 0, FAPILOG_KIND_EVENT, FAPILOG_LEVEL_WARNING, 0, site, &p, 2048);
    return 6;
}
