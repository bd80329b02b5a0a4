#include "tools/dump/follow.h"

#include "lib/base/age_clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS_MIN = 10, POLL_MS_MAX = 200, FILES_MS = 1 };

/* From a record's time to where we see it: in a ring its thread has only to commit it, into a file the
 * collector has to write it (flush_interval, 100 ms, and the write itself). */
#define HOLD_RINGS_NS ((int64_t)(20 * NS_PER_MS))
#define HOLD_FILES_NS ((int64_t)(500 * NS_PER_MS))
/* Times that lie further ahead are false, and hold up nobody. */
#define HOLD_AHEAD_NS ((int64_t)NS_PER_S)

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
    (void)signo;
    stopped = 1;
}

void follow_init(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
}

bool follow_is_stopped(void)
{
    return stopped != 0;
}

/* Whoever read our output is gone (head): nothing would tell before there is something to write. */
static bool is_output_closed(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    return poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP);
}

bool follow_sleep(unsigned ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (!stopped && nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
    return !stopped && !is_output_closed();
}

void follow_since(int64_t *since_ns)
{
    static struct age_clock clock;
    const int64_t before = clock.set_back_ns;
    (void)age_clock_look(&clock, (int64_t)clock_real_ns(), (int64_t)clock_boot_ns());
    const int64_t from = clock.set_back_ns - (int64_t)NS_PER_S;
    if (clock.set_back_ns != before && from < *since_ns)
        *since_ns = from;
}

static int64_t hold_ns(const struct reader *r)
{
    return reader_natives_count(r) ? HOLD_FILES_NS : HOLD_RINGS_NS;
}

void follow_hold(struct reader *r)
{
    const int64_t now = (int64_t)clock_real_ns();
    reader_hold(r, now - hold_ns(r), now + HOLD_AHEAD_NS);
}

void follow_release(struct reader *r)
{
    reader_hold(r, INT64_MAX, INT64_MAX);
}

/* Until the first of what is held is old enough, but not longer than until the next look. */
static unsigned held_ms(const struct reader *r, unsigned ms)
{
    const int64_t held = reader_held_ns(r);
    if (held == INT64_MAX)
        return ms;
    const int64_t left = held + hold_ns(r) - (int64_t)clock_real_ns();
    const int64_t left_ms = left <= 0 ? 1 : left / (int64_t)NS_PER_MS + 1;
    return left_ms < ms ? (unsigned)left_ms : ms;
}

bool follow_wait(struct reader *r)
{
    static uint64_t records_before;
    static unsigned ms = POLL_MS_MIN;
    struct reader_totals t;
    reader_totals(r, &t);
    ms = t.records != records_before ? POLL_MS_MIN : ms * 2 > POLL_MS_MAX ? POLL_MS_MAX : ms * 2;
    records_before = t.records;
    if (!stopped && reader_wait_files(r, (int)held_ms(r, ms))) {
        ms = POLL_MS_MIN;
        (void)follow_sleep(FILES_MS); /* others may come with it */
    }
    return !stopped && !is_output_closed();
}
