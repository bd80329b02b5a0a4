/* A growable byte buffer for paths that may allocate (tools, control data, tests). Formats write into the fixed
 * buffers of collector/delivery/buffers.h instead. */
#ifndef FAPILOG_BASE_BUF_H
#define FAPILOG_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data; /* not NUL-terminated unless buf_cstr() was called */
    size_t len;
    size_t cap;
};

/* Makes room for `more` bytes after len. 0 or -ENOMEM; the buffer is unchanged on failure. */
int buf_reserve(struct buf *b, size_t more);
int buf_append(struct buf *b, const void *data, size_t len);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* NUL-terminates (not counted in len) and returns the text, or NULL when memory is out. */
const char *buf_cstr(struct buf *b);
void buf_done(struct buf *b);

#define auto_buf __attribute__((cleanup(buf_done))) struct buf

#endif
