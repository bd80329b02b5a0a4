#include "collector/daemon/reload.h"

#include "collector/daemon/chain.h"
#include "collector/daemon/diagnostics.h"
#include "collector/daemon/endpoint.h"
#include "collector/ingest/levels.h"
#include "lib/base/check.h"
#include "lib/base/keep.h"
#include "lib/ring/ringdir.h"
#include "lib/ring/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_TIME_NS (5 * NS_PER_S) /* for batches under way; a sink that hangs must not hold up the others */
#define LEAVE_TIME_NS NS_PER_S /* for the last requests of sinks that go */
#define PUT_DOWN_TIME_NS (2 * NS_PER_S) /* and then for their cancelled requests and their disk to end */

enum reload_phase {
    RELOAD_SETTLING, /* batches under way come to their end */
    RELOAD_LEAVING,  /* the pipeline has been at rest; sinks that go put down what they have in memory */
};

struct reload {
    struct config config;
    struct config_diff diff;
    struct stages *stages;
    struct routes *routes;
    bool are_stages_new;
    enum reload_phase phase;
    uint64_t began_ns;
    uint64_t leave_ns;      /* the last requests of sinks that go are over then */
    uint64_t phase_ends_ns; /* refused, if it is not over by then */
    char changes[ERR_TEXT_MAX - 100]; /* for people */
};

static void reload_free(struct reload *l)
{
    if (l->are_stages_new)
        chain_close(l->stages);
    routes_close(l->routes);
    config_free(&l->config);
    free(l);
}

static void refuse(struct daemon *d, const char *why)
{
    char text[ERR_TEXT_MAX + 100];
    d->reloads_refused++;
    for (const char *line = why; *line;) { /* a problem on each */
        const size_t len = strcspn(line, "\n");
        (void)snprintf(text, sizeof text, "configuration not taken over: %.*s", (int)len, line);
        daemon_tell(d, FAPILOG_LEVEL_ERROR, text);
        line += len + (line[len] == '\n');
    }
    admin_reload_ended(d->admin, -EINVAL, why);
}

/* A chain is kept only whole: its parts know each other, and caches know it. */
static bool stages_differ(const struct config *before, const struct config *after, const struct config_diff *diff)
{
    bool differ = before->stages_count != after->stages_count || diff->are_stages_reordered || diff->adaptive;
    for (uint32_t i = 0; i < after->stages_count && !differ; i++)
        differ = diff->stage[i] != CONFIG_SAME;
    return differ;
}

/* Another way to name the same ring directory is none. */
static bool rings_differ(const struct daemon *d, const struct settings *next)
{
    struct ringdir dir;
    return ringdir_choose(&dir, next->rings, NULL) < 0 || strcmp(dir.path, d->dir) != 0;
}

static int check_restart(const struct daemon *d, const struct reload *l, struct err *e)
{
    static const char *const of_a_start[] = {"rings", "io", "user", "window_batches", "admin"};
    const struct settings *now = &d->config.settings, *next = &l->config.settings;
    char names[100] = "";
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_COUNT(of_a_start); i++)
        if (!opt_equal(opt_find(settings_opts, of_a_start[i]), now, next) && (i > 0 || rings_differ(d, next)))
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", of_a_start[i]);
    if (used)
        return err_set(e, -ENOTSUP, "%s: changed, which takes a restart: restart the collector, or take it back",
                       names);
    if (d->state_fd < 0 && config_has_remote_sink(&l->config))
        return err_set(e, -ENOTSUP, "the first remote sink needs the state directory: it comes with a restart only");
    return 0;
}

static void say_kept(void *arg, const char *path)
{
    char text[ERR_TEXT_MAX];
    (void)snprintf(text, sizeof text, "reload: %s: only root may read it; what it held when the collector started "
                   "still counts", path);
    daemon_tell(arg, FAPILOG_LEVEL_WARNING, text);
}

/* As who we are by now. */
static int load(struct daemon *d, struct config *ret, struct err *e)
{
    const struct privileges *p = &d->options->privileges;
    struct config_args args = d->options->args;
    args.enter = NULL;
    args.refuses_empty_file = !d->config.is_file_empty;
    keep_tell(NULL, NULL);
    const int r = config_load(&args, ret, e);
    if (r == 0)
        keep_tell(say_kept, d);
    if ((r == -EACCES || r == -EPERM) && p->is_done)
        return err_wrap(e, r, "the collector was root only when it started and is %s now: let that user read it, or "
                        "restart the collector", p->user.name);
    return r;
}

