/* say.h - lines for people. Names of files, values and what servers answer are in them: nothing of that may steer a
 * terminal or begin a line. */
#ifndef COLLECTOR_DAEMON_SAY_H
#define COLLECTOR_DAEMON_SAY_H

#include <stdio.h>

/* "fapilog-collector: TEXT" */
void say_line(FILE *f, const char *text);
/* One for each line of a text of ours, in which config_load() has a problem on each. */
void say_lines(FILE *f, const char *text);

#endif
