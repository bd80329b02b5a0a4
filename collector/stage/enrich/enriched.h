/* enriched.h - what enrichers know of a process: one copy of its description with more in it, kept in the
 * cache of the original, so that formats compile for it as for any other. */
#ifndef COLLECTOR_STAGE_ENRICH_ENRICHED_H
#define COLLECTOR_STAGE_ENRICH_ENRICHED_H

#include "collector/stage/stage.h"

enum { ENRICH_FIELDS_MAX = 256 };

/* What a stage adds to every process; the texts are its own. */
struct enrichment {
    char *name[ENRICH_FIELDS_MAX], *value[ENRICH_FIELDS_MAX];
    uint32_t count;
    uint64_t id; /* of what it adds: a reload that changes nothing here finds its copies again */
};

/* Adds name=value in place of an earlier one; an empty value adds nothing. -ENOMEM, -E2BIG, -EINVAL (no UTF-8). */
int enrichment_add(struct enrichment *en, const char *name, size_t name_len, const char *value, size_t len,
                   struct err *e);
int enrichment_add_text(struct enrichment *en, const char *name, const char *value, struct err *e);

/* The four functions of a stage whose state is a struct enrichment. Names that the description has a member
 * for (service, service.name, env, deployment.environment.name, version, service.version, host, host.name)
 * fill it where the process left it empty; pid is the process's own. */
int enrich_open(struct stage *s, struct err *e); /* takes the cache slot */
enum stage_verdict enrich_run(struct stage *s, struct stage_record *sr);
void enrich_close(struct stage *s);

#define ENRICH_OPS(kind_) \
    .abi = STAGE_ABI, .kind = #kind_, .group = STAGE_ENRICH, .changes = true, .opts = kind_##_opts, \
    .cfg_size = sizeof(struct kind_##_cfg), .state_size = sizeof(struct enrichment), \
    .open = kind_##_open, .run = enrich_run, .close = enrich_close

#endif
