/* Built only where the engine of remote sinks is not part of the source: naming such a sink is an error then. */
#include "collector/delivery/remote.h"

#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

int remote_open(struct sink *s, const struct remote_config *cfg, struct remote **ret, struct err *e)
{
    (void)cfg;
    (void)ret;
    return err_set(e, -ENOSYS, "%s: this build has no delivery to remote sinks", s->ops->scheme);
}

void remote_close(struct remote *r) { CHECK(!r); }
void remote_put(struct remote *r, struct parcel *p, struct remote_ticket *t) { CHECK(r && p && t); }
void remote_relieve(struct remote *r) { CHECK(r); }
void remote_run(struct remote *r, uint64_t now_ns) { CHECK(r && now_ns); }
uint64_t remote_deadline(const struct remote *r) { return r ? 0 : UINT64_MAX; }
bool remote_is_idle(const struct remote *r, bool is_spool_too) { return !r || is_spool_too; }
void remote_stop(struct remote *r, uint64_t deadline_ns) { CHECK(r && deadline_ns); }
void remote_drain(struct remote *r) { CHECK(r); }
void remote_stats(const struct remote *r, struct remote_stats *ret) { CHECK(r); memset(ret, 0, sizeof *ret); }
bool remote_is_failing(const struct remote *r) { return r != NULL; }
