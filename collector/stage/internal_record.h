/* internal_record.h - the collector as the author of records: who they are from. */
#ifndef COLLECTOR_STAGE_INTERNAL_RECORD_H
#define COLLECTOR_STAGE_INTERNAL_RECORD_H

#include <fapilog/reader.h>

/* Service "fapilog-collector" and logger "fapilog.collector", now. Both are shared: whoever hands the record on
 * makes copies (stage_emit(), notes.h), as formats cache in them. */
struct fapilog_record internal_record(uint8_t level, struct fapilog_text message);

#endif
