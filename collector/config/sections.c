/* The settings, and the levels of services: what stands at the top of a file. */
#include "collector/config/build.h"
#include "lib/base/check.h"
#include "lib/base/edit_distance.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char *const sections[] = {"preset", "level", "levels", "adaptive", "stages", "sinks", "routes",
                                       "routing"};

static bool is_section(const char *key)
{
    bool is = false;
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++)
        is |= strcmp(key, sections[i]) == 0;
    return is;
}

/* A place of the user's for what anchors name, as in Compose: parsed and otherwise ignored. */
static bool is_extension(const char *key)
{
    return strncmp(key, "x-", 2) == 0;
}

static void unknown(struct build *b, const struct node *key)
{
    const char *near = opt_suggest(settings_opts, key->text);
    char allowed[600] = "";
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++) {
        used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s, ", sections[i]);
        if (edit_distance(sections[i], key->text) <= 2)
            near = sections[i];
    }
    for (const struct opt *row = settings_opts; row->type != OPT_END_ROW && used < sizeof allowed; row++)
        used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s, ", row->name);
    build_problem_at(b, -EINVAL, key, "%s: no such key%s%s%s (allowed: %sand x-... for anchors)", key->text,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", allowed);
}

void build_settings(struct build *b)
{
    static const char *const prefixes[] = {"FAPILOG_CORE__", "FAPILOG_", NULL};
    const struct tables t = {{settings_opts}, {&b->c->settings}, 1};
    for (unsigned i = 0; i < LAYERS; i++) {
        const struct node *root = build_layer(b, i);
        if (root && root->kind != NODE_MAP) {
            build_problem_at(b, -EINVAL, root, "a configuration is a map of keys and values, not %s",
                             node_kind_name(root));
            continue;
        }
        for (const struct node *n = root ? root->first : NULL; n; n = n->next) {
            if (opt_find(settings_opts, n->key->text))
                build_member(b, &t, "", n);
            else if (!is_section(n->key->text) && !is_extension(n->key->text))
                unknown(b, n->key);
        }
    }
    build_environment(b, &t, "", prefixes);
    build_sets(b, &t, "");
    if (b->args->rings)
        build_text(b, &t, "", "rings", b->args->rings, "--rings");
    if (b->args->user)
        build_text(b, &t, "", "user", b->args->user, "--user");
}

/* ---- levels ---- */

static int parse_level(const char *prefix, const char *value, uint8_t *ret, struct err *e)
{
    const char *dot = *prefix ? "." : "";
    if (strlen(prefix) >= sizeof(((struct level_setting *)0)->prefix))
        return err_set(e, -EINVAL, "level.%s: the logger's name has over %zu bytes", prefix,
                       sizeof(((struct level_setting *)0)->prefix) - 1);
    if (opt_parse_level(value, ret) < 0)
        return err_set(e, -EINVAL, "level%s%s: '%s' is not a level (TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, "
                       "AUDIT, SECURITY, off or 1..31)", dot, prefix, value);
    return 0;
}

static void set_level(struct build *b, const char *prefix, const char *value, const char *place, const char *source)
{
    struct config *c = b->c;
    struct err why = {0};
    uint8_t level = 0;
    unsigned i = 0;
    if (parse_level(prefix, value, &level, &why) < 0) {
        build_problem(b, -EINVAL, "%s: %s", place, why.text);
        return;
    }
    while (i < c->levels_count && strcmp(c->level[i].prefix, prefix) != 0)
        i++;
    if (i == ARRAY_COUNT(c->level)) {
        build_problem(b, -E2BIG, "%s: level.%s: more than %zu level rules", place, prefix, ARRAY_COUNT(c->level));
        return;
    }
    if (i == c->levels_count)
        c->levels_count++;
    (void)snprintf(c->level[i].prefix, sizeof c->level[i].prefix, "%s", prefix);
    c->level[i].level = level;
    sources_set(c, *prefix ? "level." : "level", prefix, source);
}

static void level_of_node(struct build *b, const char *prefix, const struct node *n)
{
    char place[NODE_PLACE_MAX], source[NODE_PLACE_MAX];
    if (n->kind != NODE_SCALAR || node_is_null(n))
        build_problem_at(b, -EINVAL, n, "level%s%s: is %s where a level belongs", *prefix ? "." : "", prefix,
                         node_kind_name(n));
    else
        set_level(b, prefix, n->text, node_place(n, place), source_of(n, source));
}

