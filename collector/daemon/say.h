/* say.h - lines for people. Names of files, values and what servers answer are in them: nothing of that may steer a
 * terminal or begin a line. */
#ifndef COLLECTOR_DAEMON_SAY_H
#define COLLECTOR_DAEMON_SAY_H

#include "lib/base/err.h"

#include <stdio.h>

/* "fapilog-collector: TEXT" */
void say_line(FILE *f, const char *text);
/* One for each line of a text of ours, in which config_load() has a problem on each. */
void say_lines(FILE *f, const char *text);
/* What config_load() leaves in `e`: says all its lines but the last, which becomes the text for whoever says why it
 * ended. */
void say_problems(FILE *f, struct err *e);

#endif
