/* fault.h - named points at which a test can kill the process. FAPILOG_FAULT=name:n in the
 * environment makes the nth passing of FAULT_POINT("name") end the process with SIGKILL, so crash
 * tests stop it at an exact step instead of at a lucky moment. Unarmed, a point is one relaxed load
 * and a branch. */
#ifndef FAPILOG_BASE_FAULT_H
#define FAPILOG_BASE_FAULT_H

#include "lib/base/atomics.h"
#include "lib/base/check.h"

extern int fault_armed;

/* Reads FAPILOG_FAULT; 0, or -EINVAL when it is set but is not name:n. */
int fault_init(void);
void fault_hit(const char *name);

/* order: relaxed - set before the first thread starts */
#define FAULT_POINT(name) \
    do { \
        if (unlikely(load_rlx(&fault_armed))) \
            fault_hit(name); \
    } while (0)

#endif
