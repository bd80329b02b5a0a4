/* capture.h - the list of captured records. */
#ifndef FAPILOG_PRODUCER_CAPTURE_H
#define FAPILOG_PRODUCER_CAPTURE_H

#include <stdbool.h>

struct scratch;

/* Takes over the scratch memory. False: it could not (the record is counted as lost). */
bool fapilogi_capture_put(struct scratch *s);

#endif
