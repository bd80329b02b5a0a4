/* mmap_file.h - a mapped file of lines: [0, written) are lines, the rest up to `size` is NUL. */
#ifndef COLLECTOR_SINKS_MMAP_FILE_H
#define COLLECTOR_SINKS_MMAP_FILE_H

#include "collector/io/io.h"
#include "lib/base/err.h"

struct mmap_file {
    int fd;
    char *map;        /* NULL while size is 0 */
    uint64_t size;    /* of the file and of the mapping */
    uint64_t written; /* end of the last line that counts */
    uint64_t stored;  /* >= written: end of a batch that did not come to count */
    uint64_t flushed; /* end of what a flush has covered */
    uint64_t dev, ino, birth_ns;
    bool lacks_feed;  /* the last byte before `written` ends no line; the map is not asked, the file may be shorter */
    bool has_holes;   /* pages of the map are no longer the file's: mmap_file_mend() */
};

/* Opens or creates, locks, finds the end of the lines, cuts what is behind it, and maps at least `size`
 * bytes, or just the lines where the disk is full. Nothing is open after a failure. */
int mmap_file_open(struct io *io, const char *path, uint64_t size, struct mmap_file *f, struct err *e);
/* Cuts the file to its lines; it is closed whatever the result. One that others have cut does not grow. Closed already:
 * nothing. */
int mmap_file_close(struct io *io, struct mmap_file *f, bool flush);
/* Whether that result means that the disk, or a quota, is full. */
bool mmap_file_is_full(int r);
/* Sets the file's size; the bytes from `keep` on have blocks, so that storing there cannot fail. */
int mmap_file_resize(struct io *io, struct mmap_file *f, uint64_t keep, uint64_t size);
/* A file that has been moved away, to another name in the directory of `path`, is cut to `end`; one that is found
 * nowhere, or ends before, is left alone. `birth_ns` tells it from one that was given its inode number later: 0 finds
 * none. */
int mmap_file_cut_moved(struct io *io, const char *path, const struct mmap_file *moved, uint64_t end, struct err *e);
/* Makes everything from `end` on NUL again, or gives it back where the disk is full. */
int mmap_file_cut(struct io *io, struct mmap_file *f, uint64_t end);
/* Maps the file again over pages that a guard has put into holes. */
int mmap_file_mend(struct mmap_file *f);

#endif
