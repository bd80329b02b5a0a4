/* quiet.h - messages for people, few enough to be read. The same text is said once in a window, and a component (what
 * stands in front of the first ": ", or the first word) may say so many things at once and so many a second. What is
 * left out is counted, and the count is told. */
#ifndef COLLECTOR_DAEMON_QUIET_H
#define COLLECTOR_DAEMON_QUIET_H

#include "lib/base/clock.h"

#include <stdint.h>

enum {
    QUIET_TEXTS = 64, QUIET_COMPONENTS = 32, /* remembered; the oldest makes room */
    QUIET_TEXT_MAX = 512, QUIET_NAME_MAX = 64,
    QUIET_BURST = 5, QUIET_PER_SECOND = 5,   /* messages of one component */
};
#define QUIET_WINDOW_NS (5 * NS_PER_S)       /* for the same text */

struct quiet_text {
    uint64_t hash;
    uint64_t since_ns;
    uint64_t left_out;
    char text[QUIET_TEXT_MAX];
};

struct quiet_component {
    char name[QUIET_NAME_MAX];
    uint64_t full_at_ns; /* when its bucket will be full again */
    uint64_t left_out;
};

struct quiet {
    void (*say)(void *arg, const char *text);
    void *arg;
    struct quiet_text text[QUIET_TEXTS];
    unsigned texts;
    struct quiet_component component[QUIET_COMPONENTS];
    unsigned components;
};

void quiet_say(struct quiet *q, uint64_t now_ns, const char *text);
/* Tells the counts that are due; UINT64_MAX: all. */
void quiet_run(struct quiet *q, uint64_t now_ns);
uint64_t quiet_deadline(const struct quiet *q); /* UINT64_MAX: nothing is left out */

#endif
