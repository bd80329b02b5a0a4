/* own.h - the collector as the author of records: who they are from. */
#ifndef COLLECTOR_STAGE_OWN_H
#define COLLECTOR_STAGE_OWN_H

#include <fapilog/reader.h>

/* Service "fapilog-collector" and logger "fapilog.collector", now. Both are shared: whoever hands the record on
 * makes copies (stage_emit(), notes.h), as formats cache in them. */
struct fapilog_record own_record(uint8_t level, struct fapilog_text message);

#endif
