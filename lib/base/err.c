#include "lib/base/err.h"

#include "lib/base/check.h"

#include <stdio.h>
#include <string.h>

static void append(struct err *e, const char *sep, const char *fmt, va_list ap)
{
    size_t used = strnlen(e->text, sizeof e->text - 1);
    int n = snprintf(e->text + used, sizeof e->text - used, "%s", sep);
    used += (size_t)n < sizeof e->text - used ? (size_t)n : sizeof e->text - used - 1;
    (void)vsnprintf(e->text + used, sizeof e->text - used, fmt, ap);
}

__attribute__((format(printf, 2, 3))) static void append_words(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    append(e, "", fmt, ap);
    va_end(ap);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    CHECK(code < 0);
    if (e) {
        va_list ap;
        e->code = code;
        e->text[0] = '\0';
        va_start(ap, fmt);
        append(e, "", fmt, ap);
        va_end(ap);
    }
    return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
    CHECK(code < 0);
    if (e) {
        va_list ap;
        e->code = code;
        va_start(ap, fmt);
        append(e, e->text[0] ? "; " : "", fmt, ap);
        va_end(ap);
    }
    return code;
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
    CHECK(code < 0);
    if (e) {
        va_list ap;
        e->code = code;
        e->text[0] = '\0';
        va_start(ap, fmt);
        append(e, "", fmt, ap);
        va_end(ap);
        /* Not strerror(): it may load a translation, and a log call in a forked child comes here. */
        const char *what = strerrordesc_np(-code);
        if (what)
            append_words(e, ": %s", what);
        else
            append_words(e, ": error %d", -code);
    }
    return code;
}
