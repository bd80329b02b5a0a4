/* otel_resource: OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME. docs/stages/otel_resource.md */
#include "collector/stage/enrich/enriched.h"
#include "lib/base/bytes_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct otel_resource_cfg {
    const char *attributes, *service_name;
};

static const struct opt otel_resource_opts[] = {
    OPT_TEXT_(struct otel_resource_cfg, attributes, "attributes", "", 0,
              "key=value,... with percent-encoding; empty: $OTEL_RESOURCE_ATTRIBUTES."),
    OPT_TEXT_(struct otel_resource_cfg, service_name, "service_name", "", 0,
              "service.name; empty: $OTEL_SERVICE_NAME. It wins over the one in attributes."),
    OPT_END,
};

/* -1: a % without its two digits. */
static long decode(const char *text, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            out[n++] = text[i];
            continue;
        }
        uint8_t byte;
        if (i + 2 >= len || !hex_read(text + i + 1, 1, &byte))
            return -1;
        out[n++] = (char)byte;
        i += 2;
    }
    return (long)n;
}

static void trim(const char **text, size_t *len)
{
    while (*len && (**text == ' ' || **text == '\t'))
        (*text)++, (*len)--;
    while (*len && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
        (*len)--;
}

static int add_pair(struct enrichment *en, const char *pair, size_t len, struct err *e)
{
    char value[1024];
    const char *const sign = memchr(pair, '=', len);
    const char *key = pair, *text = sign ? sign + 1 : NULL;
    size_t key_len = sign ? (size_t)(sign - pair) : 0, text_len = sign ? len - key_len - 1 : 0;
    trim(&key, &key_len);
    trim(&text, &text_len);
    if (key_len == 0)
        return err_set(e, -EINVAL, "attributes: '%.*s' is not key=value", len > 100 ? 100 : (int)len, pair);
    const long n = text_len <= sizeof value ? decode(text, text_len, value) : -1;
    if (n < 0)
        return err_set(e, -EINVAL, "attributes: the value of %.*s is longer than %zu bytes or has a %% without two "
                       "hexadecimal digits", key_len > 100 ? 100 : (int)key_len, key, sizeof value);
    const int r = enrichment_add(en, key, key_len, value, (size_t)n, e);
    return r < 0 ? err_wrap(e, r, "attributes") : 0;
}

static int otel_resource_open(struct stage *s, struct err *e)
{
    const struct otel_resource_cfg *const cfg = s->cfg;
    struct enrichment *const en = s->state;
    const char *p = *cfg->attributes ? cfg->attributes : getenv("OTEL_RESOURCE_ATTRIBUTES");
    const char *const service = *cfg->service_name ? cfg->service_name : getenv("OTEL_SERVICE_NAME");
    int r = 0;
    while (p && *p && r == 0) {
        const size_t len = strcspn(p, ",");
        if (len > 0)
            r = add_pair(en, p, len, e);
        p += len;
        p += *p == ',';
    }
    if (r == 0 && service)
        r = enrichment_add_text(en, "service.name", service, e);
    return r < 0 ? r : enrich_open(s, e);
}

const struct stage_ops stage_otel_resource = {
    ENRICH_OPS(otel_resource),
    .aliases = (const char *const[]){"otel", NULL},
    .summary = "Adds OpenTelemetry's resource attributes from the environment.",
};
