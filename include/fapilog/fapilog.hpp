/* fapilog.hpp - for C++11 and later.
 *
 *     fapilog::process log("orders");
 *     log.info("order accepted", fapilog::field("symbol", symbol), fapilog::field("took", now - start));
 *     FAPILOG_INFO(log, "order accepted", FL("symbol", symbol), FL("took", now - start));
 *
 * The functions need no macro; a record of theirs describes itself, all but the place of the call. The macros of
 * fapilog.h describe the call once and for all, so that a record holds its values alone, and evaluate them only when
 * the level passes: they are for hot paths. Both take, beside the values of C: std::string, durations and times of the
 * system clock of std::chrono, enum classes, from C++17 on std::string_view, and your own types with a function of
 * yours beside them:
 *
 *     double fapilog_value(const price &p) { return p.ticks / 100.0; }
 *
 * It returns any value that can be logged; a text must live as long as the object. Functions, not macros,
 * also take std::optional (C++17), which is null when it is empty. Nothing here throws. */
#ifndef FAPILOG_HPP
#define FAPILOG_HPP

#include <chrono>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#if __cplusplus >= 201703L
#include <optional>
#include <string_view>
#endif

#include <fapilog/fapilog.h>

/* ---- more types of values. Texts are read before the full expression ends: (a + b).c_str() is fine. ---- */

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

/* What an enum class counts as, where it has no function of its own. */
template <typename Enum, typename = typename std::enable_if<std::is_enum<Enum>::value &&
                                                            !std::is_convertible<Enum, int>::value>::type>
constexpr typename std::underlying_type<Enum>::type fapilog_value(Enum value) noexcept
{
    return static_cast<typename std::underlying_type<Enum>::type>(value);
}

template <typename T>
inline auto fapilogi_carry(const T &value) -> decltype(fapilogi_carry(fapilog_value(value)))
{
    static_assert(!std::is_same<decltype(fapilog_value(value)), std::string>::value,
                  "fapilog_value() must not return a std::string that dies before it is logged: return a reference "
                  "to one, a std::string_view or a const char * into the value");
    return fapilogi_carry(fapilog_value(value));
}

/* Whether values of type T become a std::string of their own, as a path does. */
template <typename T, typename = void> struct fapilogi_makes_string {
    static constexpr bool value = false;
};
template <typename T>
struct fapilogi_makes_string<T, decltype(static_cast<void>(std::declval<const T &>().operator std::string()))> {
    static constexpr bool value = true;
};

