/* opt_collection.h - how opt.c prints lists and maps; in the plain form where that can be read back. */
#ifndef FAPILOG_BASE_OPT_COLLECTION_H
#define FAPILOG_BASE_OPT_COLLECTION_H

#include "lib/base/opt.h"

/* As snprintf(): the length that the whole text has. */
int opt_list_print(const struct opt_list *l, char *ret, size_t size);
int opt_map_print(const struct opt_map *m, char *ret, size_t size);

#endif
