/* CHECK states what only a bug of ours could break; it stays in release builds. ASSUME is the same
 * statement in a measured hot loop, where release builds let the compiler rely on it. Neither ever
 * judges bytes written by another process: those are bounded and refused with -EBADMSG. */
#ifndef FAPILOG_BASE_CHECK_H
#define FAPILOG_BASE_CHECK_H

__attribute__((noreturn, cold, noinline))
void check_failed(const char *expr, const char *file, int line, const char *func);

#define CHECK(expr) \
    do { \
        if (__builtin_expect(!(expr), 0)) \
            check_failed(#expr, __FILE__, __LINE__, __func__); \
    } while (0)

#ifdef FAPILOG_DEBUG_ASSUME
#define ASSUME(expr) CHECK(expr)
#else
#define ASSUME(expr) do { if (!(expr)) __builtin_unreachable(); } while (0)
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
