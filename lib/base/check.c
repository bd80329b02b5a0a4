#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *expr, const char *file, int line, const char *func)
{
    fprintf(stderr, "fapilog: internal error: %s:%d: %s: '%s' does not hold\n", file, line, func, expr);
    abort();
}
