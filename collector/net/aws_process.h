/* aws_process.h - a credential_process: a program that prints credentials. It runs in a group of its own, is given
 * nothing on its standard input and none of our FAPILOG_ variables, and is killed when it takes too long or prints too
 * much. Private to collector/net. */
#ifndef COLLECTOR_NET_AWS_PROCESS_H
#define COLLECTOR_NET_AWS_PROCESS_H

#include "collector/io/io.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

enum { AWS_PROCESS_OUTPUT_MAX = 64 << 10, AWS_PROCESS_ARGS_MAX = 64, AWS_PROCESS_TIMEOUT_S = 60 };

struct aws_process;

/* From io_turn(); the process is gone afterwards. error: 0 and what it printed, or -errno and why. */
typedef void aws_process_done_fn(void *owner, int error, const struct buf *output, const char *why);

/* command: words as in a shell, with quotes and backslashes, and nothing else of one. It is killed after `seconds`. */
int aws_process_start(struct io *io, const char *command, unsigned seconds, aws_process_done_fn *done, void *owner,
                      struct aws_process **ret, struct err *e);
/* Kills it; done is not called. */
void aws_process_cancel(struct aws_process *p);

#endif
