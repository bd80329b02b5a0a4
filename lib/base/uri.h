/* uri.h - splits a sink's URI. Percent escapes are decoded in every part; '+' is a plus. The host may
 * be a list ("kafka://b1:9092,b2:9092/topic"): then port is 0 and host holds the whole list. */
#ifndef FAPILOG_BASE_URI_H
#define FAPILOG_BASE_URI_H

#include "lib/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { URI_PARAMS_MAX = 128, URI_BYTES_MAX = 16384 };

struct uri_param {
    const char *key;
    const char *value;
};

struct uri {
    const char *scheme;   /* lower case */
    const char *user;     /* NULL: not given; so are the next three */
    const char *password;
    const char *host;     /* without the brackets of an IPv6 address; "" in file:///x */
    uint16_t port;        /* 0: not given */
    const char *path;     /* "" when there is none; '/' in front only where the text has one */
    const char *fragment; /* NULL: not given */
    struct uri_param *params; /* in the order given */
    unsigned params_count;
    char *text_;          /* owns all of the above */
    size_t text_bytes_;
};

/* 0 or -EINVAL, -E2BIG, -ENOMEM; the message names the part that is wrong and never shows a password. */
int uri_parse(const char *text, struct uri *ret, struct err *e);
void uri_done(struct uri *u);

#define auto_uri __attribute__((cleanup(uri_done))) struct uri

#endif
