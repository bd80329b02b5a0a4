/* Texts of printf-style calls, and call stacks. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

#include <errno.h>
#include <execinfo.h>
#include <string.h>

/* One conversion of a format, from the character after '%'. */
struct conversion {
    char type;
    bool star_precision;
    int precision; /* -1: none */
    int stars;     /* arguments taken by '*' before the value */
};

static const char *parse(const char *s, struct conversion *ret)
{
    *ret = (struct conversion){.precision = -1};
    s += strspn(s, "-+ #0'I");
    if (*s == '*') {
        ret->stars++;
        s++;
    }
    s += strspn(s, "0123456789");
    if (*s == '.') {
        s++;
        ret->precision = 0;
        if (*s == '*') {
            ret->stars++;
            ret->star_precision = true;
            s++;
        }
        for (; *s >= '0' && *s <= '9'; s++)
            ret->precision = ret->precision < 1000000 ? ret->precision * 10 + (*s - '0') : ret->precision;
    }
    s += strspn(s, "hlLqjzt");
    ret->type = *s;
    return *s ? s + 1 : s;
}

/* The conversion that takes argument `index`. */
static struct conversion find(const char *format, int index)
{
    struct conversion c = {.type = 's', .precision = -1};
    for (const char *s = strchr(format, '%'); s; s = strchr(s, '%')) {
        struct conversion here;
        s = parse(s + 1, &here);
        if (here.type == '%' || here.type == 'm') /* which take no argument */
            continue;
        index -= here.stars;
        if (index < 0)
            break;
        if (index-- == 0)
            return here;
    }
    return c;
}

struct fapilogi_ptext fapilogi_printf_text(const char *format, int index, int prev, const char *s)
{
    struct fapilogi_ptext r = {0};
    const struct conversion c = find(format, index);
    if (c.type != 's') { /* %p of a char pointer: not a text at all */
        uint64_t address = (uint64_t)(uintptr_t)s;
        char *to = r.hex + sizeof r.hex;
        do
            *--to = "0123456789abcdef"[address & 15];
        while (address >>= 4);
        *--to = 'x';
        *--to = '0';
        r.len = (uint32_t)(r.hex + sizeof r.hex - to);
        memmove(r.hex, to, r.len);
        return r;
    }
    const int precision = c.star_precision ? prev : c.precision;
    r.data = s ? s : "(null)";
    r.len = fapilogi_clamp(precision >= 0 ? strnlen(r.data, (size_t)precision) : strlen(r.data));
    return r;
}

/* glibc's backtrace() loads libgcc on its first call, which allocates: fapilog_open() makes that call where
 * the program has a call site with FL_STACK, fapilog_prepare() always, so that later ones are signal safe. */
__attribute__((noinline)) uint32_t fapilogi_backtrace(void **frames, uint32_t max)
{
    enum { EXTRA = 4 };
    void *all[FAPILOGI_STACK_MAX + EXTRA];
    const int saved = errno;
    const int n = backtrace(all, (int)(max < FAPILOGI_STACK_MAX ? max : FAPILOGI_STACK_MAX) + EXTRA);
    /* Without this function, and what a sanitizer puts between it and backtrace(). */
    int first = 1;
    while (first < EXTRA && first < n && all[first] != __builtin_return_address(0))
        first++;
    if (first == EXTRA || first == n)
        first = 1;
    const uint32_t left = n > first ? (uint32_t)(n - first) : 0;
    const uint32_t count = left < max ? left : max;
    memcpy(frames, all + first, count * sizeof *frames);
    errno = saved;
    return count;
}

void fapilogi_backtrace_prime(bool always)
{
    static bool primed;
    void *frame[1];
    /* order: relaxed - twice does no harm */
    if (load_rlx(&primed) || !(always || load_rlx(&process.stacks)))
        return;
    store_rlx(&primed, true); /* order: relaxed - as above */
    (void)fapilogi_backtrace(frame, 1);
}
