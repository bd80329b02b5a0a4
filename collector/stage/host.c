/* host: what the machine is. docs/stages/host.md */
#include "collector/stage/enrich/enriched.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

struct host_cfg {
    bool id;
};

static const struct opt host_opts[] = {
    OPT_BOOL_(struct host_cfg, id, "id", "false", 0, "Add host.id, from /etc/machine-id."),
    OPT_END,
};

static int add_id(struct enrichment *en, struct err *e)
{
    char id[64] = "";
    FILE *const f = fopen("/etc/machine-id", "re");
    if (!f)
        return err_sys(e, -errno, "id: /etc/machine-id");
    const size_t n = fread(id, 1, sizeof id - 1, f);
    (void)fclose(f);
    id[n] = '\0';
    id[strcspn(id, "\n")] = '\0';
    return enrichment_add_text(en, "host.id", id, e);
}

static int host_open(struct stage *s, struct err *e)
{
    const struct host_cfg *const cfg = s->cfg;
    struct enrichment *const en = s->state;
    struct utsname u;
    if (uname(&u) < 0)
        return err_sys(e, -errno, "uname");
    for (char *p = u.sysname; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    int r = enrichment_add_text(en, "host.name", u.nodename, e);
    if (r == 0)
        r = enrichment_add_text(en, "host.arch", strcmp(u.machine, "x86_64") == 0 ? "amd64" : u.machine, e);
    if (r == 0)
        r = enrichment_add_text(en, "os.type", u.sysname, e);
    if (r == 0)
        r = enrichment_add_text(en, "os.version", u.release, e);
    if (r == 0 && cfg->id)
        r = add_id(en, e);
    return r < 0 ? r : enrich_open(s, e);
}

const struct stage_ops stage_host = {
    ENRICH_OPS(host),
    .summary = "Adds host.name, host.arch, os.type, os.version, and host.id where asked.",
};
