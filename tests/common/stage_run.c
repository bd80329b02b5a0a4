#include "tests/common/stage_run.h"

#include "collector/format/format.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int stage_run_add(struct stage_run *run, struct err *e, const char *kind, ...)
{
    const struct stage_ops *const ops = stage_find(kind);
    struct stage *s;
    int r = ops ? stage_new(ops, &s, e) : err_set(e, -ENOENT, "no stage %s", kind);
    if (r < 0)
        return r;
    va_list args;
    va_start(args, kind);
    for (const char *key; r == 0 && (key = va_arg(args, const char *));) {
        const struct opt *const row = opt_find(ops->opts, key);
        const char *const value = va_arg(args, const char *);
        r = row ? opt_set(row, s->cfg, value, e) : err_set(e, -ENOENT, "no option %s", key);
    }
    va_end(args);
    if (r == 0)
        r = stage_finish(s, e);
    if (r < 0) {
        stage_free(s);
        return r;
    }
    CHECK(run->count < ARRAY_COUNT(run->stage));
    run->stage[run->count++] = s;
    return 0;
}

static void keep_message(void *arg, const char *text)
{
    struct stage_run *const run = arg;
    const size_t n = strlen(run->messages);
    (void)snprintf(run->messages + n, sizeof run->messages - n, "%s\n", text);
}

int stage_run_open(struct stage_run *run, struct err *e)
{
    run->chain.on_message = keep_message;
    run->chain.message_arg = run;
    return stages_open(&run->chain, run->stage, run->count, e);
}

void stage_run_close(struct stage_run *run)
{
    stages_close(&run->chain);
    for (uint32_t i = 0; i < run->count; i++)
        stage_free(run->stage[i]);
    run->count = 0;
}

char *stage_run_text(const struct fapilog_record *r, const char *format)
{
    struct format *f;
    struct err e;
    /* A slot of its own each time: plans of other formats in it would not fit. */
    CHECK(format_open(format, NULL, 0, &f, &e) == 0);
    if (r->site) {
        void **const place = (void **)&r->site->cache[0];
        free(*place);
        *place = NULL;
    }
    char *const out = malloc(f->ops->bound(f, r) + 1);
    CHECK(out);
    *f->ops->write(f, r, out) = '\0';
    format_close(f);
    return out;
}

void stage_run_free_caches(void **cache)
{
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        free(cache[i]);
        cache[i] = NULL;
    }
}

void stage_run_forget(struct sample *s)
{
    stage_run_free_caches(s->site.cache);
    stage_run_free_caches(s->logger.cache);
    stage_run_free_caches(s->process.cache);
}
