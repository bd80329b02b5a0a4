#include "collector/daemon/chain.h"

#include "collector/daemon/overload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct chain {
    struct stages stages; /* the first member: what others know of it */
    struct pressure_config cfg;
    struct pressure pressure;
    struct stage *shed; /* NULL: adaptive is not enabled */
};

static void on_message(void *arg, const char *text)
{
    daemon_say(arg, text);
}

/* Its configuration may move, as reloads do it. */
static int open_pressure(struct chain *l, struct daemon *d, const struct config *c, struct err *e)
{
    l->cfg = c->adaptive;
    l->pressure.stepped = overload_stepped;
    l->pressure.arg = d;
    int r = pressure_open(&l->pressure, &l->cfg, e);
    l->cfg.protected_levels = (struct opt_list){ 0 }; /* a mask by now */
    if (r == 0)
        r = stage_new(&stage_pressure, &l->shed, e);
    if (r == 0)
        pressure_attach(l->shed, &l->pressure);
    return r;
}

static int open_all(struct chain *l, const struct config *c, struct err *e)
{
    struct stage *all[STAGES_MAX + 1];
    uint32_t count = 0;
    if (l->shed)
        all[count++] = l->shed;
    memcpy(all + count, c->stage, c->stages_count * sizeof all[0]);
    return stages_open(&l->stages, all, count + c->stages_count, e);
}

int chain_open(struct daemon *d, const struct config *c, struct stages **ret, struct err *e)
{
    int r = 0;
    if (!c->stages_count && !c->adaptive.enabled)
        return 0;
    struct chain *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, -ENOMEM, "out of memory");
    l->stages.on_message = d ? on_message : NULL;
    l->stages.message_arg = d;
    if (c->adaptive.enabled)
        r = open_pressure(l, d, c, e);
    if (r == 0)
        r = open_all(l, c, e);
    if (r < 0)
        chain_close(&l->stages);
    else
        *ret = &l->stages;
    return r;
}

int chain_try(const struct config *c, struct err *e)
{
    struct stages *chain = NULL;
    const int r = chain_open(NULL, c, &chain, e);
    if (r == 0)
        chain_close(chain);
    return r;
}

void chain_close(struct stages *chain)
{
    struct chain *l = (struct chain *)chain;
    if (!l)
        return;
    stages_close(&l->stages);
    if (l->shed)
        stage_free(l->shed);
    free(l);
}

struct pressure *chain_pressure(struct stages *chain)
{
    struct chain *l = (struct chain *)chain;
    return l && l->shed ? &l->pressure : NULL;
}
