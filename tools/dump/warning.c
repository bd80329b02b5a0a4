#include "tools/dump/warning.h"

#include "lib/base/err.h"
#include "tools/dump/safe_text.h"

#include <stdio.h>
#include <string.h>

void warning_print(const char *text)
{
    char line[ERR_TEXT_MAX * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK];
    unsigned flags = 0;
    *text_clean(text, strnlen(text, ERR_TEXT_MAX), line, &flags) = '\0';
    (void)fprintf(stderr, "fapilog-dump: %s\n", line);
}
