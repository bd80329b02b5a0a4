/* kubernetes: pod, namespace, node, container, cluster, deployment. docs/stages/kubernetes.md */
#include "collector/stage/enrich/enriched.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kubernetes_cfg {
    const char *prefix;
    bool skip_if_not_k8s;
};

static const struct opt kubernetes_opts[] = {
    OPT_TEXT_(struct kubernetes_cfg, prefix, "prefix", "k8s_", 0, "In front of the names."),
    OPT_BOOL_(struct kubernetes_cfg, skip_if_not_k8s, "skip_if_not_k8s", "true", 0,
              "Add nothing unless $POD_NAME or $KUBERNETES_SERVICE_HOST is set."),
    OPT_END,
};

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static size_t hex_before(const char *text, size_t end)
{
    size_t n = 0;
    while (n < end && ((text[end - n - 1] >= '0' && text[end - n - 1] <= '9') ||
                       (text[end - n - 1] >= 'a' && text[end - n - 1] <= 'f')))
        n++;
    return n;
}

/* The name of what made the pod: -<hash>-<5> of a deployment, -<n> of a stateful set, -<5> of a daemon set. */
static size_t deployment_len(const char *pod)
{
    const size_t len = strlen(pod);
    size_t digits = 0;
    bool five = len > 6 && pod[len - 6] == '-';
    for (size_t i = 0; five && i < 5; i++)
        five = is_lower_alnum(pod[len - 1 - i]);
    if (five) {
        const size_t hex = hex_before(pod, len - 6);
        if (hex >= 8 && hex <= 10 && len - 6 > hex + 1 && pod[len - 6 - hex - 1] == '-')
            return len - 6 - hex - 1;
    }
    while (digits < len && pod[len - digits - 1] >= '0' && pod[len - digits - 1] <= '9')
        digits++;
    if (digits > 0 && len > digits + 1 && pod[len - digits - 1] == '-')
        return len - digits - 1;
    return five ? len - 6 : len;
}

static int add(struct enrichment *en, const char *prefix, const char *what, const char *value, size_t len,
               struct err *e)
{
    enum { PREFIX_MAX = 100, NAME_MAX_ = 16 };
    char name[PREFIX_MAX + NAME_MAX_];
    const size_t n = strlen(prefix), rest = strlen(what);
    CHECK(rest <= NAME_MAX_);
    if (n > PREFIX_MAX)
        return err_set(e, -EINVAL, "prefix: '%.60s...' is longer than %d bytes", prefix, PREFIX_MAX);
    memcpy(name, prefix, n);
    memcpy(name + n, what, rest);
    return enrichment_add(en, name, n + rest, value, len, e);
}

static int kubernetes_open(struct stage *s, struct err *e)
{
    static const struct { const char *variable, *name; } known[] = {
        {"POD_NAME", "pod"}, {"POD_NAMESPACE", "namespace"}, {"NODE_NAME", "node"},
        {"CONTAINER_NAME", "container"}, {"CLUSTER_NAME", "cluster"}};
    const struct kubernetes_cfg *const cfg = s->cfg;
    struct enrichment *const en = s->state;
    const char *const pod = getenv("POD_NAME");
    int r = 0;
    const bool is_k8s = getenv("KUBERNETES_SERVICE_HOST") || (pod && *pod);
    if (cfg->skip_if_not_k8s && !is_k8s)
        return enrich_open(s, e);
    for (size_t i = 0; i < sizeof known / sizeof *known && r == 0; i++) {
        const char *const value = getenv(known[i].variable);
        if (value)
            r = add(en, cfg->prefix, known[i].name, value, strlen(value), e);
    }
    if (r == 0 && pod && deployment_len(pod) < strlen(pod))
        r = add(en, cfg->prefix, "deployment", pod, deployment_len(pod), e);
    return r < 0 ? r : enrich_open(s, e);
}

const struct stage_ops stage_kubernetes = {
    ENRICH_OPS(kubernetes),
    .aliases = (const char *const[]){"k8s", NULL},
    .summary = "Adds pod, namespace, node, container, cluster and deployment.",
};
