/* cursor.h - what of a spool is settled: DIR/cursor, mapped, so that an acknowledgement is one store and
 * survives SIGKILL. All blocks before `base` are settled; of those behind, a bit for each record is kept for the next
 * CURSOR_NEAR, which are read first, and for CURSOR_FAR others, records of which are settled while the oldest block
 * is not. A block that is settled as a whole gives its slot up for one bit, of which there are enough for
 * 64 * CURSOR_GROUPS in a row. A lost or damaged cursor costs duplicates, never a record: a bit counts only when its
 * complement says the same, which is sealed with the number of its block, so that what a power failure has left of the
 * slot's former block is not taken for the present one's; `base` counts only with its hash. Beside that, up to where
 * somebody else has taken note of what was put: a lost one of spool_set_noted() costs duplicates, too. */
#ifndef COLLECTOR_DELIVERY_SPOOL_CURSOR_H
#define COLLECTOR_DELIVERY_SPOOL_CURSOR_H

#include "collector/delivery/spool/layout.h"
#include "lib/base/err.h"

#include <stdbool.h>

#define CURSOR_FILE "cursor"
#define CURSOR_MAGIC UINT64_C(0x32535255434c5053) /* "SPLCURS2" */

enum {
    CURSOR_NEAR = 256,
    CURSOR_FAR = 256,
    CURSOR_SLOTS = CURSOR_NEAR + CURSOR_FAR,
    CURSOR_WORDS = SPOOL_BLOCK_RECORDS / 64,
    CURSOR_GROUPS = 4096,
};

struct cursor_slot {
    uint64_t sequence;           /* of the block; 0: none */
    uint64_t done[CURSOR_WORDS];
    uint64_t check[CURSOR_WORDS]; /* ~done ^ the seal of sequence and index */
};

/* 64 blocks in a row, a bit for each that is settled as a whole. */
struct cursor_group {
    uint64_t key; /* of a sequence: sequence / 64 + 1; 0: none */
    uint64_t done, check; /* as in a slot; the seal of key and CURSOR_WORDS */
};

struct cursor_map {
    uint64_t magic;
    struct {
        uint64_t sequence;
        uint64_t xxh3;
    } base[2]; /* the greater one with a right hash */
    uint64_t noted[3]; /* one thing, written one after the other: what two of them say counts; 0: not known */
    struct cursor_slot slot[CURSOR_SLOTS]; /* near: by sequence modulo CURSOR_NEAR; far: behind them, any */
    struct cursor_group group[CURSOR_GROUPS]; /* by key modulo CURSOR_GROUPS */
};

/* What counts while this process lives is in memory of its own: the file is written to, and is not read again, so that
 * whoever cuts it takes nothing away. */
struct cursor {
    struct cursor_map *map;
    struct cursor_map *file; /* NULL: memory only */
    int guard;
    uint32_t damaged;        /* set by the guard: somebody has cut the file */
    uint64_t base, noted;
    uint64_t far[CURSOR_FAR]; /* sequences of the far slots: to look for one there would touch as many pages */
};

/* Where the file cannot be made or mapped, there is only memory, with what can be read of the file, and the reason is
 * in e: nothing fails. One that cannot be understood is begun anew, and told of in e as well. */
void cursor_open(struct cursor *c, const char *dir, struct err *e);
/* Somebody has cut the file or written to it: it is given up, and there is only memory from now on. */
bool cursor_was_cut(struct cursor *c);
/* The file, where there is only memory, with what is there. It takes the place of one that is there, which needs the
 * directory's lock. */
int cursor_mend(struct cursor *c, const char *dir, struct err *e);
void cursor_close(struct cursor *c);
/* Behind all blocks of which something was ever noted here. What is settled of them must not be taken for what has come
 * since, when neither a file nor the journal has them any more. */
uint64_t cursor_next(const struct cursor *c);
/* Of blocks before it, that they are settled may not be known any more: younger ones have taken their bits. */
uint64_t cursor_kept_from(const struct cursor *c);
/* Of the blocks from..to-1, those of which something is settled. */
uint32_t cursor_touched(const struct cursor *c, uint64_t from, uint64_t to);
void cursor_set_base(struct cursor *c, uint64_t sequence);
void cursor_set_noted(struct cursor *c, uint64_t sequence);
/* Makes room for the block's bits; without (all far slots are in use) they are not kept. */
void cursor_begin(struct cursor *c, uint64_t sequence);
void cursor_settle(struct cursor *c, uint64_t sequence, uint32_t index);
/* All of the block's records are settled. */
void cursor_settle_whole(struct cursor *c, uint64_t sequence);
bool cursor_is_settled(const struct cursor *c, uint64_t sequence, uint32_t index);
uint32_t cursor_unsettled(const struct cursor *c, uint64_t sequence, uint32_t records);

#endif
