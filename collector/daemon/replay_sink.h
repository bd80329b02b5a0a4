/* replay_sink.h - one remote sink, and the engine that delivers to it, without rings and batches: entries go in, and
 * the end waits until every one is delivered or lies in the dead letters again. */
#ifndef COLLECTOR_DAEMON_REPLAY_SINK_H
#define COLLECTOR_DAEMON_REPLAY_SINK_H

#include "collector/delivery/remote.h"

#define REPLAY_REFUSED "refused" /* beside the files: what is refused again, as REPLAY_REFUSED/dead/NAME/N.dead */

struct replay_sink_config {
    struct io *io;
    const char *refused_dir; /* where REPLAY_REFUSED is made */
    uint64_t patience_ns;    /* with a sink that does not work */
};

struct replay_sink;

/* The sink is configured, not open; its delivery options that do not fit are changed. */
int replay_sink_open(struct sink *s, const struct replay_sink_config *cfg, struct replay_sink **ret, struct err *e);
void replay_sink_close(struct replay_sink *r); /* NULL allowed */
/* Waits while much is under way. -EIO: the sink does not work, replay_sink_settle() has the text. */
int replay_sink_put(struct replay_sink *r, const struct entry_head *entry);
/* Until all that was put is settled. */
int replay_sink_settle(struct replay_sink *r, struct err *e);
void replay_sink_stats(const struct replay_sink *r, struct remote_stats *ret);

#endif
