/* fapilog.hpp - for C++11 and later: the macros of fapilog.h take std::string, std::chrono durations and
 * times of the system clock, and from C++17 on std::string_view as values; open and scope are objects.
 *
 *     fapilog::process log("orders");
 *     FAPILOG_INFO(log, "order accepted", FL("symbol", symbol), FL("took", now - start));
 *
 * Nothing here throws. */
#ifndef FAPILOG_HPP
#define FAPILOG_HPP

#include <chrono>
#include <cstddef>
#include <string>
#if __cplusplus >= 201703L
#include <string_view>
#endif

#include <fapilog/fapilog.h>

/* ---- more types of values. Texts are read before the statement ends, so temporaries are fine. ---- */

inline struct fapilogi_string fapilogi_carry(const std::string &s)
{
    return fapilogi_make_string(s.data(), s.size());
}

#if __cplusplus >= 201703L
inline struct fapilogi_string fapilogi_carry(std::string_view s)
{
    return fapilogi_make_string(s.data(), s.size());
}
#endif

inline struct fapilogi_pointer fapilogi_carry(std::nullptr_t)
{
    return fapilogi_make_pointer(nullptr);
}

template <typename Rep, typename Period>
inline struct fapilogi_duration fapilogi_carry(const std::chrono::duration<Rep, Period> &d)
{
    return fapilogi_make_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(d).count());
}

template <typename Duration>
inline struct fapilogi_time fapilogi_carry(const std::chrono::time_point<std::chrono::system_clock, Duration> &t)
{
    return fapilogi_make_time(
        std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count());
}

namespace fapilog {

/* fapilog_open() and fapilog_close() as an object; converts to the root logger. */
class process {
public:
    explicit process(const char *service = nullptr, const fapilog_options *options = nullptr)
        : log_(fapilog_open(service, options))
    {
    }
    ~process() { fapilog_close(log_); }
    process(const process &) = delete;
    process &operator=(const process &) = delete;
    operator fapilog_t *() const { return log_; }
    fapilog_t *logger(const char *name) const { return fapilog_logger(log_, name); }

private:
    fapilog_t *log_;
};

/* Context bound to the thread for the life of the object:
 *     fapilog::scope request(FAPILOG_FIELDS(FL_REQUEST_ID("r-17"), FL("shard", 3))); */
class scope {
public:
    scope(const struct fapilog_field *fields, uint32_t count) : scope_(fapilog_context_push(fields, count)) {}
    ~scope() { fapilog_context_pop(&scope_); }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;
    int error() const { return scope_.error; }

private:
    struct fapilog_scope scope_;
};

} // namespace fapilog

#endif
