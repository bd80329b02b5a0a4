#include "collector/format/level.h"

#define NAME(s) {s, sizeof(s) - 1}

unsigned level_name_index(uint8_t level)
{
    if (level >= FAPILOG_LEVEL_AUDIT)
        return level >= FAPILOG_LEVEL_SECURITY ? LEVEL_NAMES - 1 : LEVEL_NAMES - 2;
    return level == 0 ? 0 : (level - 1u) / 4;
}

struct fapilog_text level_name(uint8_t level)
{
    static const struct fapilog_text names[LEVEL_NAMES] = {
        NAME("TRACE"), NAME("DEBUG"), NAME("INFO"), NAME("WARNING"), NAME("ERROR"), NAME("CRITICAL"), NAME("AUDIT"),
        NAME("SECURITY")};
    return names[level_name_index(level)];
}

uint8_t level_severity_number(uint8_t level)
{
    if (level >= FAPILOG_LEVEL_SECURITY)
        return 20;
    if (level >= FAPILOG_LEVEL_AUDIT)
        return 12;
    return level == 0 ? 1 : level;
}

struct fapilog_text level_severity_text(uint8_t level)
{
    static const struct fapilog_text names[] = {
        NAME("TRACE"), NAME("DEBUG"), NAME("INFO"), NAME("WARN"), NAME("ERROR"), NAME("FATAL")};
    return names[(level_severity_number(level) - 1) / 4];
}
