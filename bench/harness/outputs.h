/* What a peer left on disk. */
#ifndef FAPILOG_BENCH_HARNESS_OUTPUTS_H
#define FAPILOG_BENCH_HARNESS_OUTPUTS_H

#include <stdint.h>

#include "lib/base/err.h"

/* fdatasync of every regular file below dir. */
int outputs_sync(const char *dir, struct err *e);
/* Sum of the sizes of the regular files below dir, or a negative errno. */
int64_t outputs_bytes(const char *dir, struct err *e);
/* Time since anything below dir was last written, ns; a few milliseconds coarse. 0 on failure. */
uint64_t outputs_quiet_ns(const char *dir);
/* Lines that hold the marker in the regular files below dir, or a negative errno. */
int64_t outputs_count(const char *dir, const char *marker, struct err *e);
/* Removes dir with everything in it; a missing dir is fine. */
int outputs_remove(const char *dir, struct err *e);

#endif
