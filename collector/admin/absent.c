/* In place of the endpoint where libmicrohttpd was not found. */
#include "collector/admin/admin.h"

#include <errno.h>
#include <string.h>

int admin_check(const struct admin_settings *cfg, struct err *e)
{
    if (strcmp(cfg->listen, "none") == 0 || strcmp(cfg->listen, "unix") == 0)
        return 0;
    return err_set(e, -ENOTSUP, "admin: this collector was built without libmicrohttpd; set it to none");
}

int admin_open(const struct admin_settings *cfg, const struct admin_view *view, const struct admin_actions *actions,
               struct io *io, struct admin **ret, struct err *e)
{
    (void)view, (void)actions, (void)io;
    *ret = NULL;
    return admin_check(cfg, e);
}

void admin_reload_ended(struct admin *a, int result, const char *text) { (void)a, (void)result, (void)text; }
void admin_set_view(struct admin *a, const struct admin_view *view) { (void)a, (void)view; }
void admin_close(struct admin *a) { (void)a; }
const char *admin_address(const struct admin *a) { (void)a; return ""; }
bool admin_wants_records(const struct admin *a) { (void)a; return false; }
void admin_tap(struct admin *a, const struct fapilog_record *r) { (void)a, (void)r; }
