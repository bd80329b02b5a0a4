#include "collector/format/format.h"

#include "collector/format/plan.h"

#include <fapilog/reader.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_coarse(void)
{
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_REALTIME_COARSE, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t (*format_observed_clock)(void) = clock_coarse;

const struct format_ops *format_find(const char *name)
{
    for (const struct format_ops *const *o = format_list; *o; o++) {
        if (strcmp((*o)->name, name) == 0)
            return *o;
    }
    return NULL;
}

static unsigned list_length(void)
{
    unsigned n = 0;
    while (format_list[n])
        n++;
    return n;
}

int format_register(const struct format_ops *ops, struct err *e)
{
    const unsigned n = list_length();
    if (format_find(ops->name))
        return err_set(e, -EEXIST, "there is a format '%s' already: %s", ops->name, format_find(ops->name)->summary);
    if (n == format_list_room)
        return err_set(e, -ENOSPC, "format %s: there are %u already", ops->name, n);
    format_list[n] = ops;
    return 0;
}

void format_unregister(const struct format_ops *ops)
{
    unsigned i = 0;
    while (format_list[i] && format_list[i] != ops)
        i++;
    for (; format_list[i]; i++)
        format_list[i] = format_list[i + 1];
}

bool format_is_json(const struct format_ops *ops)
{
    return strcmp(ops->media_type, "application/json") == 0 || strcmp(ops->media_type, "application/x-ndjson") == 0;
}

int format_check(const char *name, struct err *e)
{
    auto_buf known = {0};
    if (format_find(name))
        return 0;
    for (const struct format_ops *const *o = format_list; *o; o++) {
        if (buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", (*o)->name) < 0)
            return err_set(e, -ENOMEM, "out of memory");
    }
    const char *const text = buf_cstr(&known);
    return err_set(e, -EINVAL, "format: '%s' is not one of %s", name, text ? text : "");
}

int format_open(const char *name, const struct format_config *cfg, unsigned slot, struct format **ret,
                struct err *e)
{
    CHECK(slot < FORMAT_SLOTS);
    const struct format_ops *const ops = format_find(name);
    if (!ops)
        return format_check(name, e);
    struct format *f = calloc(1, sizeof *f);
    void *state = calloc(1, ops->state_size ? ops->state_size : 1);
    if (!f || !state) {
        free(f);
        free(state);
        return err_set(e, -ENOMEM, "out of memory; format %s", name);
    }
    *f = (struct format){.ops = ops, .slot = slot, .state = state};
    if (cfg)
        f->cfg = *cfg;
    const int r = ops->open ? ops->open(f, e) : 0;
    if (r < 0) {
        free(state);
        free(f);
        return err_wrap(e, r, "format %s", name);
    }
    *ret = f;
    return 0;
}

uint32_t format_variant_new(void)
{
    static uint32_t last; /* the collector has one thread */
    last = (last + 1) & (UINT32_MAX >> PLAN_VARIANT_BITS);
    return last << PLAN_VARIANT_BITS;
}

void format_close(struct format *f)
{
    if (!f)
        return;
    if (f->ops->close)
        f->ops->close(f);
    free(f->state);
    free(f);
}
