#include "tests/common/sink_new.h"

#include "lib/base/uri.h"

int sink_new(const char *uri, const char *source, struct sink **ret, struct err *e)
{
    auto_uri u = {0};
    const struct sink_ops *ops;
    struct sink *s = NULL;
    int r = uri_parse(uri, &u, e);
    if (r == 0)
        r = sink_lookup(u.scheme, &ops, e);
    if (r < 0)
        return err_wrap(e, r, "sink from %s", source);
    r = sink_new_empty(ops, &s, e);
    if (r < 0)
        return r;
    r = sink_set_alias(s, u.scheme, e);
    if (r == 0)
        r = sink_set_uri(s, uri, e);
    if (r == 0)
        r = sink_finish(s, e);
    if (r < 0) {
        sink_free(s);
        return err_wrap(e, r, "sink %s: from %s", ops->scheme, source);
    }
    *ret = s;
    return 0;
}