static int prepare(struct daemon *d, struct reload *l, struct err *e)
{
    int r = load(d, &l->config, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < l->config.warnings_count; i++)
        daemon_tell(d, FAPILOG_LEVEL_WARNING, l->config.warning[i]);
    config_diff(&d->config, &l->config, &l->diff);
    config_diff_text(&d->config, &l->config, &l->diff, l->changes, sizeof l->changes);
    r = check_restart(d, l, e);
    if (r < 0)
        return r;
    l->are_stages_new = stages_differ(&d->config, &l->config, &l->diff);
    if (l->are_stages_new)
        r = chain_open(d, &l->config, &l->stages, e);
    if (r == 0)
        r = daemon_open_routes(d, &l->config, &l->routes, e);
    for (uint32_t i = 0; l->are_stages_new && i < l->config.stages_count; i++)
        l->diff.stage[i] = CONFIG_CHANGED;
    return r;
}

static int begin(struct daemon *d, uint64_t now_ns, struct err *e)
{
    if (d->reload)
        return err_set(e, -EALREADY, "a reload is under way");
    if (d->is_stopping)
        return err_set(e, -ESHUTDOWN, "the collector stops");
    struct reload *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, -ENOMEM, "out of memory");
    l->phase = RELOAD_SETTLING;
    l->began_ns = now_ns;
    l->phase_ends_ns = now_ns + SETTLE_TIME_NS;
    const int r = prepare(d, l, e);
    if (r < 0) {
        reload_free(l);
        return r;
    }
    d->reload = l;
    notify_reloading(&d->notify, now_ns);
    pipeline_pause(&d->pipeline, true);
    return 0;
}

int reload_ask(struct daemon *d, uint64_t now_ns, struct err *e)
{
    const bool is_under_way = d->reload;
    const int r = begin(d, now_ns, e);
    if (r < 0 && !is_under_way)
        refuse(d, e->text);
    return r;
}

/* One that is under way may have read the file before it was written anew: another one follows it. */
void reload_on_signal(struct daemon *d, uint64_t now_ns)
{
    struct err e = { 0 };
    if (d->reload) {
        d->is_reload_due = true;
        return;
    }
    if (d->config.file)
        (void)reload_ask(d, now_ns, &e); /* which has told what is wrong */
    if (!d->reload) { /* the files at least are opened again */
        notify_reloading(&d->notify, now_ns);
        notify_ready(&d->notify);
    }
}

/* The stages of before, and the configuration that is theirs, go once they have nothing left to say. */
static void forget_reloaded(struct daemon *d)
{
    if (!d->reloaded)
        return;
    reload_free(d->reloaded);
    d->reloaded = NULL;
}

void reload_abandon(struct daemon *d)
{
    if (!d->reload)
        return;
    pipeline_pause(&d->pipeline, false);
    if (d->pipeline.leaving && !d->reloaded)
        d->reloaded = d->reload; /* it was taken over just now */
    else
        reload_free(d->reload);
    d->reload = NULL;
    notify_ready(&d->notify);
    admin_reload_ended(d->admin, -ESHUTDOWN, "the collector stops"); /* unless it was told already */
}

void reload_close(struct daemon *d)
{
    reload_abandon(d);
    forget_reloaded(d);
}

/* Which of the first `count` governs the loggers of this prefix; NULL: none. */
static const struct level_setting *level_for(const struct level_setting *level, unsigned count, const char *prefix)
{
    const struct level_setting *best = NULL;
    for (unsigned i = 0; i < count; i++) {
        const size_t len = strlen(level[i].prefix);
        if (rules_fit(level[i].prefix, len, prefix, strlen(prefix)) && (!best || len > strlen(best->prefix)))
            best = &level[i];
    }
    return best;
}

/* What the configuration had and has no more. A ring keeps its rules, so these get the level of what is left; where
 * nothing is, what services began with is not known. */
static void withdraw_levels(struct daemon *d, const struct config *before)
{
    struct config *const c = &d->config;
    const unsigned configured = c->levels_count;
    for (unsigned i = 0; i < before->levels_count; i++) {
        const struct level_setting *const old = &before->level[i];
        const struct level_setting *const now = level_for(c->level, configured, old->prefix);
        if (old->origin == LEVEL_ASKED || (now && strcmp(now->prefix, old->prefix) == 0))
            continue;
        if (now && c->levels_count < ARRAY_COUNT(c->level)) {
            struct level_setting *const l = &c->level[c->levels_count++];
            *l = *old;
            l->level = now->level;
            l->origin = LEVEL_WITHDRAWN;
        } else {
            char text[160];
            (void)snprintf(text, sizeof text, "reload: level%s%s: %s; services that run keep theirs",
                           *old->prefix ? "." : "", old->prefix,
                           now ? "there are as many level rules as there may be"
                               : "nothing is configured for it any more");
            daemon_say(d, text);
        }
    }
}

static void apply_levels(struct daemon *d)
{
    for (uint32_t i = 0; i < d->segments.count; i++)
        if (levels_apply(d->segments.source[i], d->config.level, d->config.levels_count) < 0)
            daemon_say(d, "reload: a ring has no room for another level rule");
}

/* What the old chain has compiled is of no use to the new one, which knows its own entries from others: this gives
 * the memory back. */
