/* runtime: service, environment, version and host, where a process did not say. docs/stages/runtime.md */
#include "collector/stage/enrich/enriched.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct runtime_cfg {
    const char *service, *env, *version;
};

static const struct opt runtime_opts[] = {
    OPT_TEXT_(struct runtime_cfg, service, "service", "", 0,
              "Name of the service; empty: $FAPILOG_SERVICE, else fapilog."),
    OPT_TEXT_ALIAS_(struct runtime_cfg, env, "env", "environment", "", 0,
                    "Environment; empty: $FAPILOG_ENV, else $ENV, else dev."),
    OPT_TEXT_(struct runtime_cfg, version, "version", "", 0, "Version; empty: $FAPILOG_VERSION."),
    OPT_END,
};

static const char *first_of(const char *a, const char *b, const char *c, const char *d)
{
    const char *const all[] = {a, b, c};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] && *all[i])
            return all[i];
    }
    return d;
}

static int runtime_open(struct stage *s, struct err *e)
{
    const struct runtime_cfg *const cfg = s->cfg;
    struct enrichment *const en = s->state;
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    int r = enrichment_add_text(en, "service", first_of(cfg->service, getenv("FAPILOG_SERVICE"), NULL, "fapilog"), e);
    if (r == 0)
        r = enrichment_add_text(en, "env", first_of(cfg->env, getenv("FAPILOG_ENV"), getenv("ENV"), "dev"), e);
    if (r == 0)
        r = enrichment_add_text(en, "version", first_of(cfg->version, getenv("FAPILOG_VERSION"), NULL, NULL), e);
    if (r == 0)
        r = enrichment_add_text(en, "host", host, e);
    return r < 0 ? r : enrich_open(s, e);
}

const struct stage_ops stage_runtime = {
    ENRICH_OPS(runtime),
    .aliases = (const char *const[]){"runtime_info", NULL},
    .summary = "Fills in service, env, version and host where a process did not give them.",
};
