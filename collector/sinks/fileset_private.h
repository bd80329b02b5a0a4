/* fileset_private.h - what the parts of the file set share. */
#ifndef COLLECTOR_SINKS_FILESET_PRIVATE_H
#define COLLECTOR_SINKS_FILESET_PRIVATE_H

#include "collector/sinks/fileset.h"

#define FILESET_SECOND INT64_C(1000000000)
#define FILESET_CLOSE_NS_MAX (10 * UINT64_C(1000000000))
#define FILESET_COMPRESS_NS_MAX (2 * UINT64_C(1000000000))
#define FILESET_LOCK_NS_MAX (UINT64_C(500) * 1000000)
#define FILESET_LOOK_NS (200 * INT64_C(1000000))
#define FILESET_TIDY_NS (60 * FILESET_SECOND)

/* fileset.c */
void fileset_tail_load(struct fileset *f);
void fileset_tail_add(struct fileset *f, const void *data, uint64_t len);
/* When the interval that holds from_ns ends. */
void fileset_schedule(struct fileset *f, int64_t from_ns);
/* fd or -errno */
int fileset_open_file(struct fileset *f, const char *path, int flags);
/* Makes fd the current file; -EBUSY when somebody else holds it. */
int fileset_adopt(struct fileset *f, int fd);
int fileset_open_live(struct fileset *f);

/* fileset_write.c */
/* Cuts leftovers and learns of truncation and foreign bytes since the last write. */
int fileset_refresh(struct fileset *f);
/* Forces file, then directory to disk; then is called, perhaps at once. */
void fileset_sync(struct fileset *f, fileset_done_fn *then);
/* Appends what ends the file; false: nothing to append, `then` is not called. */
bool fileset_footer(struct fileset *f, fileset_done_fn *then);

/* fileset_rotate.c */
bool fileset_rotation_due(struct fileset *f, uint64_t bytes);
/* Ends the current file; with open_next a new one is current afterwards. On failure the old one still is. */
int fileset_rotate_now(struct fileset *f, bool open_next);
/* After an external rename or unlink of the live file. */
int fileset_reopen_now(struct fileset *f);
int fileset_open_dated(struct fileset *f);

/* fileset_tidy.c */
/* Removes originals whose compressed form is complete. */
int fileset_drop_duplicates(struct fileset *f);
/* Removes leftovers of a crash, then what retention gives up, then starts the next compression. */
void fileset_tidy(struct fileset *f);
/* Takes over a finished compression. */
void fileset_compress_poll(struct fileset *f);
/* Tidies and waits a little for compression, then gives up; the next start does the rest. */
void fileset_tidy_last(struct fileset *f);

#endif
