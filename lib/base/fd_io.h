/* fd_io.h - whole reads and writes, where what is short or interrupted goes on; and as many
 * descriptors as we may have. */
#ifndef FAPILOG_BASE_FD_IO_H
#define FAPILOG_BASE_FD_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* One read(). What a pipe that was opened with O_NONBLOCK has not got yet is waited for, FD_PIPE_WAIT_MS at most. */
enum { FD_PIPE_WAIT_MS = 10000 };
ssize_t fd_read_some(int fd, void *to, size_t size); /* or -errno; -ETIME */

/* Bytes read, fewer than `size` only at the end of the file, or -errno. */
ssize_t fd_read_full(int fd, void *to, size_t size);
ssize_t fd_pread_full(int fd, void *to, size_t size, uint64_t offset);

/* For programs that keep many files open: up to the hard limit. */
void fd_limit_raise(void);

#endif
