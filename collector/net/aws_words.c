#include "collector/net/aws_words.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void aws_words_done(struct aws_words *w)
{
    free(w->text);
    free(w->word);
    *w = (struct aws_words){0};
}

/* One word, unquoted in place to *out. false: a quote is not closed. */
static bool take_word(const char **at, char **out)
{
    char quote = '\0';
    const char *p = *at;
    for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
        if (*p == quote)
            quote = '\0';
        else if (!quote && (*p == '\'' || *p == '"'))
            quote = *p;
        else if (*p == '\\' && quote != '\'' && p[1] && (!quote || p[1] == '"' || p[1] == '\\'))
            *(*out)++ = *++p;
        else
            *(*out)++ = *p;
    }
    *(*out)++ = '\0';
    *at = p;
    return !quote;
}

int aws_words_split(const char *line, unsigned max, struct aws_words *ret, struct err *e)
{
    *ret = (struct aws_words){.text = malloc(strlen(line) + 2), .word = calloc(max + 1, sizeof *ret->word)};
    char *out = ret->text;
    if (!ret->text || !ret->word) {
        aws_words_done(ret);
        return err_set(e, -ENOMEM, "out of memory");
    }
    for (;;) {
        while (isspace((unsigned char)*line))
            line++;
        if (!*line)
            break;
        const bool is_full = ret->count == max;
        if (!is_full)
            ret->word[ret->count++] = out;
        if (is_full || !take_word(&line, &out)) {
            aws_words_done(ret);
            return is_full ? err_set(e, -E2BIG, "more than %u words", max)
                           : err_set(e, -EINVAL, "a quote is not closed");
        }
    }
    if (ret->count == 0) {
        aws_words_done(ret);
        return err_set(e, -EINVAL, "no program");
    }
    return 0;
}
