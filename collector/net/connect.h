/* connect.h - what the operator can do where a connection does not come about: for every client here, in the same
 * words. Behind the reason, after "; "; "" where that says enough. */
#ifndef COLLECTOR_NET_CONNECT_H
#define COLLECTOR_NET_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#define CONNECT_NAME_ADVICE "is the name right, and does DNS work here?"
#define CONNECT_SHAKES_TOO_LONG "the TLS handshake takes too long; does the peer speak TLS on this port?"

/* Of the -errno of a connect(). */
const char *connect_advice(int error);
/* "no connection to TO within 10 s (OPTION)". `to` and `option`, which sets the time, may be NULL. Returns ret. */
char *connect_late(char *ret, size_t size, const char *to, uint64_t timeout_ns, const char *option);

#endif
