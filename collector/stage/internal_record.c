#include "collector/stage/internal_record.h"

#include "lib/base/clock.h"

#include <string.h>
#include <unistd.h>

#define TEXT(s) { (s), sizeof(s) - 1 }

static struct fapilog_logger_info logger = { .name = TEXT("fapilog.collector") };
static struct fapilog_process_info process = { .service = TEXT("fapilog-collector") };

static void find_out(void)
{
    static char host[256];
    process.pid = (uint32_t)getpid();
    if (gethostname(host, sizeof host - 1) == 0)
        process.host = (struct fapilog_text){ host, (uint32_t)strlen(host) };
}

struct fapilog_record internal_record(uint8_t level, struct fapilog_text message)
{
    if (!process.pid)
        find_out();
    return (struct fapilog_record){ .internal = true, .level = level, .message = message, .logger = &logger,
                                    .process = &process, .time_ns = (int64_t)clock_real_ns() };
}
