#include "tools/dump/follow.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum { POLL_MS_MIN = 10, POLL_MS_MAX = 200 };

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
    (void)signo;
    stopped = 1;
}

void follow_init(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
}

bool follow_is_stopped(void)
{
    return stopped != 0;
}

bool follow_sleep(unsigned ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (!stopped && nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
    return !stopped;
}

bool follow_wait(const struct reader *r)
{
    static uint64_t records_before;
    static unsigned ms = POLL_MS_MIN;
    struct reader_totals t;
    reader_totals(r, &t);
    ms = t.records != records_before ? POLL_MS_MIN : ms * 2 > POLL_MS_MAX ? POLL_MS_MAX : ms * 2;
    records_before = t.records;
    return follow_sleep(ms);
}