static void levels_of_layer(struct build *b, const struct node *root)
{
    const struct node *one = node_get(root, "level"), *map = node_get(root, "levels");
    if (one)
        level_of_node(b, "", one);
    if (map && map->kind != NODE_MAP)
        build_problem_at(b, -EINVAL, map, "levels: is %s, not a map of loggers and levels", node_kind_name(map));
    for (const struct node *n = map && map->kind == NODE_MAP ? map->first : NULL; n; n = n->next)
        level_of_node(b, n->key->text, n);
}

static void levels_of_environment(struct build *b)
{
    const struct env_var *one = env_get(&b->env, "FAPILOG_CORE__LOG_LEVEL");
    const struct env_var *map = env_get(&b->env, "FAPILOG_LEVELS");
    struct opt_map levels = {0};
    if (one)
        set_level(b, "", one->value, one->name, one->name);
    if (map && opt_parse_map(map->value, &levels) < 0)
        build_problem(b, -EINVAL, "%s: '%s' is not LOGGER=LEVEL,... or a JSON object", map->name, map->value);
    for (uint32_t i = 0; i < levels.count; i++)
        set_level(b, levels.item[i].key, levels.item[i].value, map->name, map->name);
    opt_map_free(&levels);
}

/* "level" or "level.LOGGER"; NULL: another key. */
static const char *level_prefix(const char *key, size_t len)
{
    if (len == 5 && strncmp(key, "level", 5) == 0)
        return key + 5;
    return len > 6 && strncmp(key, "level.", 6) == 0 ? key + 6 : NULL;
}

void build_levels(struct build *b)
{
    for (unsigned i = 0; i < LAYERS; i++)
        levels_of_layer(b, build_layer(b, i));
    levels_of_environment(b);
    for (unsigned i = 0; i < b->args->sets_count; i++) {
        char prefix[128];
        const char *text = b->args->set[i], *equals = strchr(text, '=');
        const char *from = equals ? level_prefix(text, (size_t)(equals - text)) : NULL;
        if (!from)
            continue;
        (void)snprintf(prefix, sizeof prefix, "%.*s", (int)(equals - from), from);
        b->set_used[i] = true;
        set_level(b, prefix, equals + 1, "--set", "--set");
    }
}

/* ---- --set, before there are sinks and stages ---- */

static int check_setting(const char *key, const char *value, struct err *e)
{
    struct settings scratch = {0};
    struct config_routing routing = {0};
    struct pressure_config adaptive = {0};
    const struct section_rows {
        const char *prefix;
        const struct opt *rows;
        void *cfg;
    } sections_of[] = {{"routing.", routing_opts, &routing}, {"adaptive.", pressure_opts, &adaptive},
                       {"", settings_opts, &scratch}}, *s = sections_of;
    while (strncasecmp(key, s->prefix, strlen(s->prefix)) != 0)
        s++;
    const struct opt *rows = s->rows;
    const char *name = key + strlen(s->prefix);
    const struct opt *row = opt_find(rows, name);
    if (!row) {
        const char *near = opt_suggest(rows, name);
        return err_set(e, -EINVAL, "--set %s: no such key%s%s%s", key, near ? "; did you mean '" : "", near ? near : "",
                       near ? "'?" : "");
    }
    struct err why = {0};
    const int r = opt_set(row, s->cfg, value, &why);
    opt_free(rows, s->cfg);
    return r < 0 ? err_set(e, r, "--set %s%s", s->prefix, why.text) : 0;
}

int config_check_set(const char *text, struct err *e)
{
    char key[128], prefix[128];
    uint8_t level;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return err_set(e, -EINVAL, "--set %s: must be KEY=VALUE", text);
    if ((size_t)(equals - text) >= sizeof key)
        return err_set(e, -EINVAL, "--set %.40s...: no such key", text);
    (void)snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    const char *from = level_prefix(key, strlen(key));
    if (from) {
        (void)snprintf(prefix, sizeof prefix, "%s", from);
        const int r = parse_level(prefix, equals + 1, &level, e);
        return r < 0 ? err_wrap(e, r, "--set") : 0;
    }
    if (strncasecmp(key, "sinks.", 6) == 0 || strncasecmp(key, "stages.", 7) == 0) {
        const char *name = strchr(key, '.') + 1, *option = strrchr(key, '.') + 1;
        return option > name + 1 && *option ? 0 : err_set(e, -EINVAL, "--set %s: must be %.*s.NAME.OPTION=VALUE", key,
                                                           (int)(name - 1 - key), key);
    }
    return check_setting(key, equals + 1, e);
}
