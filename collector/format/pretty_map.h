/* pretty_map.h - JSON fields for people: maps flattened, user.name=ada user.roles=["a","b"]. */
#ifndef COLLECTOR_FORMAT_PRETTY_MAP_H
#define COLLECTOR_FORMAT_PRETTY_MAP_H

#include "collector/format/format.h"
#include "collector/format/gather.h"

size_t pretty_map_bound(const struct fapilog_field *f);

/* Writes " name=value", or one of these for each leaf. */
char *pretty_map_write(const struct format *f, const struct gather_entry *e, char *out, unsigned *flags);

/* What begins each pair: a space, the name (dim), the equals sign. */
char *pretty_name(const struct format *f, struct fapilog_text name, char *out, unsigned *flags);
/* A string as a value: bare where that is clear, else between single quotes. */
char *pretty_string(struct fapilog_text text, char *out, unsigned *flags);

#endif
