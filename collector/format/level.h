/* level.h - names of levels as each format wants them: ours, TRACE ... SECURITY, and OpenTelemetry's severities. */
#ifndef COLLECTOR_FORMAT_LEVEL_H
#define COLLECTOR_FORMAT_LEVEL_H

#include <fapilog/reader.h>

enum { LEVEL_NAME_MAX = 8, LEVEL_NAMES = 8 };

/* The name whose range holds the level: INFO covers 9..12. */
struct fapilog_text level_name(uint8_t level);
/* Its place among them, below LEVEL_NAMES. */
unsigned level_name_index(uint8_t level);

/* OTel has nothing for AUDIT and SECURITY: they travel as INFO4 and ERROR4, and the name of the level
 * goes into an attribute beside them. */
uint8_t level_severity_number(uint8_t level);
struct fapilog_text level_severity_text(uint8_t level);
static inline bool level_is_extra(uint8_t level) { return level >= FAPILOG_LEVEL_AUDIT; }

#endif
