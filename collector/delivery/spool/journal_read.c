/* What a journal holds that nobody has open, or somebody else. */
#include "collector/delivery/spool/journal.h"

#include "lib/base/cleanup.h"
#include "lib/base/fd_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The block that the slot names, if it is one. */
static bool block_read(const struct journal *j, const struct journal_slot *s, struct journal_block *ret)
{
    struct spool_block_head h;
    size_t at = s->offset;
    if (s->offset % 8 || s->offset > JOURNAL_AREA - sizeof h ||
        !spool_block_find(j->area, at + sizeof h, SPOOL_ENTRIES, &at, &h) || h.sequence != s->sequence ||
        spool_block_bytes(&h) > JOURNAL_AREA - at)
        return false;
    *ret = (struct journal_block){ s->offset, (uint32_t)spool_block_bytes(&h), h.records };
    return true;
}

/* Behind those that were taken, in the order of the ring. */
static bool block_follows(struct journal *j, uint64_t sequence, const struct journal_block *b)
{
    if (journal_is_empty(j))
        return true;
    const uint64_t from = journal_at(j, j->first)->offset, to = journal_end_of(journal_at(j, j->next - 1));
    if (sequence < j->next || sequence - j->first >= JOURNAL_SLOTS)
        return false;
    return to > from ? b->offset >= to || journal_end_of(b) < from : b->offset >= to && journal_end_of(b) < from;
}

/* What is missing between two of them has no bytes. */
static void block_take(struct journal *j, uint64_t sequence, const struct journal_block *b)
{
    if (journal_is_empty(j))
        j->first = j->next = sequence;
    for (; j->next < sequence; j->next++)
        *journal_at(j, j->next) = (struct journal_block){
            .offset = journal_end_of(journal_at(j, j->next - 1)),
        };
    *journal_at(j, j->next++) = *b;
    j->records += b->records;
    j->bytes += b->bytes;
}

static struct journal_slot *slot_next(const struct journal *j, uint64_t after)
{
    struct journal_slot *next = NULL;
    for (uint32_t i = 0; i < JOURNAL_SLOTS; i++) {
        struct journal_slot *s = &j->map->slot[i];
        if (s->sequence > after && (!next || s->sequence < next->sequence))
            next = s;
    }
    return next;
}

void journal_scan(struct journal *j, uint64_t found, uint32_t *ret_lost)
{
    struct journal_block b;
    *ret_lost = 0;
    for (struct journal_slot *s; (s = slot_next(j, 0)) && s->sequence <= found;)
        s->sequence = 0; /* killed before it was released */
    for (struct journal_slot *s; (s = slot_next(j, found));) {
        found = s->sequence;
        if (s == &j->map->slot[found % JOURNAL_SLOTS] && block_read(j, s, &b) && block_follows(j, found, &b)) {
            block_take(j, found, &b);
        } else {
            s->sequence = 0;
            ++*ret_lost;
        }
    }
}

/* ---- for tools ---- */

/* Zeros stand for what somebody has cut off. */
static int read_some(int fd, void *to, size_t len, uint64_t offset)
{
    const ssize_t n = fd_pread_full(fd, to, len, offset);
    if (n < 0)
        return (int)n;
    memset((char *)to + n, 0, len - (size_t)n);
    return 0;
}

bool journal_fd_is_one(int fd)
{
    uint64_t found;
    return read_some(fd, &found, sizeof found, 0) == 0 && found == JOURNAL_MAGIC;
}

/* Blocks that were there before and after the area was read are whole. */
static int map_read(int fd, char *image)
{
    struct journal_map before;
    struct journal_map *m = (struct journal_map *)(void *)image;
    int r = read_some(fd, &before, sizeof before, 0);
    if (r == 0)
        r = read_some(fd, image + JOURNAL_AREA_OFFSET, JOURNAL_AREA, JOURNAL_AREA_OFFSET);
    if (r == 0)
        r = read_some(fd, m, sizeof *m, 0);
    for (unsigned i = 0; i < JOURNAL_SLOTS; i++)
        if (memcmp(&before.slot[i], &m->slot[i], sizeof m->slot[i]) != 0)
            m->slot[i].sequence = 0;
    return r;
}

static int blocks_write(int fd, const struct journal *j)
{
    int r = 0;
    for (uint64_t i = j->first; i < j->next && r == 0; i++) {
        const struct journal_block *b = &j->block[i % JOURNAL_SLOTS];
        r = fd_write_all(fd, j->area + b->offset, b->bytes);
    }
    return r;
}

int journal_export(int fd)
{
    auto_free char *image = malloc(JOURNAL_BYTES);
    auto_free struct journal *j = calloc(1, sizeof *j);
    auto_fd out = memfd_create(JOURNAL_FILE, MFD_CLOEXEC);
    struct spool_file_head h = { .kind = SPOOL_ENTRIES };
    uint32_t lost;
    if (!image || !j || out < 0)
        return out < 0 ? -errno : -ENOMEM;
    int r = map_read(fd, image);
    if (r < 0)
        return r;
    j->map = (struct journal_map *)(void *)image;
    j->area = image + JOURNAL_AREA_OFFSET;
    journal_scan(j, 0, &lost);
    h.sequence = j->first;
    memcpy(h.sink, j->map->sink, sizeof h.sink);
    memcpy(h.format, j->map->format, sizeof h.format);
    spool_file_head_seal(&h);
    h.xxh3 += !journal_head_is_valid(j->map); /* damaged there is damaged here */
    r = fd_write_all(out, &h, sizeof h);
    if (r == 0)
        r = blocks_write(out, j);
    return r < 0 ? r : take_fd(out);
}
