#include "tests/common/native_run.h"

#include "lib/base/check.h"
#include "lib/reader/native_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

enum {
    RECORD = 48, BLOCK = 1024, PER_BLOCK = 20, LANES = 2, PER_SITE = 8,
    LANE_BYTES = (NATIVE_RUN_RECORDS_MAX / LANES / PER_BLOCK + 2) * BLOCK,
    SITE_BYTES = 64, REGISTRY = FAPILOG_REGISTRY_PREAMBLE + (NATIVE_RUN_RECORDS_MAX / PER_SITE + 1) * SITE_BYTES,
};

static struct fapilog_superblock super;
static _Alignas(8) uint8_t lane_bytes[LANES][LANE_BYTES];
static _Alignas(8) uint8_t registry[REGISTRY];

static uint64_t site_offset(uint64_t i) { return FAPILOG_REGISTRY_PREAMBLE + i / PER_SITE * SITE_BYTES; }
static uint64_t block_of(uint64_t j) { return j / PER_BLOCK * BLOCK; }
static uint64_t begin_of(uint64_t j) { return block_of(j) + 48 + j % PER_BLOCK * RECORD; }
static uint64_t end_of(uint64_t j) { return (j + 1) % PER_BLOCK ? begin_of(j) + RECORD : block_of(j) + BLOCK; }
/* A span that begins with the first record of a block takes the block's header along. */
static uint64_t start_of(uint64_t j) { return j % PER_BLOCK ? begin_of(j) : block_of(j); }

static void record_write(uint8_t *to, uint64_t i)
{
    const struct fapilog_record_header h = {
        FAPILOG_WORD0(RECORD / 8, FAPILOG_KIND_EVENT, FAPILOG_LEVEL_INFO, 0, site_offset(i) / 8), i,
    };
    memset(to, 'a' + (int)(i % 26), RECORD);
    memcpy(to, &h, sizeof h);
}

static void boot_id(uint64_t ret[2])
{
    unsigned part[16], n = 0;
    uint8_t bytes[16];
    char text[64] = "";
    FILE *in = fopen("/proc/sys/kernel/random/boot_id", "re");
    CHECK(in && fgets(text, sizeof text, in));
    (void)fclose(in);
    for (const char *p = text; *p && n < 16; p += *p == '-' ? 1 : 2)
        if (*p != '-' && sscanf(p, "%2x", &part[n]) == 1)
            n++;
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (uint8_t)part[i];
    memcpy(ret, bytes, 16);
}

static void build(void)
{
    if (super.magic)
        return;
    uint64_t boot[2];
    boot_id(boot);
    super = (struct fapilog_superblock){
        .magic = FAPILOG_MAGIC, .endian = FAPILOG_ENDIAN_TAG, .major = 1, .uuid_hi = 0x1111, .uuid_lo = 0x2222,
        .boot_hi = boot[0], .boot_lo = boot[1], .clock_kind = FAPILOG_CLOCK_MONOTONIC, .lane_count = LANES,
    };
    super.xxh3 = XXH3_64bits(&super, offsetof(struct fapilog_superblock, xxh3));
    for (uint64_t i = 0; i < NATIVE_RUN_RECORDS_MAX; i++) {
        const uint64_t lane = i % LANES, j = i / LANES;
        uint8_t *at = lane_bytes[lane];
        const struct fapilog_block b = {
            FAPILOG_WORD0(6, FAPILOG_KIND_BLOCK, 0, 0, 1), block_of(j), j / PER_BLOCK * PER_BLOCK, 0, i, 0,
        };
        if (j % PER_BLOCK == 0)
            memcpy(at + block_of(j), &b, sizeof b);
        record_write(at + begin_of(j), i);
        const uint64_t word0 = FAPILOG_ENTRY_WORD0(SITE_BYTES, FAPILOG_ENTRY_SITE, 7);
        memset(registry + site_offset(i), 'A' + (int)(i / PER_SITE % 26), SITE_BYTES);
        memcpy(registry + site_offset(i), &word0, sizeof word0);
    }
}

const uint8_t *native_run_lane(unsigned lane)
{
    build();
    return lane_bytes[lane];
}

void native_run_fill(struct run *r, uint64_t end)
{
    static struct sink_span spans[LANES];
    static struct fapilog_process_info process;
    static struct sink_loss loss;
    uint64_t room = r->sink->ops->room ? r->sink->ops->room(r->sink) : UINT64_MAX;
    build();
    CHECK(room > 0);
    CHECK(end <= NATIVE_RUN_RECORDS_MAX);
    uint64_t n = end - r->next < RUN_BATCH_RECORDS ? end - r->next : RUN_BATCH_RECORDS;
    if (n > 1 && n * RECORD > room)
        n = room / RECORD > 1 ? room / RECORD : 1;
    r->batch = (struct sink_batch){.id = r->batch.id + 1, .records = n, .spans = spans};
    for (uint64_t lane = 0; lane < LANES; lane++) {
        const uint64_t first = (r->next + LANES - 1 - lane) / LANES, last = (r->next + n + LANES - 1 - lane) / LANES;
        if (first == last)
            continue;
        const uint64_t from = start_of(first), to = end_of(last - 1);
        spans[r->batch.spans_count++] = (struct sink_span){
            .process = &process, .super = &super, .registry = registry,
            .registry_tail = site_offset(r->next + n - 1) + SITE_BYTES, .lane = (uint32_t)lane, .generation = 1,
            .tid = 100 + (uint32_t)lane, .thread = {"worker", 6}, .position = from,
            .data = (const char *)lane_bytes[lane] + from, .len = (uint32_t)(to - from),
            .before = (uint32_t)(from % BLOCK), .records = (uint32_t)(last - first),
        };
        r->batch.bytes += to - from;
    }
    loss = (struct sink_loss){.super = &super, .lane = r->batch.id % 3 ? 0 : UINT32_MAX, .last_ns = 1};
    if (r->batch.id % 3)
        loss.dropped = r->next + n;
    else
        loss.no_lane = r->next + n;
    r->batch.losses = &loss;
    r->batch.losses_count = 1;
}

