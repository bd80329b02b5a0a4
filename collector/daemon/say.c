#include "collector/daemon/say.h"

#include "collector/format/text.h"
#include "lib/base/cleanup.h"
#include "lib/base/json_escape.h"

#include <stdlib.h>
#include <string.h>

static void say(FILE *f, const char *text, size_t len)
{
    unsigned flags = 0;
    auto_free char *clean = malloc(len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK);
    if (clean)
        *text_clean(text, len, clean, &flags) = '\0';
    (void)fprintf(f, "fapilog-collector: %s\n", clean ? clean : "a message, and no memory for it");
}

void say_line(FILE *f, const char *text)
{
    say(f, text, strlen(text));
}

void say_lines(FILE *f, const char *text)
{
    do {
        const size_t len = strcspn(text, "\n");
        say(f, text, len);
        text += len + (text[len] == '\n');
    } while (*text);
}

void say_problems(FILE *f, struct err *e)
{
    char *last = strrchr(e->text, '\n');
    if (!last)
        return;
    *last++ = '\0';
    say_lines(f, e->text);
    memmove(e->text, last, strlen(last) + 1);
}
