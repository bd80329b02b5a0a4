/* Whether the producer of a segment lives: it holds an open-file-description write lock on the whole
 * file through its mapping; the kernel drops the lock with the process, whatever ends it. */
#ifndef FAPILOG_RING_LIVENESS_H
#define FAPILOG_RING_LIVENESS_H

/* Producer: takes the lock on `fd`. 0 or a negative errno. */
int liveness_take(int fd);

/* Anyone: 1 while the producer lives, 0 when it is gone, or a negative errno. A read-only descriptor
 * is enough. */
int liveness_probe(int fd);

/* Producer: 1 when a collector holds the lock of the ring directory `dir`, else 0 or a negative errno. */
int liveness_probe_collector(int dir);

#endif
