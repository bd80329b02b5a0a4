#include "lib/ring/clock.h"

#include <fapilog/abi.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
/* The kernel has measured whether the TSC can be trusted; its choice of clocksource says so. */
uint32_t clock_detect(void)
{
    char text[16] = {0};
    const int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                        O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FAPILOG_CLOCK_MONOTONIC;
    const ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    return n == 4 && memcmp(text, "tsc\n", 4) == 0 ? FAPILOG_CLOCK_TSC : FAPILOG_CLOCK_MONOTONIC;
}
#elif defined(__aarch64__)
uint32_t clock_detect(void)
{
    return FAPILOG_CLOCK_CNTVCT;
}
#else
uint32_t clock_detect(void)
{
    return FAPILOG_CLOCK_MONOTONIC;
}
#endif

static struct clock_anchor pair(uint32_t kind, unsigned windows)
{
    struct clock_anchor best = {0, 0, 0};
    uint64_t width = UINT64_MAX;
    for (unsigned i = 0; i < windows; i++) {
        const uint64_t before = clock_now(kind);
        const uint64_t real = clock_real_ns();
        const uint64_t after = clock_now(kind);
        if (after - before < width) {
            width = after - before;
            best.cycles = before + width / 2;
            best.real_ns = real;
        }
    }
    return best;
}

struct clock_anchor clock_anchor_pair(uint32_t kind)
{
    return pair(kind, 2);
}

struct clock_anchor clock_anchor_take(uint32_t kind, unsigned windows)
{
    struct clock_anchor best = pair(kind, windows);
    uint64_t width = UINT64_MAX;
    /* The monotonic reading belongs to the same instant: shifted by what the counter moved meanwhile
     * would need its rate; two realtime readings around it do without. */
    for (unsigned i = 0; i < windows; i++) {
        const uint64_t before = clock_real_ns();
        const uint64_t mono = clock_mono_ns();
        const uint64_t after = clock_real_ns();
        if (after - before < width) {
            width = after - before;
            best.mono_ns = mono - (before + width / 2 - best.real_ns);
        }
    }
    return best;
}

uint64_t clock_hz(const struct clock_anchor *from, const struct clock_anchor *to)
{
    const uint64_t ns = to->mono_ns - from->mono_ns;
    const uint64_t cycles = to->cycles - from->cycles;
    if (to->mono_ns <= from->mono_ns || ns < 1000 || cycles > UINT64_MAX / 1000000000u)
        return 0;
    return (uint64_t)((unsigned __int128)cycles * 1000000000u / ns);
}
