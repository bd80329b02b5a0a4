/* One run of one peer. */
#ifndef FAPILOG_BENCH_HARNESS_RUN_H
#define FAPILOG_BENCH_HARNESS_RUN_H

#include "bench/harness/machine.h"
#include "bench/harness/peer.h"
#include "bench/harness/shared.h"

struct run_config {
    enum mode mode;
    enum shape shape;
    uint32_t producers;
    bool processes; /* producers are processes, else threads of one process */
    bool block;
    bool spin;
    int first_cpu;
    uint64_t records, batches, pause_ns, idle_ns;
    uint32_t batch_calls;
    const char *tmp; /* where outputs are written; must be on a disk for honest figures */
};

enum { CURVE_MAX = 96 };

struct latency {
    uint64_t samples;
    double mean, p50, p90, p99, p999, p9999, max; /* ns */
    int curve_count;
    double curve_q[CURVE_MAX], curve_ns[CURVE_MAX];
};

struct run_result {
    double ping_before_ns, ping_after_ns, timer_ns;
    uint64_t logged;
    int64_t delivered, bytes; /* on disk */
    struct latency latency;   /* MODE_BATCH, MODE_BURST: of a call */
    double call_ns;           /* MODE_SUSTAINED, MODE_KILL: mean over the threads of time / records */
    double seconds;           /* start signal until all is on disk */
    double producer_cpu_s, consumer_cpu_s, idle_cpu_percent;
    uint64_t producer_peak_kib, consumer_peak_kib;
    char output_fs[32];
};

int run_peer(const struct peer *peer, const struct run_config *cfg, struct run_result *ret, struct err *e);

extern const char *const mode_names[MODE_COUNT];
extern const char *const shape_names[SHAPE_COUNT];

#endif
