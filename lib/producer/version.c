/* Which library this is: of its own headers, whatever those of the program were. */
#include <fapilog/fapilog.h>

const char *fapilog_version(void)
{
    return FAPILOG_VERSION_STRING;
}

uint32_t fapilog_version_number(void)
{
    return FAPILOG_VERSION_NUMBER;
}
