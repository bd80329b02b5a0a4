/* stats_native_table.h - the processes and lanes of native files as a table: of one file, or of several together. The
 * records of a process lie in many files, and each tells what was lost until its end. */
#ifndef TOOLS_DUMP_STATS_NATIVE_TABLE_H
#define TOOLS_DUMP_STATS_NATIVE_TABLE_H

#include "lib/reader/native_stream.h"

struct native_table {
    struct native_part *part; /* of each process itself, then its lanes */
    uint32_t count, cap;
    uint32_t processes;
    uint64_t records, lost;   /* of all of them */
};

/* -ENOMEM. */
int native_table_take(struct native_table *t, const struct native_stream *const *streams, size_t count);
void native_table_print(const struct native_table *t);
void native_table_done(struct native_table *t);

#endif
