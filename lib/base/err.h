/* Error text. A function that can fail returns a negative errno, which travels up unchanged, and
 * writes what happened into a caller-owned struct err, innermost cause first:
 *
 *     rotate.bytes: '1' is outside 4096..1099511627776; sink file:///var/log/app.jsonl
 *
 * Libraries never print; programs print err.text once, to stderr. A NULL struct err is allowed
 * everywhere: the code is then all that is reported. */
#ifndef FAPILOG_BASE_ERR_H
#define FAPILOG_BASE_ERR_H

#include <stdarg.h>

enum { ERR_TEXT_MAX = 1024 };

struct err {
    int code; /* 0 or a negative errno */
    char text[ERR_TEXT_MAX];
};

/* Replaces the text; returns code (which must be negative) so that `return err_set(...)` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Appends "; <context>" while the error travels up; returns code. */
int err_wrap(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_set with ": <what the errno means, in English>" added. */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