struct check {
    const char *name;
    uint8_t *seen;
    uint64_t end;
    bool has_super;
    uint64_t told; /* highest count of losses in any file */
    uint8_t known[REGISTRY]; /* 1: stored in this file */
    bool good;
};

static void complain(struct check *c, const char *what, uint64_t i)
{
    fprintf(stderr, "%s: %s (%llu)\n", c->name, what, (unsigned long long)i);
    c->good = false;
}

static void check_record(struct check *c, const uint8_t *at)
{
    uint8_t expected[RECORD];
    struct fapilog_record_header h;
    memcpy(&h, at, sizeof h);
    const uint64_t i = h.cycles;
    if (i >= c->end) {
        complain(c, "record that was not written", i);
        return;
    }
    record_write(expected, i);
    if (memcmp(at, expected, RECORD) != 0)
        complain(c, "record with other bytes", i);
    if (c->seen[i]++)
        complain(c, "record again", i);
    for (unsigned k = 0; k < SITE_BYTES; k++)
        if (!c->known[site_offset(i) + k]) {
            complain(c, "record before its registry entry", i);
            break;
        }
}

static void check_span(struct check *c, const struct native_span *s)
{
    uint32_t records = 0;
    if (!c->has_super)
        complain(c, "span before its segment", s->head.position);
    if (s->head.tid != 100 + s->head.lane || strcmp(s->head.thread, "worker") != 0 || s->head.uuid_lo != 0x2222)
        complain(c, "span head", s->head.position);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const int64_t off = (int64_t)s->head.anchor_real_ns - (now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
    if (off > 0 || off < -INT64_C(600000000000))
        complain(c, "span anchor", s->head.anchor_real_ns);
    for (uint64_t at = 0; at < s->head.bytes;) {
        uint64_t word0, position = s->head.position + at;
        memcpy(&word0, s->data + at, sizeof word0);
        if (BLOCK - position % BLOCK < RECORD || word0 == 0) {
            at += BLOCK - position % BLOCK;
            continue;
        }
        if (FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_EVENT && at >= s->head.repeated) {
            check_record(c, s->data + at);
            records++;
        }
        at += FAPILOG_WORD0_SIZE(word0);
    }
    if (records != s->head.records)
        complain(c, "count of records", records);
}

static void check_losses(struct check *c, const struct native_block *b)
{
    struct native_losses it;
    struct fapilog_native_loss loss;
    if (native_losses_view(b, &it) < 0 || !c->has_super || b->records)
        complain(c, "losses", b->offset);
    else
        while (native_losses_next(&it, &loss) > 0) {
            const uint64_t count = loss.lane == FAPILOG_NATIVE_LANE_NONE ? loss.no_lane : loss.dropped;
            if (loss.uuid_hi != super.uuid_hi || loss.uuid_lo != super.uuid_lo || count > c->end)
                complain(c, "loss", count);
            c->told = c->told > count ? c->told : count;
        }
}

static void check_block(struct check *c, const struct native_block *b)
{
    struct fapilog_superblock sb;
    struct native_registry reg;
    struct native_spans spans;
    struct native_span span;
    switch (b->kind) {
    case FAPILOG_NATIVE_KIND_SEGMENT:
        c->has_super = native_segment_view(b, &sb) == 0 && memcmp(&sb, &super, FAPILOG_NATIVE_SEGMENT_BYTES) == 0;
        break;
    case FAPILOG_NATIVE_KIND_REGISTRY:
        if (native_registry_view(b, &reg) < 0 || reg.to > REGISTRY ||
            memcmp(reg.data, registry + reg.from, reg.to - reg.from) != 0)
            complain(c, "registry block", b->offset);
        else
            memset(c->known + reg.from, 1, reg.to - reg.from);
        break;
    case FAPILOG_NATIVE_KIND_SPANS:
        if (native_spans_view(b, &spans) < 0)
            complain(c, "spans block", b->offset);
        else
            while (native_spans_next(&spans, &span) > 0)
                check_span(c, &span);
        break;
    case FAPILOG_NATIVE_KIND_LOSSES:
        check_losses(c, b);
        break;
    default:
        break;
    }
}

static void check_file(struct check *c, const char *path)
{
    struct native_file *f;
    struct native_block b;
    struct err e;
    if (native_file_open(path, &f, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        c->good = false;
        return;
    }
    int r;
    while ((r = native_file_next(f, &b)) > 0)
        check_block(c, &b);
    if (r < 0 || f->skipped_bytes || f->lost_blocks || f->torn_bytes)
        complain(c, "damage", f->skipped_bytes + f->torn_bytes);
    native_file_close(f);
}

bool native_run_check(const char *directory, uint64_t end)
{
    struct check c = {.good = true, .end = end, .seen = calloc(end + 1, 1)};
    char path[600];
    struct dirent *entry;
    DIR *d = opendir(directory);
    CHECK(d && c.seen);
    build();
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        c.name = path;
        c.has_super = false;
        memset(c.known, 0, sizeof c.known);
        check_file(&c, path);
    }
    (void)closedir(d);
    c.name = directory;
    for (uint64_t i = 0; i < end && c.good; i++)
        if (!c.seen[i])
            complain(&c, "record is missing", i);
    if (c.good && c.told != end) /* each batch tells as many as records there are until its end */
        complain(&c, "losses told", c.told);
    free(c.seen);
    return c.good;
}
