// spdlog, synchronous and asynchronous, with its default pattern and queue.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include "bench/harness/producer.h"

namespace {

std::shared_ptr<spdlog::logger> logger;

int open_logger(const struct producer_env *env)
{
    const std::string path = std::string(env->dir) + "/spdlog-" + std::to_string(env->index) + ".log";
    try {
        auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
        if (std::strcmp(env->peer, "spdlog-async") == 0) {
            const auto policy = env->block ? spdlog::async_overflow_policy::block
                                           : spdlog::async_overflow_policy::overrun_oldest;
            spdlog::init_thread_pool(8192, 1);
            logger = std::make_shared<spdlog::async_logger>("bench", sink, spdlog::thread_pool(), policy);
        } else {
            logger = std::make_shared<spdlog::logger>("bench", sink);
        }
    } catch (const spdlog::spdlog_ex &ex) {
        std::fprintf(stderr, "spdlog: %s\n", ex.what());
        return -EIO;
    }
    return 0;
}

void log_none(void *, uint64_t first, uint64_t count)
{
    spdlog::logger &l = *logger;
    for (uint64_t i = first; i < first + count; i++)
        l.info(BENCH_MARKER);
}

void log_three(void *, uint64_t first, uint64_t count)
{
    spdlog::logger &l = *logger;
    for (uint64_t i = first; i < first + count; i++)
        l.info(BENCH_MARKER " a={} b={} c={}", shape_int(i, 0), shape_int(i, 1), shape_double(i, 0));
}

void log_text(void *, uint64_t first, uint64_t count)
{
    spdlog::logger &l = *logger;
    const char *text = BENCH_TEXT_32;
    for (uint64_t i = first; i < first + count; i++)
        l.info(BENCH_MARKER " s={}", text);
}

void log_ten(void *, uint64_t first, uint64_t count)
{
    spdlog::logger &l = *logger;
    const char *symbol = BENCH_SYMBOL, *text = BENCH_TEXT_32;
    for (uint64_t i = first; i < first + count; i++)
        l.info(BENCH_MARKER " a={} b={} c={} d={} e={} f={} g={} h={} i={} j={}", shape_int(i, 0),
               shape_int(i, 1), shape_int(i, 2), shape_int(i, 3), shape_u64(i, 0), shape_u64(i, 1),
               shape_double(i, 0), shape_double(i, 1), symbol, text);
}

void close_logger()
{
    logger->flush();
    logger.reset();
    spdlog::shutdown(); // joins the thread of the asynchronous logger
}

} // namespace

extern "C" const struct producer_ops producer = {
    open_logger, nullptr, {log_none, log_three, log_text, log_ten}, nullptr, close_logger};
