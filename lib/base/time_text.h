/* Times as RFC 3339 text. The part down to the minute, and the last text that ends at the millisecond, are
 * kept from one call to the next, because records come nearly in the order of time. */
#ifndef FAPILOG_BASE_TIME_TEXT_H
#define FAPILOG_BASE_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

enum { TIME_TEXT_MAX = 35 }; /* 2026-11-21T08:37:04.123456789+01:00 */

struct time_text {
    bool local;       /* the zone of this process instead of UTC */
    char separator;   /* between date and time; 0 stands for 'T' */
    bool valid;
    int64_t minute_ns; /* start of the minute in prefix */
    char prefix[17];  /* 2026-11-21T08:37: */
    char zone[6];     /* Z or +01:00 */
    uint8_t zone_len;
    uint8_t ms_len;   /* 0: no text in ms */
    int64_t ms_ns;    /* start of the millisecond in ms */
    char ms[32];      /* the last text of three digits, with its zone: many records share it */
};

/* Writes time and `digits` (0, 3, 6 or 9) digits of the fraction, cut, not rounded; no zone. */
char *time_text_write_bare(struct time_text *t, int64_t time_ns, unsigned digits, char *out);
/* The same and the zone. */
char *time_text_write(struct time_text *t, int64_t time_ns, unsigned digits, char *out);

/* A span of time for people, shortest exact form: 1.5ms, 2m3.5s, -7ns. At most TIME_TEXT_MAX bytes. */
char *time_text_duration(int64_t ns, char *out);

#endif
