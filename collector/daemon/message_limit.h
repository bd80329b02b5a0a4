/* message_limit.h - messages for people, few enough to be read. The same text is said once in a window, and a component
 * (what stands in front of the first ": ", or the first word) may say so many things at once and so many a second. What
 * is left out is counted, and the count is told. */
#ifndef COLLECTOR_DAEMON_MESSAGE_LIMIT_H
#define COLLECTOR_DAEMON_MESSAGE_LIMIT_H

#include "lib/base/clock.h"

#include <stdint.h>

enum {
    MESSAGE_LIMIT_TEXTS = 64, MESSAGE_LIMIT_COMPONENTS = 32, /* remembered; the oldest makes room */
    MESSAGE_LIMIT_TEXT_MAX = 512, MESSAGE_LIMIT_NAME_MAX = 64,
    MESSAGE_LIMIT_BURST = 5, MESSAGE_LIMIT_PER_SECOND = 5,   /* messages of one component */
};
#define MESSAGE_LIMIT_WINDOW_NS (5 * NS_PER_S)       /* for the same text */

struct limited_text {
    uint64_t hash;
    uint64_t since_ns;
    uint64_t left_out;
    char text[MESSAGE_LIMIT_TEXT_MAX];
};

struct limited_component {
    char name[MESSAGE_LIMIT_NAME_MAX];
    uint64_t full_at_ns; /* when its bucket will be full again */
    uint64_t left_out;
};

struct message_limit {
    void (*say)(void *arg, const char *text);
    void *arg;
    struct limited_text text[MESSAGE_LIMIT_TEXTS];
    unsigned texts;
    struct limited_component component[MESSAGE_LIMIT_COMPONENTS];
    unsigned components;
};

void message_limit_say(struct message_limit *l, uint64_t now_ns, const char *text);
/* Tells the counts that are due; UINT64_MAX: all. */
void message_limit_run(struct message_limit *l, uint64_t now_ns);
uint64_t message_limit_deadline(const struct message_limit *l); /* UINT64_MAX: nothing is left out */

#endif
