#include "collector/config/config.h"

#include "collector/config/build.h"
#include "collector/plugin/plugin.h"
#include "lib/base/check.h"
#include "lib/base/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int take_text(char **to, const char *text, struct err *e)
{
    *to = text ? strdup(text) : NULL;
    return text && !*to ? err_set(e, -ENOMEM, "out of memory") : 0;
}

/* --config, else FAPILOG_CONFIG. */
static int read_file(struct build *b, struct err *e)
{
    const struct env_var *v = env_get(&b->env, "FAPILOG_CONFIG");
    const char *path = b->args->file ? b->args->file : v ? v->value : NULL;
    if (!path)
        return 0;
    const int r = tree_read(path, &b->file, e);
    if (r < 0)
        return err_wrap(e, r, "configuration file of %s", b->args->file ? "--config" : "FAPILOG_CONFIG");
    b->c->is_file_empty = tree_is_empty(b->file);
    if (b->c->is_file_empty && b->args->refuses_empty_file)
        return err_set(e, -ENODATA, "%s: is empty, as one that is being written; where nothing is to be set, write {}",
                       path);
    sources_set(b->c, "", "config", b->args->file ? "--config" : "FAPILOG_CONFIG");
    return take_text(&b->c->file, path, e);
}

/* --preset, else FAPILOG_PRESET, else what the file says; "none" for none. */
static int read_preset(struct build *b, struct err *e)
{
    char names[200], place[NODE_PLACE_MAX] = "--preset", title[80];
    const struct env_var *v = env_get(&b->env, "FAPILOG_PRESET");
    const struct node *n = node_get(build_layer(b, 1), "preset");
    const char *name = b->args->preset;
    if (!name && v) {
        name = v->value;
        (void)snprintf(place, sizeof place, "%s", v->name);
    } else if (!name && n) {
        (void)node_place(n, place);
        if (n->kind != NODE_SCALAR)
            return err_set(e, -EINVAL, "%s: preset: is %s, not one of %s, none", place, node_kind_name(n),
                           preset_names(names, sizeof names));
        name = n->text;
    }
    if (!name || strcasecmp(name, "none") == 0)
        return 0;
    const char *text = preset_text(name);
    if (!*text)
        return err_set(e, -EINVAL, "%s: %s'%s' is not one of %s, none", place,
                       strcmp(place, "--preset") == 0 ? "" : "preset: ", name, preset_names(names, sizeof names));
    (void)snprintf(title, sizeof title, "preset %s", name);
    const int r = tree_parse(text, strlen(text), title, &b->preset, e);
    if (r < 0)
        return r;
    sources_set(b->c, "", "preset", place);
    return take_text(&b->c->preset, name, e);
}

/* A --set that nobody took names a sink or a stage that is not there. */
static void unused_sets(struct build *b)
{
    for (unsigned i = 0; i < b->args->sets_count; i++) {
        const char *text = b->args->set[i];
        if (!b->set_used[i])
            build_problem(b, -EINVAL, "--set %.*s: there is no such %s in this configuration", (int)strcspn(text,
                    "="), text,
                          strncasecmp(text, "sinks.", 6) == 0 ? "sink" : strncasecmp(text, "stages.", 7) == 0
                              ? "stage" : "key");
    }
}

static int defaults(struct config *c, struct err *e)
{
    int r = opt_defaults(settings_opts, &c->settings, e);
    if (r == 0)
        r = opt_defaults(pressure_opts, &c->adaptive, e);
    return r < 0 ? r : opt_defaults(routing_opts, &c->routing, e);
}

static int report(struct build *b, struct err *e)
{
    const char *text = buf_cstr(&b->problems);
    if (!b->problems_count)
        return 0;
    if (!text)
        return err_set(e, b->code, "%u things are wrong with the configuration", b->problems_count);
    const size_t room = ERR_TEXT_MAX - 32;
    if (strlen(text) <= room)
        return err_set(e, b->code, "%s", text);
    unsigned shown = 0;
    size_t used = 0;
    for (const char *end; (end = strchr(text + used, '\n')) &&
         (size_t)(end - text) <= room; used = (size_t)(end - text) + 1)
        shown++;
    if (!shown)
        return err_set(e, b->code, "%.*s ...", (int)room, text);
    return err_set(e, b->code, "%.*sand %u more", (int)used, text, b->problems_count - shown);
}