static void forget_caches(struct daemon *d)
{
    for (uint32_t i = 0; i < d->segments.count; i++)
        segment_forget_caches(d->segments.source[i]->seg);
}

static void take_over(struct daemon *d, struct reload *l)
{
    const struct config before = d->config;
    struct routes *routes = d->routes;
    d->config = l->config;
    l->config = before;
    d->routes = l->routes;
    l->routes = routes;
    d->pipeline.settings.route_config = d->routes ? &d->config.routes : NULL;
    d->drain.level_mask = d->pipeline.outputs.level_mask;
    if (l->are_stages_new) {
        struct stages *stages = d->stages;
        d->stages = l->stages;
        l->stages = stages;
        forget_caches(d);
    }
    withdraw_levels(d, &l->config);
    if (l->diff.levels)
        apply_levels(d);
    diagnostics_choose_sinks(d);
    endpoint_refresh(d);
    d->reloads++;
}

static bool stays(const struct reload *l, uint32_t index)
{
    for (uint32_t i = 0; i < l->config.sinks_count; i++)
        if ((l->diff.sink[i] == CONFIG_SAME || l->diff.sink[i] == CONFIG_LIVE) && l->diff.sink_from[i] == (int)index)
            return true;
    return false;
}

static void begin_leaving(struct reload *l, uint64_t now_ns)
{
    l->phase = RELOAD_LEAVING;
    l->leave_ns = now_ns + LEAVE_TIME_NS;
    l->phase_ends_ns = l->leave_ns + PUT_DOWN_TIME_NS;
}

/* Those whose place will be taken, or that are left out, put down what they have in memory. Returns one that has not
 * done so yet, or NULL. */
static const char *who_is_leaving(struct daemon *d, const struct reload *l, uint64_t now_ns)
{
    const char *name = NULL;
    for (uint32_t i = 0; i < d->config.sinks_count; i++)
        if (!stays(l, i) && !pipeline_leave(&d->pipeline, d->config.sink[i], now_ns, l->leave_ns) && !name)
            name = d->config.sink[i]->common.name;
    return name;
}

/* Who holds it up, or NULL: it can be taken over. */
static const char *who_holds(struct daemon *d, struct reload *l, uint64_t now_ns)
{
    if (!pipeline_is_at_rest(&d->pipeline)) /* again, where a segment with an open batch has come in the meantime */
        return pipeline_who_holds(&d->pipeline);
    if (l->phase == RELOAD_SETTLING)
        begin_leaving(l, now_ns);
    return who_is_leaving(d, l, now_ns);
}

static int swap(struct daemon *d, struct reload *l, struct err *e)
{
    struct pipeline_settings settings = d->pipeline.settings;
    settings.stages = l->are_stages_new ? l->stages : d->stages;
    settings.routes = l->routes;
    settings.is_apart = diagnostics_want_records(&l->config);
    settings.route_config = l->routes ? &l->config.routes : NULL;
    config_adopt(&d->config, &l->config, &l->diff);
    const int r = pipeline_reconfigure(&d->pipeline, l->config.sink, l->config.sinks_count, &settings, e);
    if (r < 0)
        config_adopt(&d->config, &l->config, &l->diff);
    else
        take_over(d, l);
    return r;
}

int reload_run(struct daemon *d, uint64_t now_ns, struct err *e)
{
    struct reload *l = d->reload;
    struct err own = { 0 };
    char text[ERR_TEXT_MAX];
    int r = 0;
    if (!d->pipeline.leaving)
        forget_reloaded(d);
    if (!l && !d->is_stopping && (r = pipeline_stay(&d->pipeline)) < 0)
        return err_set(e, r, "a sink that the reload left where it was does not open any more");
    if (!l && d->is_reload_due) {
        d->is_reload_due = false;
        reload_on_signal(d, now_ns);
    }
    if (!l)
        return 0;
    const char *holds = who_holds(d, l, now_ns);
    if (holds) {
        if (now_ns < l->phase_ends_ns)
            return 0;
        (void)snprintf(text, sizeof text, "sink %s does not finish what it has begun", holds);
        refuse(d, text);
    } else if ((r = swap(d, l, &own)) < 0) {
        refuse(d, own.text);
    } else {
        const uint64_t took_ms = (clock_mono_ns() - l->began_ns) / NS_PER_MS;
        (void)snprintf(text, sizeof text, "configuration taken over in %" PRIu64 " ms; %s", took_ms, l->changes);
        daemon_tell(d, FAPILOG_LEVEL_INFO, text);
        admin_reload_ended(d->admin, 0, l->changes);
    }
    reload_abandon(d);
    return r == -ENOTRECOVERABLE ? err_set(e, r, "%s", own.text) : 0;
}

uint64_t reload_deadline(const struct daemon *d)
{
    if (d->reload)
        return d->reload->phase_ends_ns;
    return d->is_reload_due ? 0 : UINT64_MAX;
}
