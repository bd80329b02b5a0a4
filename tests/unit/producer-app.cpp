// The API from C++: values of C++ types, sites in inline functions and templates, objects.
#include <fapilog/fapilog.hpp>

namespace {

template <typename T> void from_template(fapilog_t *log, const T &value)
{
    FAPILOG_INFO(log, "from a template", FL("value", value));
}

enum colour { RED, GREEN };

} // namespace

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
    FAPILOG_INFO(fapilog_with(log, FAPILOG_FIELDS(FL("venue", "XETRA"))), "with");
    return scope.error();
}
