/* report.h - the balance at the end, in one line for people. */
#ifndef COLLECTOR_DAEMON_REPORT_H
#define COLLECTOR_DAEMON_REPORT_H

#include "collector/daemon/daemon.h"

/* True when nothing was dropped, lost or left behind: then there is nothing to say unless asked. */
bool report_is_clean(const struct daemon *d);
void report_write(const struct daemon *d, FILE *f);

#endif
