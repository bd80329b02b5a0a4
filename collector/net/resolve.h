/* resolve.h - names to addresses without holding up the reactor: getaddrinfo() in a thread of its own.
 * Addresses in digits are answered without one. */
#ifndef COLLECTOR_NET_RESOLVE_H
#define COLLECTOR_NET_RESOLVE_H

#include "collector/io/io.h"

#include <netdb.h>

struct resolve;

/* error: 0 or a negative errno (-ENOENT: no such name, -EAGAIN: try again later); text says it for people.
 * The list belongs to the callee (freeaddrinfo). */
typedef void resolve_done_fn(void *owner, int error, const char *text, struct addrinfo *list);

/* Starts; `done` runs exactly once, inside io_turn(), unless resolve_cancel() comes first. NULL and an error
 * when no thread can be had. */
int resolve_start(struct io *io, const char *host, uint16_t port, int socktype, resolve_done_fn *done, void *owner,
                  struct resolve **ret, struct err *e);
void resolve_cancel(struct resolve *r); /* NULL allowed; done will not run any more */

#endif
