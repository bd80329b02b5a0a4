/* A time stamp as text, when the minute stays the same and when it changes each time. */
#include "bench/micro/micro.h"
#include "lib/base/time_text.h"

static void stamps(struct gb_state *s, int64_t step_ns)
{
    struct time_text t = {0};
    char out[TIME_TEXT_MAX];
    int64_t time_ns = INT64_C(1795250000000000000);
    micro_loop(s) {
        gb_keep(time_text_write(&t, time_ns, 9, out));
        time_ns += step_ns;
    }
}

static void bench_same_minute(struct gb_state *s)
{
    stamps(s, 100);
}

static void bench_next_minute(struct gb_state *s)
{
    stamps(s, INT64_C(60000000000));
}

void micro_timestamp(void)
{
    gb_register("timestamp/same_minute", bench_same_minute);
    gb_register("timestamp/next_minute", bench_next_minute);
}
