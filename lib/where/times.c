#include "lib/where/times.h"

#include "lib/base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t ns_per_s = INT64_C(1000000000);
static const int64_t s_per_day = 86400;

/* The digits after a point as nanoseconds; further ones are cut. */
static int64_t fraction_take(const char **s)
{
    int64_t ns = 0, unit = ns_per_s / 10;
    if (**s != '.')
        return 0;
    for ((*s)++; isdigit((unsigned char)**s); (*s)++) {
        ns += (**s - '0') * unit;
        unit /= 10;
    }
    return ns;
}

static int epoch_parse(const char *text, int64_t *ret_ns)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 19)
        return -EINVAL;
    const uint64_t n = strtoull(text, NULL, 10);
    const char *rest = text + digits;
    const int64_t ns = fraction_take(&rest);
    if (*rest)
        return -EINVAL;
    const int64_t unit = digits <= 11 ? ns_per_s : digits <= 14 ? 1000000 : digits <= 17 ? 1000 : 1;
    if ((unit != ns_per_s && ns) || n > (uint64_t)(INT64_MAX / unit))
        return -EINVAL;
    *ret_ns = (int64_t)n * unit + ns;
    return 0;
}

static bool number_take(const char **s, unsigned digits, int *ret)
{
    int n = 0;
    for (unsigned i = 0; i < digits; i++, (*s)++) {
        if (!isdigit((unsigned char)**s))
            return false;
        n = n * 10 + (**s - '0');
    }
    *ret = n;
    return true;
}

/* "Z", "+hh:mm", "-hhmm" or nothing, as seconds to subtract. */
static bool zone_take(const char **s, int *ret)
{
    int hours, minutes;
    *ret = 0;
    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        return true;
    }
    if (**s != '+' && **s != '-')
        return true;
    const int sign = *(*s)++ == '-' ? -1 : 1;
    if (!number_take(s, 2, &hours))
        return false;
    *s += **s == ':';
    if (!number_take(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool is_day(struct tm tm)
{
    const int day = tm.tm_mday;
    return timegm(&tm) != -1 && tm.tm_mday == day; /* the 31st of a shorter month is moved into the next */
}

/* "hh:mm", "hh:mm:ss", "hh:mm:ss.fff" */
static bool clock_take(const char **s, struct tm *tm, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (!number_take(s, 2, &tm->tm_hour) || *(*s)++ != ':' || !number_take(s, 2, &tm->tm_min))
        return false;
    if (**s == ':') {
        (*s)++;
        if (!number_take(s, 2, &tm->tm_sec))
            return false;
        *ret_ns = fraction_take(s);
    }
    return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

/* The second in which the day of `now_ns` began, in a zone that is so far ahead of UTC. */
static int64_t midnight(int64_t now_ns, int zone)
{
    const int64_t now = now_ns / ns_per_s + zone;
    return now - now % s_per_day - zone;
}

/* A time of this day. */
static int clock_parse(const char *s, int64_t now_ns, int64_t *ret_ns)
{
    struct tm tm = {0};
    int zone;
    int64_t ns;
    if (!clock_take(&s, &tm, &ns) || !zone_take(&s, &zone) || *s)
        return -EINVAL;
    *ret_ns = (midnight(now_ns, zone) + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) * ns_per_s + ns;
    return 0;
}

static int date_parse(const char *s, int64_t *ret_ns)
{
    struct tm tm = {0};
    int zone;
    int64_t ns = 0;
    if (!number_take(&s, 4, &tm.tm_year) || *s++ != '-' || !number_take(&s, 2, &tm.tm_mon) || *s++ != '-' ||
        !number_take(&s, 2, &tm.tm_mday))
        return -EINVAL;
    if (*s == 'T' || *s == 't' || *s == ' ') {
        s++;
        if (!clock_take(&s, &tm, &ns))
            return -EINVAL;
    }
    if (!zone_take(&s, &zone) || *s || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_year < 1970 || tm.tm_year > 2261)
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (!is_day((struct tm){.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday}))
        return -EINVAL;
    *ret_ns = ((int64_t)timegm(&tm) - zone) * ns_per_s + ns;
    return 0;
}

int times_parse(const char *text, int64_t now_ns, int64_t *ret_ns)
{
    uint64_t ago;
    if (strcmp(text, "now") == 0) {
        *ret_ns = now_ns;
        return 0;
    }
    if (text[0] == '-') {
        if (opt_parse_duration(text + 1, &ago) < 0 || ago > (uint64_t)now_ns)
            return -EINVAL;
        *ret_ns = now_ns - (int64_t)ago;
        return 0;
    }
    const bool is_yesterday = strcmp(text, "yesterday") == 0;
    if (is_yesterday || strcmp(text, "today") == 0) {
        *ret_ns = (midnight(now_ns, 0) - (is_yesterday ? s_per_day : 0)) * ns_per_s;
        return 0;
    }
    if (epoch_parse(text, ret_ns) == 0 || clock_parse(text, now_ns, ret_ns) == 0)
        return 0;
    return date_parse(text, ret_ns);
}
