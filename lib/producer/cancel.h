/* cancel.h - a thread that is cancelled must not die inside of us, with a lock or half a segment in its hands. */
#ifndef FAPILOG_PRODUCER_CANCEL_H
#define FAPILOG_PRODUCER_CANCEL_H

#include <pthread.h>

static inline int cancel_off(void)
{
    int before = PTHREAD_CANCEL_ENABLE;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void cancel_restore(int before)
{
    (void)pthread_setcancelstate(before, NULL);
}

#endif
