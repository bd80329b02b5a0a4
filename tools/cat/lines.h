/* Lines from a descriptor, whatever their length and whatever bytes they hold. */
#ifndef TOOLS_CAT_LINES_H
#define TOOLS_CAT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lines {
    int fd;
    int stop_fd;             /* readable: what can be read without waiting is the last; -1: none */
    bool is_stopped;
    char *data;
    size_t start, end, cap;  /* data[start, end) is read and not yet handed out */
    size_t line_max;         /* longer lines are handed out in full up to here, the rest is passed over */
    uint64_t number;         /* of the line handed out last, from 1 */
    uint64_t cut;            /* lines that were longer than line_max */
    bool eof;
    bool skipping;
};

struct line {
    const char *data; /* without its end, LF or CR LF; valid until the next call */
    size_t len;
    bool is_cut;
};

/* 0 or -ENOMEM. line_max: bytes, at least 1. */
int lines_init(struct lines *l, int fd, int stop_fd, size_t line_max);
/* 1 with a line (a last one without a line feed counts), 0 at the end, -errno. */
int lines_next(struct lines *l, struct line *ret);
void lines_done(struct lines *l);

#endif
