/* role.h - names of the roles that fields play; a name is as good as the role. */
#ifndef LIB_READER_ROLE_H
#define LIB_READER_ROLE_H

#include <fapilog/reader.h>

/* Empty for plain data and for what is no role. */
static inline struct fapilog_text role_name(uint8_t role)
{
#define ROLE_NAME_(s) {s, sizeof(s) - 1}
    static const struct fapilog_text names[FAPILOG_ROLE_COUNT] = {
        [FAPILOG_ROLE_DATA] = ROLE_NAME_(""),
        [FAPILOG_ROLE_TRACE_ID] = ROLE_NAME_("trace_id"),
        [FAPILOG_ROLE_SPAN_ID] = ROLE_NAME_("span_id"),
        [FAPILOG_ROLE_REQUEST_ID] = ROLE_NAME_("request_id"),
        [FAPILOG_ROLE_USER_ID] = ROLE_NAME_("user_id"),
        [FAPILOG_ROLE_TENANT_ID] = ROLE_NAME_("tenant_id"),
        [FAPILOG_ROLE_CORRELATION_ID] = ROLE_NAME_("correlation_id"),
        [FAPILOG_ROLE_TRACE_FLAGS] = ROLE_NAME_("trace_flags"),
    };
#undef ROLE_NAME_
    return names[role < FAPILOG_ROLE_COUNT ? role : FAPILOG_ROLE_DATA];
}

#endif
