#include "lib/base/age_clock.h"

static bool is_near(int64_t a, int64_t b)
{
    return a - b <= AGE_CLOCK_STEP_NS && b - a <= AGE_CLOCK_STEP_NS;
}

int64_t age_clock_look(struct age_clock *c, int64_t real_ns, int64_t boot_ns)
{
    const int64_t offset = real_ns - boot_ns;
    if (!c->is_set) {
        *c = (struct age_clock){.is_set = true, .offset_ns = offset};
    } else if (offset < c->seen_ns - (int64_t)NS_PER_S) {
        c->set_back_ns = c->looked_ns + offset; /* it may have been right after the last look */
    }
    c->looked_ns = boot_ns;
    c->seen_ns = offset;
    if (offset - c->offset_ns <= AGE_CLOCK_STEP_NS) {
        c->offset_ns = offset;
        c->ahead_since_ns = 0;
        return real_ns;
    }
    if (!c->ahead_since_ns || !is_near(offset, c->ahead_ns)) {
        c->ahead_since_ns = boot_ns;
        c->ahead_ns = offset;
    } else if (boot_ns - c->ahead_since_ns >= AGE_CLOCK_BELIEF_NS) {
        c->offset_ns = offset;
        c->ahead_since_ns = 0;
        return real_ns;
    }
    return boot_ns + c->offset_ns;
}
