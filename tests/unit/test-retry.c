/* When a remote sink tries again. */
#include "collector/delivery/remote/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DRAWS = 4096, PARTS = 16 };

static const struct sink_delivery delivery = {.retry_base_delay_ns = 1000000, .retry_max_delay_ns = 30000000};

/* Full jitter: those that failed together do not come again together. */
static void delays_of_one_attempt_are_spread_from_nothing_to_the_most(void **state)
{
    static const struct { uint32_t attempts; uint64_t most; } cases[] = {
        {1, 1000000}, {2, 2000000}, {5, 16000000}, {6, 30000000}, {100, 30000000},
    };
    uint64_t random = 7;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned hits[PARTS] = {0};
        for (unsigned n = 0; n < DRAWS; n++) {
            const uint64_t delay = retry_delay(&delivery, cases[i].attempts, 0, &random);
            assert_in_range(delay, 0, cases[i].most);
            hits[delay * PARTS / (cases[i].most + 1)]++;
        }
        for (unsigned part = 0; part < PARTS; part++) /* 256 each, were they equal; 6 standard deviations either way */
            assert_in_range(hits[part], 160, 352);
    }
}

static void what_the_server_asks_for_comes_before_the_delay_and_is_bounded(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (unsigned n = 0; n < DRAWS; n++) {
        assert_in_range(retry_delay(&delivery, 1, 5000000, &random), 5000000, 6000000);
        const uint64_t most = retry_delay(&delivery, 1, UINT64_MAX, &random);
        assert_in_range(most, RETRY_AFTER_MAX_NS, RETRY_AFTER_MAX_NS + 1000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_of_one_attempt_are_spread_from_nothing_to_the_most),
        cmocka_unit_test(what_the_server_asks_for_comes_before_the_delay_and_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
