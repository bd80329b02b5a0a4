/* age_clock.h - the wall clock as something by which ages are judged and old things removed. The wall clock may be set:
 * what was removed when it was ahead does not come back when it does. So a jump ahead is believed once it has lasted;
 * one back is believed at once, and remembered, since what was dated before lies in the future then. */
#ifndef LIB_BASE_AGE_CLOCK_H
#define LIB_BASE_AGE_CLOCK_H

#include "lib/base/clock.h"

#include <stdbool.h>

#define AGE_CLOCK_STEP_NS ((int64_t)(60 * NS_PER_S))     /* more at once is a jump */
#define AGE_CLOCK_BELIEF_NS ((int64_t)(3600 * NS_PER_S)) /* so long must it last */

struct age_clock { /* zero: not looked at yet */
    bool is_set;
    int64_t offset_ns;   /* wall - boot, as believed */
    int64_t ahead_ns;    /* as it is after a jump ahead, */
    int64_t ahead_since_ns; /* CLOCK_BOOTTIME: seen first; 0: there was none */
    int64_t looked_ns;   /* CLOCK_BOOTTIME of the last look, and wall - boot then */
    int64_t seen_ns;
    int64_t set_back_ns; /* wall clock when it was seen to be set back last, 0: never */
};

/* Looks at the clocks, often enough to tell when one was set. The time by which to judge ages. */
int64_t age_clock_look(struct age_clock *c, int64_t real_ns, int64_t boot_ns);

/* By which to put things in order: what has a date in the future was made before the clock was set back. Dates a little
 * ahead are those of another machine's clock. */
static inline int64_t age_clock_order(const struct age_clock *c, int64_t date_ns, int64_t real_ns)
{
    return c->set_back_ns && date_ns > real_ns + AGE_CLOCK_STEP_NS ? c->set_back_ns : date_ns;
}

#endif
