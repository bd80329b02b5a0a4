/* compress.h - turns one archive into a compressed one in a helper thread of low priority. The thread
 * only reads the original and writes a temporary file; names are changed by the owner of the sink,
 * since a rotation may rename the original meanwhile.
 *
 *   J1 -> J2   thread: store_rel is_done              owner: load_acq is_done
 *              result is written, and so is the temporary file */
#ifndef COLLECTOR_SINKS_COMPRESS_H
#define COLLECTOR_SINKS_COMPRESS_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum compress_codec { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD };

struct compress_job {
    enum compress_codec codec;
    char partial[PATH_MAX]; /* complete and on disk once compress_poll() returned 1 */
    uint64_t source_ino;
    bool is_running;
    /* private */
    int source_fd;
    pthread_t thread;
    bool is_done;   /* release by the thread, acquire by poll */
    bool is_cancelled;
    int result;
};

/* ".gz", ".zst" */
const char *compress_suffix(enum compress_codec codec);
/* 0 or -errno; source_fd is taken over either way. */
int compress_start(struct compress_job *j, enum compress_codec codec, int source_fd, uint64_t source_ino,
                   const char *partial);
/* 0: still running; 1: the temporary file is complete; -errno: failed, the temporary file is gone. */
int compress_poll(struct compress_job *j);
/* As poll, but waits until then (CLOCK_MONOTONIC). */
int compress_wait(struct compress_job *j, uint64_t until_ns);
/* Ends a running job early and removes its temporary file. */
void compress_cancel(struct compress_job *j);

#endif
