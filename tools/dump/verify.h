/* verify.h - fapilog-dump --verify. */
#ifndef TOOLS_DUMP_VERIFY_H
#define TOOLS_DUMP_VERIFY_H

#include "lib/reader/reader.h"

/* Reads everything and prints what is there and what is damaged. 0, or -EBADMSG when something is. */
int verify(struct reader *r, struct err *e);

#endif
