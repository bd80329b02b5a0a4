/* deadletter.h - records that were refused for good, with the reason, in .dead files: the files of a spool
 * (collector/delivery/spool) whose blocks hold a struct spool_dead_head and the reason before each entry. */
#ifndef COLLECTOR_DELIVERY_DEADLETTER_H
#define COLLECTOR_DELIVERY_DEADLETTER_H

#include "collector/delivery/spool/seglog.h"

struct deadletter;

struct deadletter_config {
    struct io *io;
    const char *dir;
    const char *sink, *format;
    const struct sink_delivery *delivery; /* dead_letter_max_bytes; it may change */
};

/* Why a record is given up. */
struct deadletter_why {
    int status;
    char reason[SPOOL_REASON_MAX];
};

enum { DEADLETTER_STATUS_TEXT = 16 };
/* A status as JSON: a number, but of entries in postgresql's format the five characters of the SQLSTATE. Returns
 * ret. */
const char *deadletter_status_text(const char *format, int status, char ret[DEADLETTER_STATUS_TEXT]);

int deadletter_open(const struct deadletter_config *cfg, struct deadletter **ret, struct err *e);
/* Nothing may be under way. NULL allowed. */
void deadletter_close(struct deadletter *d);
bool deadletter_is_busy(const struct deadletter *d);

/* As with a spool: a group of entries, deadletter_write(), deadletter_poll() until it ends. */
bool deadletter_can_put(const struct deadletter *d);
/* -EAGAIN: the group is full. -EFBIG: longer than all dead letters together may be. */
int deadletter_put(struct deadletter *d, const struct entry_head *entry, uint32_t attempts,
                   const struct deadletter_why *why);
/* Gives up the oldest files for room; what they held is counted. */
int deadletter_write(struct deadletter *d);
int deadletter_poll(struct deadletter *d);
uint64_t deadletter_evicted(const struct deadletter *d);

/* Reads dead letters, or a spool, back: a file, or all of a directory, oldest first. on_entry is called for each;
 * `item` is valid until it returns, and less than 0 ends the walk and is returned. *ret_damaged counts blocks
 * that could not be read. Records of images (image.h) come as JSON. For --replay and for tools. */
typedef int deadletter_replay_fn(void *arg, const struct spool_file_head *file, const struct spool_item *item);
int deadletter_replay(const char *path, deadletter_replay_fn *on_entry, void *arg, uint64_t *ret_damaged,
                      struct err *e);

#endif
