/* masked_copy.h - loggers and processes whose bound fields were masked: one copy for each, in the cache of
 * the original, so that formats compile for it as for any other. */
#ifndef COLLECTOR_STAGE_REDACT_MASKED_COPY_H
#define COLLECTOR_STAGE_REDACT_MASKED_COPY_H

#include "collector/stage/redact/treat.h"

/* `given`: the original, `now`: what earlier stages made of it. `now` itself where nothing in it is masked;
 * NULL: no memory. */
const struct fapilog_logger_info *masked_logger(struct treatment *t, const struct fapilog_logger_info *given,
                                                const struct fapilog_logger_info *now);
const struct fapilog_process_info *masked_process(struct treatment *t, const struct fapilog_process_info *given,
                                                  const struct fapilog_process_info *now);

#endif
