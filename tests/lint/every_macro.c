/* Every macro of fapilog.h as a program uses it, for headers.sh: compiled as C and as C++ under the flags of strict
 * users, never linked. */
#include <fapilog/fapilog.h>

void every_macro(fapilog_t *log, const char *text, char *mutable_text, const void *object, unsigned level);
void every_field(fapilog_t *log, const char *text, const unsigned char *bytes);
int every_list(fapilog_t *log, const unsigned char *bytes);

void every_macro(fapilog_t *log, const char *text, char *mutable_text, const void *object, unsigned level)
{
    FAPILOG_TRACE(log, "no field");
    FAPILOG_DEBUG(log, "one field", FL("n", 1));
    FAPILOG_INFO(log, "two fields", FL("n", 1), FL("text", text));
    FAPILOG_WARNING(log, "warning", FL("text", mutable_text));
    FAPILOG_ERROR(log, "error", FL("object", object));
    FAPILOG_CRITICAL(log, "critical", FL("literal", "literal"));
    FAPILOG_AUDIT(log, "audit");
    FAPILOG_SECURITY(log, "security");
    FAPILOG_LOG(log, level, "computed level", FL("n", 1));
    FAPILOG_TRACEF(log, "no argument");
    FAPILOG_DEBUGF(log, "%d %u %ld %lu %lld %llu %zu", 1, 2u, 3l, 4ul, 5ll, 6ull, sizeof(int));
    FAPILOG_INFOF(log, "%s %.3s %.*s %c %p %g", text, text, 3, text, 'c', object, 0.5);
    FAPILOG_WARNINGF(log, "%s", mutable_text);
    FAPILOG_ERRORF(log, "%d%%", 7);
    FAPILOG_CRITICALF(log, "critical");
    FAPILOG_AUDITF(log, "audit");
    FAPILOG_SECURITYF(log, "security");
    FAPILOG_LOGF(log, level, "%d", 1);
    FAPILOG_ONCE(FAPILOG_INFO(log, "once", FL("n", 1)));
    FAPILOG_EVERY(100, { FAPILOG_INFOF(log, "%d", 1); FAPILOG_INFO(log, "and this", FL("n", 1)); });
    FAPILOG_LIMIT(1000000000, FAPILOG_WARNING(log, "limit", FL("suppressed", fapilog_suppressed)));
    if (level)
        FAPILOG_ONCE(FAPILOG_INFO(log, "one statement, too"));
    else
        FAPILOG_LIMIT(1, FAPILOG_INFO(log, "without a use of fapilog_suppressed"));
    if (level)
        FAPILOG_INFO(log, "a macro is one statement");
    else
        FAPILOG_INFOF(log, "in both branches");
}

void every_field(fapilog_t *log, const char *text, const unsigned char *bytes)
{
    const short short_ = -1;
    const unsigned short ushort_ = 1;
    const signed char schar = -1;
    const long double wide = 1;
    FAPILOG_INFO(log, "numbers", FL("int", 1), FL("unsigned", 1u), FL("long", 1l), FL("ulong", 1ul), FL("llong", 1ll),
                 FL("ullong", 1ull), FL("short", short_), FL("ushort", ushort_), FL("schar", schar),
                 FL("uchar", bytes[0]), FL("char", 'c'), FL("bool", true), FL("float", 1.0f), FL("double", 1.0),
                 FL("wide", wide));
    FAPILOG_INFO(log, "bytes", FL_STRN("text", text, 3), FL_BYTES("bytes", bytes, 3), FL_JSON("json", "[1]"),
                 FL_JSONN("json", "[1]", 3), FL_IPV4("four", bytes), FL_IPV6("six", bytes), FL_UUID("uuid", bytes));
    FAPILOG_INFO(log, "others", FL_ERRNO("errno", 2), FL_PTR("pointer", bytes), FL_TIME("time", 1),
                 FL_DURATION("took", 2), FL_BOOL("is_there", text), FL_CHAR("char", 65), FL_STACK("stack"));
    FAPILOG_INFO(log, "hidden", FL_SECRET("password", text), FL_SENSITIVE("iban", 1), FL_PII("name", text));
    FAPILOG_ERROR(log, "error", FL_ERROR_TYPE("Timeout"), FL_ERROR_MESSAGE("late"), FL_ERROR_CAUSE("Io"),
                  FL_ERROR_STACK(), FL_TAGS("payment,eu"));
    FAPILOG_ERROR(log, "errno", FL_ERROR_ERRNO(2));
    FAPILOG_INFO(log, "standard", FL_TRACE_ID(bytes), FL_SPAN_ID(bytes), FL_REQUEST_ID(text), FL_USER_ID(text),
                 FL_TENANT_ID(text), FL_CORRELATION_ID(text));
}

int every_list(fapilog_t *log, const unsigned char *bytes)
{
    const int changed = fapilog_set_level(log, fapilog_level_from_text("debug"));
    struct fapilog_counters counters;
    fapilog_t *const venue = fapilog_with(log, FAPILOG_FIELDS(FL("venue", "XETRA"), FL("gateway", 7), FL("on", true),
                                                              FL_UUID("uuid", bytes), FL_DURATION("limit", 5)));
    FAPILOG_SCOPE(FL_REQUEST_ID("r-1"), FL("shard", 3));
    struct fapilog_scope scope = fapilog_context_push(FAPILOG_FIELDS(FL("n", 1)));
    int r = fapilog_set_trace_id(bytes) | fapilog_set_span_id(bytes) | fapilog_set_request_id("r-2") |
            fapilog_set_user_id("u-1") | fapilog_set_tenant_id("t-1");
    r |= fapilog_log(venue, FAPILOG_LEVEL_INFO, "dynamic", 7, FAPILOG_FIELDS(FL("n", 1), FL_STACK("stack")));
    r |= fapilog_log_at(venue, FAPILOG_LEVEL_INFO, "here", 4, FAPILOG_FIELDS(FL("n", 1)), FAPILOG_HERE);
    fapilog_get_counters(venue, &counters);
    fapilog_context_pop(&scope);
    return r | changed;
}
