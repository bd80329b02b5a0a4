// The API from C++: values of C++ types, sites in inline functions and templates, objects.
#include <fapilog/fapilog.hpp>

#include <cerrno>

namespace {

template <typename T> void from_template(fapilog_t *log, const T &value)
{
    FAPILOG_INFO(log, "from a template", FL("value", value));
}

enum colour { RED, GREEN };

} // namespace

namespace trading {

enum class side : unsigned char { buy, sell };
enum class venue { xetra, nyse };
struct price { long ticks; };
struct account { std::string name; };

inline const char *fapilog_value(venue v) { return v == venue::xetra ? "XETRA" : "NYSE"; }
inline double fapilog_value(const price &p) { return static_cast<double>(p.ticks) / 100.0; }
inline const std::string &fapilog_value(const account &a) { return a.name; }

} // namespace trading

static int without_macros(const fapilog::process &log, const std::string &text)
{
    static const unsigned char id[16] = {1, 2, 3, 4};
    using fapilog::field;
    int r = log.info("values", field("int", -1), field("u64", UINT64_MAX), field("double", 0.1), field("float", 0.1f),
                     field("bool", true), field("char", 'c'), field("literal", "text"), field("string", text),
                     field("temporary", text + "!"), field("no_text", static_cast<const char *>(nullptr)),
                     field("took", std::chrono::microseconds(5)), field("pointer", nullptr));
    r |= log.warning(text + " as message", field("errno", fapilog::error_code(-2)), field("list", fapilog::json("[1,2]")),
                     field("ip", fapilog::ipv4(id)), field("bytes", fapilog::bytes(id, 3)),
                     fapilog::sensitive("password"), field("sized", fapilog::text("sized", 4)));
    r |= log.info("own types", field("side", trading::side::sell), field("venue", trading::venue::nyse),
                  field("price", trading::price{950}), field("account", trading::account{"a-1"}), field("colour", GREEN));
    FAPILOG_INFO(log, "own types by macro", FL("side", trading::side::sell), FL("venue", trading::venue::nyse),
                 FL("price", trading::price{950}), FL("account", trading::account{"a-1"}));
    const fapilog::scope scope(fapilog::request_id("r-2"), fapilog::trace_id(id), field("shard", 7));
    const fapilog::logger matching = log.logger("orders.matching").with(field("venue", "XETRA"));
    r |= matching.error("below", field("n", 1)) | matching.debug("below the threshold", field("n", 2));
#if __cplusplus >= 201703L
    const std::optional<int> none, five = 5;
    r |= log.info(std::string_view("optional"), field("none", none), field("five", five),
                  field("view", std::string_view(text).substr(1)));
#else
    r |= log.info("optional");
#endif
    const bool is_refused = log.log(99, "no such level") == -EINVAL && !log.enabled(FAPILOG_LEVEL_DEBUG);
    return r || scope.error() || !is_refused;
}

/* Each line of these says its number; those of functions are to name the same place as the macro beside them. */
static int passed_on(const fapilog::process &log, const std::string &text, const fapilog::location &at = fapilog::here())
{
    return log.info(fapilog::message("passed " + text, at), fapilog::field("line", at.line));
}

static int places(const fapilog::process &log, const std::string &text)
{
    using fapilog::field;
    int r = 0;
    FAPILOG_INFO(log, "macro", FL("line", __LINE__)); r |= log.info("place", field("line", __LINE__));
    for (int i = 0; i < 2; i++)
        r |= log.log(FAPILOG_LEVEL_INFO, text + " place", field("line", __LINE__), field("i", i));
    r |= [&] { return log.error("place", field("line", __LINE__)); }();
    r |= passed_on(log, text); const int line = __LINE__;
    return r | log.logger("below").with(field("expected", line)).warning("place", field("line", __LINE__));
}

inline void from_inline(fapilog_t *log)
{
    FAPILOG_INFO(log, "from an inline function", FL("n", 1));
}

int main()
{
    fapilog::process log("orders-cpp");
    const std::string text = "text";
    from_inline(log);
    from_template(log, 1);
    from_template(log, 2.5);
    from_template(log, text);
    from_template(log, nullptr);
    from_template(log, GREEN);
    from_template(log, std::chrono::milliseconds(5));
    from_template(log, std::chrono::system_clock::now());
    fapilog::scope scope(FAPILOG_FIELDS(FL("bound", text + " bound"), FL_REQUEST_ID("r-1")));
    FAPILOG_INFO(log, "temporary", FL("text", text + " of a temporary"), FL_SENSITIVE("s", text + "!"), FL_PII("p", 1));
    FAPILOG_WARNINGF(log, "%s and %d", text.c_str(), 3);
    unsigned char bytes[] = "bytes";
    const signed char more[] = {'m', 'o', 'r', 'e', 0};
    const unsigned char *const no_bytes = nullptr;
    FAPILOG_WARNINGF(log, "%s, %.2s, %s, %s", bytes, bytes, more, no_bytes);
    FAPILOG_INFO(fapilog_with(log, FAPILOG_FIELDS(FL("venue", "XETRA"))), "with");
    return scope.error() || without_macros(log, text) || places(log, text);
}
