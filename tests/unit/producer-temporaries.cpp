// A value of a macro may point into a temporary of its expression, which lives until the record is written.
#include <fapilog/fapilog.hpp>

#include <cstdio>
#include <cstring>

namespace {

// A text that is overwritten when it dies, so that whoever reads it too late sees that without a sanitizer.
class mortal {
public:
    explicit mortal(const char *text) { snprintf(text_, sizeof text_, "%s", text); }
    mortal(const mortal &) = delete;
    mortal &operator=(const mortal &) = delete;
    ~mortal()
    {
        volatile char *const p = text_; // is not left out for what nobody may read any more
        for (size_t i = 0; i + 1 < sizeof text_; i++)
            p[i] = 'X';
    }
    const char *c_str() const { return text_; }

private:
    char text_[48];
};

const char *fapilog_value(const mortal &m) { return m.c_str(); }

// Becomes a std::string of its own in the call, as a path does.
struct convertible {
    operator std::string() const { return "converted, longer than what a string holds within"; }
};

int failed;

void expect(const char *message, const char *name, uint32_t index, const char *wanted)
{
    const struct fapilog_record *const r = fapilog_capture_next();
    if (!r || strncmp(r->message.data, message, strlen(message)) != 0 || index >= r->fields_count) {
        printf("no record %s\n", message);
        failed = 1;
        return;
    }
    const struct fapilog_field *const f = *name ? fapilog_capture_field(r, name) : &r->fields[index];
    if (!f || f->type != FAPILOG_TYPE_STRING || f->len != strlen(wanted) || memcmp(f->v.data, wanted, f->len) != 0) {
        printf("%s: not %s: %.*s\n", message, wanted, f ? static_cast<int>(f->len) : 0, f ? f->v.data : "");
        failed = 1;
    }
}

template <typename T> void in_template(fapilog_t *log, const T &text)
{
    FAPILOG_INFO(log, "in a template", FL("text", mortal(text).c_str()));
}

inline void in_inline(fapilog_t *log)
{
    FAPILOG_INFO(log, "in an inline function", FL("text", mortal("inline").c_str()));
}

int nested(fapilog_t *log, int n)
{
    FAPILOG_INFO(log, "nested", FL("text", n == 1 ? "1" : n == 2 ? "2" : "3"));
    return n;
}

void texts(fapilog_t *log, const std::string &a, const std::string &b)
{
    FAPILOG_INFO(log, "pointer", FL("text", mortal("pointer").c_str()));
    expect("pointer", "text", 0, "pointer");
    FAPILOG_INFO(log, "several", FL("n", 1), FL("text", mortal("first").c_str()), FL("other", mortal("second").c_str()));
    expect("several", "text", 0, "first");
    FAPILOG_INFO(log, "last", FL("n", 1), FL("other", mortal("first").c_str()), FL("text", mortal("second").c_str()));
    expect("last", "text", 0, "second");
    FAPILOG_INFO(log, "own type", FL("text", mortal("value")));
    expect("own type", "text", 0, "value");
    FAPILOG_INFO(log, "sized", FL_STRN("text", mortal("sized").c_str(), 4));
    expect("sized", "text", 0, "size");
    FAPILOG_INFO(log, "joined", FL("text", (a + b).c_str()));
    expect("joined", "text", 0, "longer than what a string holds within itself");
    FAPILOG_INFO(log, "converted", FL("text", convertible()));
    expect("converted", "text", 0, "converted, longer than what a string holds within");
#if __cplusplus >= 201703L
    FAPILOG_INFO(log, "view", FL("text", std::string_view(mortal("view").c_str())));
    expect("view", "text", 0, "view");
#endif
    in_template(log, "template");
    expect("in a template", "text", 0, "template");
    in_inline(log);
    expect("in an inline function", "text", 0, "inline");
}

void formats(fapilog_t *log)
{
    FAPILOG_INFOF(log, "%s", mortal("argument").c_str());
    expect("%s", "", 0, "argument");
    FAPILOG_INFOF(log, "%d %.*s", 1, 3, mortal("argument").c_str());
    expect("%d %.*s", "", 2, "arg");
    if (log == nullptr)
        FAPILOG_INFOF(log, "%d", 1);
    else
        FAPILOG_INFOF(log, "%s, %s", mortal("one").c_str(), mortal("two").c_str());
    expect("%s, %s", "", 0, "one");
}

// Values are evaluated from left to right, once, before the record that they are for, and not below the threshold.
void order(fapilog_t *log)
{
    FAPILOG_DEBUG(log, "below", FL("a", nested(log, 1)));
    FAPILOG_INFO(log, "above", FL("a", nested(log, 1)), FL("b", nested(log, 2)), FL("text", "above"),
                 FL("c", nested(log, 3)));
    expect("nested", "text", 0, "1");
    expect("nested", "text", 0, "2");
    expect("nested", "text", 0, "3");
    expect("above", "text", 0, "above");
    FAPILOG_INFOF(log, "%d %s %d", nested(log, 2), "above", nested(log, 1));
    expect("nested", "text", 0, "2");
    expect("nested", "text", 0, "1");
    expect("%d %s %d", "", 1, "above");
#if __cplusplus >= 201402L
    const auto outer = [log](auto v) {
        const auto inner = [&](auto w) { FAPILOG_INFO(log, "lambdas", FL("v", v), FL("text", mortal(w).c_str())); };
        inner("inner");
    };
    outer(1);
    expect("lambdas", "text", 0, "inner");
#endif
}

// gcc has types of its own for bit-fields, which must not get into a template.
struct bits {
    unsigned few : 3;
    unsigned long many : 40;
    template <typename T> void in_template(fapilog_t *log, T n) const
    {
        FAPILOG_INFO(log, "bits", FL("n", n), FL("few", few), FL("many", many));
        FAPILOG_INFOF(log, "%d %u", n, few);
    }
};

void bit_fields(fapilog_t *log)
{
    const bits b = {7, 1};
    b.in_template(log, 1);
    const struct fapilog_record *r = fapilog_capture_next();
    if (!r || r->fields[1].type != FAPILOG_TYPE_U32 || r->fields[1].v.u64 != 7 || r->fields[2].v.u64 != 1)
        failed = 1, puts("bit-fields");
    r = fapilog_capture_next();
    if (!r || r->fields[1].type != FAPILOG_TYPE_U32 || r->fields[1].v.u64 != 7)
        failed = 1, puts("bit-fields as arguments");
}

} // namespace

int main()
{
    if (fapilog_capture_start(100))
        return 1;
    {
        fapilog::process log("temporaries");
        texts(log, "longer than what a string ", "holds within itself");
        formats(log);
        order(log);
        bit_fields(log);
        if (fapilog_capture_next())
            failed = 1, puts("one too many");
    }
    fapilog_capture_stop();
    return failed;
}
