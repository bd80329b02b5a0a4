/* cache_lines.h - takes lines out of this processor's cache, where that is possible. */
#ifndef COLLECTOR_INGEST_CACHE_LINES_H
#define COLLECTOR_INGEST_CACHE_LINES_H

#include <stdint.h>

enum { CACHE_LINE_BYTES = 64 };

/* `from` is where a line begins, `to` where the first line begins that stays. */
void cache_lines_flush(const uint8_t *from, const uint8_t *to);

#endif
