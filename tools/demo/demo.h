/* The demo service of tools/quickstart and the check of its output. */
#ifndef TOOLS_DEMO_DEMO_H
#define TOOLS_DEMO_DEMO_H

#include <stdint.h>

enum { DEMO_PROCESSES_MAX = 16, DEMO_THREADS_MAX = 64 };

struct demo_options {
    unsigned processes, threads;
    uint64_t records; /* per thread, 0 = until SIGTERM */
    uint64_t rate;    /* records per second and thread, 0 = as fast as possible */
};

/* The file that outlives a killed service: log calls that had returned, per thread. */
struct demo_witness {
    uint32_t processes, threads;
    uint64_t returned[DEMO_PROCESSES_MAX][DEMO_THREADS_MAX];
};

int demo_serve(const struct demo_options *o, struct demo_witness *witness);

/* Counts the demo's records in JSON lines of the collector and compares them with the witness: each
 * thread's records 0..n-1 once and in order, n at least the calls that had returned and at most one
 * more. Prints what it found. 0 when all is there, else 1. */
int demo_verify(const struct demo_witness *witness, const char *json_path);

#endif
