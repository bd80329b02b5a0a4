/* The machine a figure belongs to, and the state it is in: the time a cache line takes between two
 * cores, without which two runs cannot be compared. */
#ifndef FAPILOG_BENCH_HARNESS_MACHINE_H
#define FAPILOG_BENCH_HARNESS_MACHINE_H

struct machine {
    char cpu[128];
    char kernel[256];
    char compiler[128];
    char clocksource[64];
    int cpus;
};

void machine_describe(struct machine *ret);

/* One way of a cache line between two pinned threads, ns: median of several windows. Negative where
 * the process may use one CPU only. */
double machine_ping_ns(void);

/* Cost of one empty timed section, ticks: median. Part of every latency figure. */
unsigned machine_timer_ticks(void);

#endif