namespace fapilog {

/* ---- fields without a macro ---------------------------------------------------------------------- */

/* A name and a value: made by field() in the call that logs it, gone with it. Texts are not copied before. */
template <typename Carrier> class named {
public:
    named(const char *name, const Carrier &value) noexcept : name_(name), value_(value), is_null_(false) {}
    /* Empty. */
    explicit named(const char *name) noexcept : name_(name), value_(), is_null_(true) {}
    struct fapilog_field get() const noexcept
    {
        struct fapilog_field f = fapilogi_field(name_, &value_);
        if (is_null_)
            f.type = FAPILOG_TYPE_NULL;
        return f;
    }

private:
    const char *name_;
    Carrier value_;
    bool is_null_;
};

template <typename T> inline auto field(const char *name, const T &value) -> named<decltype(::fapilogi_carry(value))>
{
    static_assert(FAPILOGI_IS_LOGGABLE(value), FAPILOGI_NO_SUCH_VALUE);
    static_assert(!fapilogi_makes_string<T>::value || fapilogi_has_value<T>::value,
                  "fapilog: field() would hold a text of a std::string that is made of the value and dies before it is "
                  "logged: make it in the call, as field(\"path\", path.string())");
    return {name, ::fapilogi_carry(value)};
}

#if __cplusplus >= 201703L
template <typename T>
inline auto field(const char *name, const std::optional<T> &value) -> named<decltype(::fapilogi_carry(*value))>
{
    if (!value)
        return named<decltype(::fapilogi_carry(*value))>(name);
    return field(name, *value);
}
#endif

/* Values that their C++ type does not tell: field("address", fapilog::ipv4(&sin_addr)). As FL_BYTES and so on. */
inline struct fapilogi_bytes bytes(const void *data, std::size_t size) { return fapilogi_make_bytes(data, size); }
inline struct fapilogi_string text(const char *data, std::size_t size) { return fapilogi_make_string(data, size); }
inline struct fapilogi_json json(const char *text) { return fapilogi_make_json_text(text); }
inline struct fapilogi_json json(const std::string &text) { return fapilogi_make_json(text.data(), text.size()); }
inline struct fapilogi_errno error_code(int code) { return fapilogi_make_errno(code); }
inline struct fapilogi_ipv4 ipv4(const void *address) { return fapilogi_make_ipv4(address); }
inline struct fapilogi_ipv6 ipv6(const void *address) { return fapilogi_make_ipv6(address); }
inline struct fapilogi_uuid uuid(const void *bytes16) { return fapilogi_make_uuid(bytes16); }
FAPILOGI_INLINE struct fapilogi_stack stack() { return fapilogi_make_stack(); }

/* The standard fields, for contexts. */
inline named<fapilogi_trace> trace_id(const void *bytes16) { return {"trace_id", fapilogi_make_trace(bytes16)}; }
inline named<fapilogi_span> span_id(const void *bytes8) { return {"span_id", fapilogi_make_span(bytes8)}; }
/* Hex digits are a text, field("trace_id", digits): do not compile. */
template <typename Digit> named<fapilogi_trace> trace_id(const Digit (&digits)[33])
{
    return {"trace_id", fapilogi_make_trace(digits)};
}
template <typename Digit> named<fapilogi_span> span_id(const Digit (&digits)[17])
{
    return {"span_id", fapilogi_make_span(digits)};
}
inline named<fapilogi_role> request_id(const char *text)
{
    return {"request_id", fapilogi_make_role(text, FAPILOG_ROLE_REQUEST_ID)};
}
inline named<fapilogi_role> user_id(const char *text)
{
    return {"user_id", fapilogi_make_role(text, FAPILOG_ROLE_USER_ID)};
}
inline named<fapilogi_role> tenant_id(const char *text)
{
    return {"tenant_id", fapilogi_make_role(text, FAPILOG_ROLE_TENANT_ID)};
}
inline named<fapilogi_role> correlation_id(const char *text)
{
    return {"correlation_id", fapilogi_make_role(text, FAPILOG_ROLE_CORRELATION_ID)};
}

/* What must not be logged: the value of the field is ***. */
inline named<fapilogi_string> sensitive(const char *name) { return {name, fapilogi_make_string("***", 3)}; }

/* ---- loggers --------------------------------------------------------------------------------------- */

/* File, line and function of a call. here() is that of its own call, and, as a default argument, of the call that
 * leaves it out. So a function that logs for others can hand on where it was called:
 *     void fail(fapilog::logger log, const std::string &why, const fapilog::location &at = fapilog::here())
 *     {
 *         log.error(fapilog::message(why, at));
 *     } */
using location = struct fapilog_location;

inline location here(const char *file = __builtin_FILE(), const char *function = __builtin_FUNCTION(),
                     uint32_t line = __builtin_LINE()) noexcept
{
    return {{file, static_cast<uint32_t>(strlen(file))}, {function, static_cast<uint32_t>(strlen(function))}, line, 0};
}

/* A message: any text, of any length, and where it was made of it, as a rule in the call itself. Of a call of several
 * lines gcc names the first one, clang that of the message. */
struct message {
    const char *data;
    std::size_t size;
    location at;
    message(const char *s, const location &where = here()) noexcept
        : data(s ? s : "(null)"), size(strlen(data)), at(where)
    {
    }
    message(const std::string &s, const location &where = here()) noexcept
        : data(s.data()), size(s.size()), at(where)
    {
    }
#if __cplusplus >= 201703L
    message(std::string_view s, const location &where = here()) noexcept
        : data(s.data() ? s.data() : ""), size(s.size()), at(where)
    {
    }
#endif
};

class logger;

/* What process and logger can do. Each call returns what fapilog_log() returns: 0, also below the threshold;
 * -ENOBUFS when the record was dropped, and counted; -EINVAL for a level that is none, and for names and stacks beyond
 * 1 MiB. */
template <typename Self> class calls {
public:
    bool enabled(uint32_t level) const noexcept { return fapilogi_enabled(handle(), level); }

    template <typename... T> int log(uint32_t level, const message &m, const named<T> &...fields) const noexcept
    {
        static_assert(sizeof...(T) <= FAPILOG_FIELDS_MAX, "a record holds at most 64 fields");
        if (!enabled(level) && level >= 1 && level < FAPILOG_LEVEL_OFF)
            return 0;
        const struct fapilog_field list[] = {fields.get()..., fapilog_field()};
        return fapilog_log_at(handle(), level, m.data, m.size, list, static_cast<uint32_t>(sizeof...(T)), &m.at);
    }
#define FAPILOGI_CALL_AT(name, level) \
    template <typename... T> int name(const message &m, const named<T> &...fields) const noexcept \
    { \
        return log(level, m, fields...); \
    }
    FAPILOGI_CALL_AT(trace, FAPILOG_LEVEL_TRACE)
    FAPILOGI_CALL_AT(debug, FAPILOG_LEVEL_DEBUG)
    FAPILOGI_CALL_AT(info, FAPILOG_LEVEL_INFO)
    FAPILOGI_CALL_AT(warning, FAPILOG_LEVEL_WARNING)
    FAPILOGI_CALL_AT(error, FAPILOG_LEVEL_ERROR)
    FAPILOGI_CALL_AT(critical, FAPILOG_LEVEL_CRITICAL)
    FAPILOGI_CALL_AT(audit, FAPILOG_LEVEL_AUDIT)
    FAPILOGI_CALL_AT(security, FAPILOG_LEVEL_SECURITY)
#undef FAPILOGI_CALL_AT

    /* A logger with these fields in front of every record, as fapilog_with(). */
    template <typename... T> logger with(const named<T> &...fields) const noexcept;

    int set_level(uint32_t level) const noexcept { return fapilog_set_level(handle(), level); }

    int flush(std::chrono::nanoseconds timeout, struct fapilog_flush_report *ret = nullptr) const noexcept
    {
        return fapilog_flush(handle(), timeout.count() < 0 ? 0 : static_cast<uint64_t>(timeout.count()), ret);
    }

private:
    fapilog_t *handle() const noexcept { return *static_cast<const Self *>(this); }
};

/* A handle: copied freely, valid for the life of the process object. */
class logger : public calls<logger> {
public:
    logger(fapilog_t *log) noexcept : log_(log) {}
    operator fapilog_t *() const noexcept { return log_; }

private:
    fapilog_t *log_;
};

template <typename Self>
template <typename... T>
inline logger calls<Self>::with(const named<T> &...fields) const noexcept
{
    static_assert(sizeof...(T) <= FAPILOG_FIELDS_MAX, "a record holds at most 64 fields");
    const struct fapilog_field list[] = {fields.get()..., fapilog_field()};
    return fapilog_with(handle(), list, static_cast<uint32_t>(sizeof...(T)));
}

/* fapilog_open() and fapilog_close() as an object; converts to the root logger. */
class process : public calls<process> {
public:
    explicit process(const char *service = nullptr, const fapilog_options *options = nullptr)
        : log_(fapilog_open(service, options))
    {
    }
    ~process() { fapilog_close(log_); }
    process(const process &) = delete;
    process &operator=(const process &) = delete;
    operator fapilog_t *() const noexcept { return log_; }
    fapilog::logger logger(const char *name) const { return fapilog_logger(log_, name); }

private:
    fapilog_t *log_;
};

/* Context bound to the thread for the life of the object:
 *     fapilog::scope request(fapilog::request_id("r-17"), fapilog::field("shard", 3)); */
class scope {
public:
    scope(const struct fapilog_field *fields, uint32_t count) : scope_(fapilog_context_push(fields, count)) {}
    template <typename T, typename... More>
    explicit scope(const named<T> &first, const named<More> &...more) : scope_(push(first, more...))
    {
    }
    ~scope() { fapilog_context_pop(&scope_); }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;
    int error() const { return scope_.error; }

private:
    template <typename... T> static struct fapilog_scope push(const named<T> &...fields)
    {
        const struct fapilog_field list[] = {fields.get()...};
        return fapilog_context_push(list, static_cast<uint32_t>(sizeof...(T)));
    }

    struct fapilog_scope scope_;
};

} // namespace fapilog

#endif
