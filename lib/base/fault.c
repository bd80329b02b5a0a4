#include "lib/base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fault_armed;

static char fault_name[64];
static unsigned long fault_countdown;

int fault_init(void)
{
    const char *text = getenv("FAPILOG_FAULT");
    if (!text || !*text)
        return 0;
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof fault_name)
        return -EINVAL;
    char *end;
    const unsigned long n = strtoul(colon + 1, &end, 10);
    if (*end || !n)
        return -EINVAL;
    memcpy(fault_name, text, (size_t)(colon - text));
    fault_name[colon - text] = '\0';
    fault_countdown = n;
    store_rlx(&fault_armed, 1); /* order: relaxed - no thread has started yet */
    return 0;
}

void fault_hit(const char *name)
{
    if (strcmp(name, fault_name) != 0)
        return;
    /* order: relaxed - the count stands for itself */
    if (__atomic_sub_fetch(&fault_countdown, 1, __ATOMIC_RELAXED) == 0)
        (void)kill(getpid(), SIGKILL);
}
