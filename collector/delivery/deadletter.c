#include "collector/delivery/deadletter.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_MAX = 16 << 20, SEGMENTS_AT_LIMIT = 4 };

struct deadletter {
    struct deadletter_config cfg;
    struct seglog log;
    char *raw;
    uint32_t raw_len, raw_cap, records;
    int64_t oldest_ns;
    uint64_t evicted;
    bool is_writing;
};

static void on_found(void *arg, struct seglog_segment *seg, const struct spool_block_head *h)
{
    (void)arg, (void)seg, (void)h; /* they have been counted by the run that gave them up */
}

static uint64_t segment_bytes(const struct deadletter_config *cfg)
{
    const uint64_t part = cfg->delivery->dead_letter_max_bytes / SEGMENTS_AT_LIMIT;
    return part < SEGMENT_MAX ? part : SEGMENT_MAX;
}

const char *deadletter_status_text(const char *format, int status, char ret[DEADLETTER_STATUS_TEXT])
{
    static const char scheme[] = "postgresql/", digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    (void)snprintf(ret, DEADLETTER_STATUS_TEXT, "%d", status);
    if (strncmp(format, scheme, sizeof scheme - 1) != 0 || status <= 0)
        return ret;
    memcpy(ret, "\"00000\"", 8); /* the sink reads the characters as digits of base 36 */
    for (char *p = ret + 5; p > ret && status > 0; status /= 36)
        *p-- = digits[status % 36];
    return ret;
}

int deadletter_open(const struct deadletter_config *cfg, struct deadletter **ret, struct err *e)
{
    struct deadletter *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, -ENOMEM, "dead letters: out of memory");
    d->cfg = *cfg;
    const struct seglog_config log = {
        .io = cfg->io, .dir = cfg->dir, .suffix = SPOOL_DEAD_SUFFIX, .kind = SPOOL_DEAD, .sink = cfg->sink,
        .format = cfg->format, .segment_bytes = segment_bytes(cfg), .sync = SINK_SYNC_ALWAYS,
    };
    int r = seglog_open(&d->log, &log, e);
    if (r == 0)
        r = seglog_find(&d->log, on_found, d, e);
    if (r < 0) {
        free(d);
        return err_wrap(e, r, "dead letters");
    }
    *ret = d;
    return 0;
}

void deadletter_close(struct deadletter *d)
{
    if (!d)
        return;
    seglog_close(&d->log);
    free(d->raw);
    free(d);
}

bool deadletter_is_busy(const struct deadletter *d)
{
    return seglog_is_busy(&d->log);
}

bool deadletter_can_put(const struct deadletter *d)
{
    return !d->is_writing && d->log.step == SEGLOG_IDLE;
}

static char *room(struct deadletter *d, uint32_t bytes)
{
    if (d->raw_cap < d->raw_len + bytes) {
        const uint32_t cap = bytes > SPOOL_BLOCK_RAW ? bytes : SPOOL_BLOCK_RAW;
        char *raw = realloc(d->raw, cap);
        if (!raw)
            return NULL;
        d->raw = raw;
        d->raw_cap = cap;
    }
    return d->raw + d->raw_len;
}

int deadletter_put(struct deadletter *d, const struct entry_head *entry, uint32_t attempts,
                   const struct deadletter_why *why)
{
    const size_t reason_len = strnlen(why->reason, sizeof why->reason);
    struct spool_dead_head h = {
        .bytes = (uint32_t)((sizeof h + reason_len + 7) & ~(size_t)7), .reason_len = (uint16_t)reason_len,
        .status = why->status, .attempts = attempts, .time_ns = (int64_t)clock_real_ns(),
    };
    const uint32_t bytes = h.bytes + entry->bytes;
    const uint64_t part = segment_bytes(&d->cfg), block_max = part < SPOOL_BLOCK_RAW ? part : SPOOL_BLOCK_RAW;
    CHECK(deadletter_can_put(d));
    const size_t heads = sizeof(struct spool_file_head) + sizeof(struct spool_block_head);
    if (bytes + heads > d->cfg.delivery->dead_letter_max_bytes)
        return -EFBIG;
    if (d->records && (d->records == SPOOL_BLOCK_RECORDS || d->raw_len + bytes > block_max))
        return -EAGAIN;
    char *to = room(d, bytes);
    if (!to)
        return -ENOMEM;
    memcpy(to, &h, sizeof h);
    memset(to + sizeof h, 0, h.bytes - sizeof h);
    memcpy(to + sizeof h, why->reason, reason_len);
    memcpy(to + h.bytes, entry, entry->bytes);
    d->oldest_ns = !d->records || entry->time_ns < d->oldest_ns ? entry->time_ns : d->oldest_ns;
    d->raw_len += bytes;
    d->records++;
    return 0;
}

static void limit(struct deadletter *d)
{
    while (d->log.first && d->log.bytes + d->log.group_len > d->cfg.delivery->dead_letter_max_bytes) {
        const uint64_t records = d->log.first->records;
        if (d->log.first == d->log.last && d->log.fd >= 0)
            return; /* the group goes into it */
        if (seglog_drop(&d->log, d->log.first) < 0)
            return;
        d->evicted += records;
    }
}

int deadletter_write(struct deadletter *d)
{
    int r = -ENOMEM;
    d->log.segment_bytes = segment_bytes(&d->cfg);
    const struct seglog_block block = {
        .kind = SPOOL_DEAD, .codec = SPOOL_ZSTD, .raw = d->raw, .raw_len = d->raw_len, .records = d->records,
        .oldest_ns = d->oldest_ns, .time_ns = (int64_t)clock_real_ns(),
    };
    if (seglog_add(&d->log, &block)) {
        limit(d);
        r = seglog_start(&d->log);
    }
    d->raw_len = d->records = 0;
    d->is_writing = r == 0;
    return r;
}

int deadletter_poll(struct deadletter *d)
{
    if (!d->is_writing)
        return 0;
    const int r = seglog_poll(&d->log);
    d->is_writing = r == -EAGAIN;
    return r;
}

uint64_t deadletter_evicted(const struct deadletter *d)
{
    return d->evicted;
}
