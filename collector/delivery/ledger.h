/* ledger.h - the books: STATE/collector.ledger, mapped, two pages written in turn, each with its hash. What a
 * collector had done when it died can be read by anybody, and whether the books balance. docs/abi/ledger.md has
 * the bytes. */
#ifndef COLLECTOR_DELIVERY_LEDGER_H
#define COLLECTOR_DELIVERY_LEDGER_H

#include "collector/delivery/remote.h"

#define LEDGER_FILE "collector.ledger"
#define LEDGER_MAGIC UINT64_C(0x315247444c504146) /* "FAPLDGR1" */

enum { LEDGER_SINKS_MAX = 64, LEDGER_STAGES_MAX = 64, LEDGER_NAME_MAX = 48 };

/* Records. taken = delivered + all dropped + dead + memory + spooled. */
struct ledger_sink {
    char name[LEDGER_NAME_MAX];
    uint64_t taken, delivered;
    uint64_t dropped_full, dropped_spool_size, dropped_spool_age, dropped_corrupt, dropped_refused;
    uint64_t dead;
    uint64_t memory, spooled;
    uint64_t dead_evicted; /* of dead letters of any run; outside the sum */
};

struct ledger_stage {
    char name[LEDGER_NAME_MAX];
    uint64_t seen, dropped;
};

/* written = committed + pending + dropped. */
struct ledger_rings {
    uint64_t written, committed, pending, dropped;
};

struct ledger_page {
    uint64_t xxh3;      /* of everything behind it */
    uint64_t sequence;  /* 0: never written; the greater of the two counts */
    int64_t time_ns;    /* CLOCK_REALTIME */
    int64_t started_ns; /* CLOCK_REALTIME: of the run whose counts these are */
    uint32_t pid;
    uint32_t sinks_count, stages_count;
    uint32_t zero;
    struct ledger_rings rings;
    struct ledger_sink sink[LEDGER_SINKS_MAX];
    struct ledger_stage stage[LEDGER_STAGES_MAX];
};

struct ledger_map {
    uint64_t magic;
    uint32_t endian;
    uint32_t page_bytes; /* sizeof(struct ledger_page) */
    uint64_t zero[6];
    struct ledger_page page[2];
};
_Static_assert(sizeof(struct ledger_sink) == 136 && sizeof(struct ledger_stage) == 64 &&
               sizeof(struct ledger_page) == 80 + 64 * 136 + 64 * 64, "lies in a file");

struct ledger;

/* -ENOSPC or -EDQUOT: there is no room, and nothing was made. */
int ledger_open(const char *state_dir, struct ledger **ret, struct err *e);
void ledger_close(struct ledger *l); /* NULL allowed */
/* Fill in page->rings, sinks and stages; the rest is the ledger's. 1: somebody had cut the file, which has been made
 * again, as e says; -errno: it could not be, and the next store tries again. */
int ledger_store(struct ledger *l, struct ledger_page *page, struct err *e);
void ledger_sink_fill(struct ledger_sink *ret, const char *name, const struct remote_stats *s);

/* Of a file, or of the directory that has it. -ENOENT, -EBADMSG. */
int ledger_read(const char *path, struct ledger_page *ret, struct err *e);
bool ledger_sink_balances(const struct ledger_sink *s);
bool ledger_balances(const struct ledger_page *p);

#endif
