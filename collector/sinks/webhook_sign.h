/* webhook_sign.h - HMAC-SHA256 with a key that stays: the key is worked in once, not per message. */
#ifndef COLLECTOR_SINKS_WEBHOOK_SIGN_H
#define COLLECTOR_SINKS_WEBHOOK_SIGN_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct webhook_key;

enum { WEBHOOK_MAC_BYTES = 32, WEBHOOK_SECRET_MAX = 1024 };

/* A secret of Standard Webhooks ("whsec_" and base64), or bare text; of at most WEBHOOK_SECRET_MAX bytes. */
int webhook_key_new(const char *secret, bool is_standard, struct webhook_key **ret, struct err *e);
void webhook_key_free(struct webhook_key *k); /* NULL allowed */
/* Over the prefix and the body. 0 or -ENOMEM. */
int webhook_sign(struct webhook_key *k, const char *prefix, size_t prefix_len, const char *body, size_t body_len,
                 uint8_t ret[WEBHOOK_MAC_BYTES]);

#endif
