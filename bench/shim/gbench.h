/* Google Benchmark for C. gbench.cc is the only place that knows the C++ library; benchmarks are C
 * functions that are registered by name and get the state as an opaque pointer.
 *
 *     static void bench_store(struct gb_state *s)
 *     {
 *         while (gb_batch(s, 1024))
 *             for (int i = 0; i < 1024; i++)
 *                 ...
 *     }
 *
 * The call through the shim costs a few nanoseconds, so whatever is shorter than about 50 ns is
 * measured with gb_batch(), which pays that once for n iterations. */
#ifndef FAPILOG_BENCH_SHIM_GBENCH_H
#define FAPILOG_BENCH_SHIM_GBENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gb_state;
typedef void gb_fn(struct gb_state *s);

/* name must outlive the program. */
void gb_register(const char *name, gb_fn *fn);

/* Runs fn once for each of 0 .. count - 1; gb_range() tells which, names[i] is its name. */
void gb_register_each(const char *const *names, int count, gb_fn *fn);

/* Runs fn for lo, lo*8, lo*64 ... hi; gb_range() tells which. */
void gb_register_range(const char *name, gb_fn *fn, int64_t lo, int64_t hi);

/* Runs fn in 1, 2, 4 ... threads_max threads at once. */
void gb_register_threads(const char *name, gb_fn *fn, int threads_max);

bool gb_keep_running(struct gb_state *s);
bool gb_batch(struct gb_state *s, int64_t n);
int64_t gb_range(const struct gb_state *s);
int gb_thread(const struct gb_state *s);

/* To be called after the loop. Items and bytes are totals over all iterations. */
int64_t gb_iterations(const struct gb_state *s);
void gb_set_items(struct gb_state *s, int64_t items);
void gb_set_bytes(struct gb_state *s, int64_t bytes);
void gb_set_counter(struct gb_state *s, const char *name, double value);
void gb_skip(struct gb_state *s, const char *reason);

/* Takes Google Benchmark's own options; returns the exit code. */
int gb_main(int argc, char **argv);

/* Keeps the compiler from dropping a value or from reordering memory accesses across iterations. */
#define gb_keep(value) __asm__ volatile("" : : "r,m"(value) : "memory")

#ifdef __cplusplus
}
#endif
#endif
