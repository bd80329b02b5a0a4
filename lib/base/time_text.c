#include "lib/base/time_text.h"

#include "lib/base/check.h"
#include "lib/base/num.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTE_NS INT64_C(60000000000)
#define MS_NS INT64_C(1000000)

/* Year, month, day of a day number (0 = 1970-01-01): counts from 1 March of year 0, so that the leap
 * day ends the year; 400 years have 146097 days. */
static void civil_from_days(int64_t day, unsigned *year, unsigned *month, unsigned *mday)
{
    const int64_t shifted = day + 719468;
    const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    const unsigned doe = (unsigned)(shifted - era * 146097);
    const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const unsigned march_month = (5 * doy + 2) / 153;
    *mday = doy - (153 * march_month + 2) / 5 + 1;
    *month = march_month < 10 ? march_month + 3 : march_month - 9;
    *year = (unsigned)((int64_t)yoe + era * 400) + (*month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void set_zone(struct time_text *t, int64_t offset_minutes)
{
    if (!t->local) {
        t->zone[0] = 'Z';
        t->zone_len = 1;
        return;
    }
    const unsigned minutes = (unsigned)llabs(offset_minutes);
    t->zone[0] = offset_minutes < 0 ? '-' : '+';
    (void)num_2(t->zone + 1, minutes / 60 % 100);
    t->zone[3] = ':';
    (void)num_2(t->zone + 4, minutes % 60);
    t->zone_len = 6;
}

static void set_minute(struct time_text *t, int64_t minute)
{
    int64_t offset = 0;
    struct tm tm;
    const time_t seconds = (time_t)(minute * 60);
    if (t->local && localtime_r(&seconds, &tm))
        offset = floor_div(tm.tm_gmtoff, 60);

    const int64_t day = floor_div(minute + offset, 1440);
    const unsigned of_day = (unsigned)(minute + offset - day * 1440);
    unsigned year, month, mday;
    civil_from_days(day, &year, &month, &mday);
    char *p = num_fixed(t->prefix, year, 4);
    *p++ = '-';
    p = num_2(p, month);
    *p++ = '-';
    p = num_2(p, mday);
    *p++ = t->separator ? t->separator : 'T';
    p = num_2(p, of_day / 60);
    *p++ = ':';
    p = num_2(p, of_day % 60);
    *p++ = ':';
    CHECK(p == t->prefix + sizeof t->prefix);
    set_zone(t, offset);
    t->minute_ns = (int64_t)((uint64_t)minute * (uint64_t)MINUTE_NS);
    /* The first and the last minute that 64 bits reach are cut, and would be taken for each other. */
    t->valid = minute >= INT64_MIN / MINUTE_NS && minute < INT64_MAX / MINUTE_NS;
}

static char *put_9(char *out, uint32_t v)
{
    /* All divisions are of v itself: the processor does them side by side. */
    (void)num_2(out, v / 10000000);
    (void)num_2(out + 2, v / 100000 % 100);
    (void)num_2(out + 4, v / 1000 % 100);
    (void)num_2(out + 6, v / 10 % 100);
    out[8] = (char)('0' + v % 10);
    return out + 9;
}

char *time_text_write_bare(struct time_text *t, int64_t time_ns, unsigned digits, char *out)
{
    uint64_t rest = (uint64_t)time_ns - (uint64_t)t->minute_ns;
    if (unlikely(!t->valid || rest >= (uint64_t)MINUTE_NS)) {
        set_minute(t, floor_div(time_ns, MINUTE_NS));
        rest = (uint64_t)time_ns - (uint64_t)t->minute_ns;
    }
    memcpy(out, t->prefix, sizeof t->prefix);
    const uint32_t seconds = (uint32_t)(rest / 1000000000);
    out = num_2(out + sizeof t->prefix, seconds);
    if (digits == 0)
        return out;
    const uint32_t ns = (uint32_t)(rest - (uint64_t)seconds * 1000000000);
    *out++ = '.';
    switch (digits) {
    case 3:  return num_fixed(out, ns / 1000000, 3);
    case 6:  return num_fixed(out, ns / 1000, 6);
    default: return put_9(out, ns);
    }
}

static void set_ms(struct time_text *t, int64_t time_ns)
{
    const int64_t start = floor_div(time_ns, MS_NS);
    char *end = time_text_write_bare(t, time_ns, 3, t->ms);
    memcpy(end, t->zone, t->zone_len);
    end += t->zone_len;
    ASSUME(end - t->ms >= 16 && end - t->ms <= (ptrdiff_t)sizeof t->ms);
    t->ms_len = t->valid ? (uint8_t)(end - t->ms) : 0; /* where time_ns is at its limits, start may not be */
    t->ms_ns = (int64_t)((uint64_t)start * (uint64_t)MS_NS);
}

char *time_text_write(struct time_text *t, int64_t time_ns, unsigned digits, char *out)
{
    if (digits == 3) {
        if (unlikely(t->ms_len == 0 || (uint64_t)time_ns - (uint64_t)t->ms_ns >= (uint64_t)MS_NS))
            set_ms(t, time_ns);
        if (likely(t->ms_len != 0)) {
            memcpy(out, t->ms, 16);
            memcpy(out + t->ms_len - 16, t->ms + t->ms_len - 16, 16);
            return out + t->ms_len;
        }
    }
    out = time_text_write_bare(t, time_ns, digits, out);
    memcpy(out, t->zone, t->zone_len);
    return out + t->zone_len;
}

/* whole + part/10^digits without trailing zeros */
static char *put_decimal(char *out, uint64_t whole, uint64_t part, unsigned digits)
{
    out = num_u64(out, whole);
    if (part == 0)
        return out;
    *out++ = '.';
    out = num_fixed(out, part, digits);
    while (out[-1] == '0')
        out--;
    return out;
}

char *time_text_duration(int64_t ns, char *out)
{
    uint64_t v = (uint64_t)ns;
    if (ns < 0) {
        *out++ = '-';
        v = 0 - v;
    }
    if (v < 1000) {
        out = num_u64(out, v);
        memcpy(out, "ns", 2);
        return out + 2;
    }
    if (v < 1000000000) {
        const bool is_us = v < 1000000;
        const uint64_t unit = is_us ? 1000 : 1000000;
        out = put_decimal(out, v / unit, v % unit, is_us ? 3 : 6);
        memcpy(out, is_us ? "us" : "ms", 2);
        return out + 2;
    }
    const uint64_t seconds = v / 1000000000;
    if (seconds >= 3600) {
        out = num_u64(out, seconds / 3600);
        *out++ = 'h';
    }
    if (seconds >= 60) {
        out = num_u64(out, seconds / 60 % 60);
        *out++ = 'm';
    }
    out = put_decimal(out, seconds % 60, v % 1000000000, 9);
    *out++ = 's';
    return out;
}