static void build_parts(struct build *b)
{
    build_levels(b);
    build_adaptive(b);
    build_stages(b);
    build_sinks(b);
    build_routes(b);
}

/* Somebody else goes on from here. What is wrong is told now, if that can be told without plug-ins. */
static int enter(struct build *b, struct err *e)
{
    const struct config_args *a = b->args;
    struct config look = {0};
    if (!a->enter || !b->c->settings.user)
        return 0;
    if (b->problems_count)
        return report(b, e);
    struct build *first = calloc(1, sizeof *first);
    if (!first)
        return err_set(e, -ENOMEM, "out of memory");
    *first = (struct build){.args = a, .c = &look, .file = b->file, .preset = b->preset};
    keep_record(true);
    int r = env_read(&first->env) < 0 ? err_set(e, -ENOMEM, "out of memory") : defaults(&look, e);
    if (r == 0) {
        build_settings(first);
        build_parts(first);
        r = look.settings.plugins.count ? 0 : report(first, e);
    }
    keep_record(false);
    if (r == 0)
        r = a->enter(a->enter_arg, &look, e);
    buf_done(&first->problems);
    env_free(&first->env);
    tree_free(first->rules);
    free(first);
    config_free(&look);
    return r;
}

/* The settings, and the plug-ins that they name: what stages and sinks there are depends on them. */
static int build_first(struct build *b, struct err *e)
{
    struct err plugins = {0};
    int r = defaults(b->c, e);
    if (r == 0)
        r = read_file(b, e);
    if (r == 0)
        r = read_preset(b, e);
    if (r < 0)
        return r;
    build_settings(b);
    r = enter(b, e);
    if (r < 0)
        return r;
    r = plugins_load(&b->c->settings.plugins, &plugins);
    if (r == 0)
        return 0;
    build_problem(b, r, "%s: plugins: %s", config_source(b->c, "plugins"), plugins.text);
    return report(b, e); /* without them most of what follows would be found wrong */
}

static int build(struct build *b, struct err *e)
{
    const int r = build_first(b, e);
    if (r < 0)
        return r;
    build_parts(b);
    if (!b->problems_count)
        unused_sets(b);
    if (!b->problems_count)
        build_check(b);
    env_unused(b);
    return report(b, e);
}

static int first_alone(struct build *b, struct err *e)
{
    const int r = build_first(b, e);
    return r < 0 ? r : report(b, e);
}

static int load(const struct config_args *args, int (*what)(struct build *b, struct err *e), struct config *ret,
                struct err *e)
{
    memset(ret, 0, sizeof *ret);
    struct build *b = calloc(1, sizeof *b);
    if (!b)
        return err_set(e, -ENOMEM, "out of memory");
    b->args = args;
    b->c = ret;
    int r = env_read(&b->env) < 0 ? err_set(e, -ENOMEM, "out of memory") : what(b, e);
    buf_done(&b->problems);
    env_free(&b->env);
    tree_free(b->rules);
    tree_free(b->preset);
    tree_free(b->file);
    free(b);
    if (r < 0)
        config_free(ret);
    return r;
}

int config_load(const struct config_args *args, struct config *ret, struct err *e)
{
    return load(args, build, ret, e);
}

int config_load_plugins(const struct config_args *args, struct err *e)
{
    struct config c;
    const int r = load(args, first_alone, &c, e);
    if (r == 0)
        config_free(&c);
    return r;
}

bool config_has_remote_sink(const struct config *c)
{
    for (uint32_t i = 0; i < c->sinks_count; i++)
        if (c->sink[i]->ops->remote)
            return true;
    return false;
}

void config_free(struct config *c)
{
    for (uint32_t i = 0; i < c->routes.count; i++) {
        opt_free(route_opts, &c->routes.rule[i]);
        free((void *)(uintptr_t)c->routes.rule[i].source);
    }
    free(c->routes.rule);
    for (uint32_t i = 0; i < c->sinks_count; i++)
        sink_free(c->sink[i]);
    for (uint32_t i = 0; i < c->stages_count; i++)
        stage_free(c->stage[i]);
    for (unsigned i = 0; i < c->warnings_count; i++)
        free(c->warning[i]);
    opt_free(routing_opts, &c->routing);
    opt_free(pressure_opts, &c->adaptive);
    opt_free(settings_opts, &c->settings);
    sources_free(c);
    free(c->preset);
    free(c->file);
    memset(c, 0, sizeof *c);
}
