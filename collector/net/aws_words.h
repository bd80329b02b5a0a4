/* aws_words.h - the words of a command line. Private to collector/net. */
#ifndef COLLECTOR_NET_AWS_WORDS_H
#define COLLECTOR_NET_AWS_WORDS_H

#include "lib/base/err.h"

struct aws_words {
    char *text;
    char **word; /* ends with NULL */
    unsigned count;
};

int aws_words_split(const char *line, unsigned max, struct aws_words *ret, struct err *e);
void aws_words_done(struct aws_words *w);

#endif
