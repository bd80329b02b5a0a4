#include "bench/shim/gbench.h"

#include <cstdio>
#include <cstring>

#include <benchmark/benchmark.h>

namespace {

benchmark::State &state_of(struct gb_state *s)
{
    return *reinterpret_cast<benchmark::State *>(s);
}

const benchmark::State &state_of(const struct gb_state *s)
{
    return *reinterpret_cast<const benchmark::State *>(s);
}

benchmark::internal::Benchmark *add(const char *name, gb_fn *fn)
{
    return benchmark::RegisterBenchmark(
        name, [fn](benchmark::State &st) { fn(reinterpret_cast<struct gb_state *>(&st)); });
}

} // namespace

void gb_register(const char *name, gb_fn *fn)
{
    add(name, fn);
}

void gb_register_each(const char *const *names, int count, gb_fn *fn)
{
    for (int i = 0; i < count; i++)
        add(names[i], fn)->Arg(i);
}

void gb_register_range(const char *name, gb_fn *fn, int64_t lo, int64_t hi)
{
    add(name, fn)->Range(lo, hi);
}

void gb_register_threads(const char *name, gb_fn *fn, int threads_max)
{
    add(name, fn)->ThreadRange(1, threads_max)->UseRealTime();
}

bool gb_keep_running(struct gb_state *s)
{
    return state_of(s).KeepRunning();
}

bool gb_batch(struct gb_state *s, int64_t n)
{
    return state_of(s).KeepRunningBatch(n);
}

int64_t gb_range(const struct gb_state *s)
{
    return state_of(s).range(0);
}

int gb_thread(const struct gb_state *s)
{
    return state_of(s).thread_index();
}

int64_t gb_iterations(const struct gb_state *s)
{
    return state_of(s).iterations();
}

void gb_set_items(struct gb_state *s, int64_t items)
{
    state_of(s).SetItemsProcessed(items);
}

void gb_set_bytes(struct gb_state *s, int64_t bytes)
{
    state_of(s).SetBytesProcessed(bytes);
}

void gb_set_counter(struct gb_state *s, const char *name, double value)
{
    state_of(s).counters[name] = benchmark::Counter(value);
}

void gb_skip(struct gb_state *s, const char *reason)
{
    state_of(s).SkipWithError(reason);
}

int gb_main(int argc, char **argv)
{
    static const char refused[] = "--benchmark_perf_counters";
    for (int i = 1; i < argc; i++)
        if (!std::strncmp(argv[i], refused, sizeof refused - 1)) {
            std::fprintf(stderr, "%s: %s is refused: version 1.7 aborts where the kernel has no counters\n",
                         argv[0], refused);
            return 2;
        }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
