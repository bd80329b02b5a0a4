/* times.h - points in time as people write them. */
#ifndef LIB_WHERE_TIMES_H
#define LIB_WHERE_TIMES_H

#include <stdint.h>

/* "2026-11-21T08:15:00.5Z", with an offset or (UTC then) without one, also without seconds or time of
 * day; "08:15", "08:15:00.5", "08:15Z", "08:15+02:00" of the day that it is there at `now_ns`; "today" and
 * "yesterday": their midnight (UTC); "1763712900" in s, ms, us or ns since the epoch by its length,
 * "1763712900.25"; "-5m" before `now_ns`; "now". 0 or -EINVAL. */
int times_parse(const char *text, int64_t now_ns, int64_t *ret_ns);

#endif
