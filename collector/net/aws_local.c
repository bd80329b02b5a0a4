/* aws_local.c - credentials from the environment and from files. */
#include "collector/net/aws.h"

#include "lib/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 8192, LINES_MAX = 20000 };

void aws_credentials_done(struct aws_credentials *c)
{
    free(c->key_id);
    free(c->secret);
    free(c->token);
    *c = (struct aws_credentials){0};
}

bool aws_credentials_complete(const struct aws_credentials *c) { return c->key_id && c->secret; }

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int copy(char **to, const char *from)
{
    char *text = from ? strdup(from) : NULL;
    free(*to);
    *to = text;
    return from && !text ? -ENOMEM : 0;
}

int aws_from_environment(struct aws_credentials *ret)
{
    const char *key_id = env("AWS_ACCESS_KEY_ID"), *secret = env("AWS_SECRET_ACCESS_KEY");
    if (!key_id || !secret)
        return -ENOENT;
    if (copy(&ret->key_id, key_id) < 0 || copy(&ret->secret, secret) < 0 ||
        copy(&ret->token, env("AWS_SESSION_TOKEN")) < 0)
        return -ENOMEM;
    return 0;
}

/* ---- files ---- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

typedef int value_fn(void *arg, const char *key, const char *value);

/* [name], and in the config file [profile name]. */
static bool is_section(char *line, const char *profile)
{
    char *end = strchr(line, ']');
    if (!end)
        return false;
    *end = '\0';
    char *name = trim(line + 1);
    if (strncmp(name, "profile", 7) == 0 && isspace((unsigned char)name[7]))
        name = trim(name + 7);
    return strcmp(name, profile) == 0;
}

static int read_profile(const char *path, const char *profile, value_fn *take, void *arg)
{
    char line[LINE_MAX_BYTES];
    bool is_ours = false;
    auto_stream in = fopen(path, "re");
    if (!in)
        return -errno;
    for (unsigned n = 0; n < LINES_MAX && fgets(line, sizeof line, in); n++) {
        char *text = trim(line), *equal;
        if (*text == '[')
            is_ours = is_section(text, profile);
        else if (is_ours && *text != '#' && *text != ';' && (equal = strchr(text, '=')) != NULL) {
            *equal = '\0';
            const int r = take(arg, trim(text), trim(equal + 1));
            if (r < 0)
                return r;
        }
    }
    return ferror(in) ? -EIO : 0;
}

static char *file_path(const char *variable, const char *name)
{
    const char *path = env(variable), *home = env("HOME");
    char *ret = NULL;
    if (path)
        return strdup(path);
    return home && asprintf(&ret, "%s/.aws/%s", home, name) >= 0 ? ret : NULL;
}

static const char *profile_name(const char *profile)
{
    const char *from_env = env("AWS_PROFILE");
    return profile && *profile ? profile : from_env ? from_env : "default";
}

static int take_credential(void *arg, const char *key, const char *value)
{
    struct aws_credentials *c = arg;
    if (strcmp(key, "aws_access_key_id") == 0)
        return copy(&c->key_id, value);
    if (strcmp(key, "aws_secret_access_key") == 0)
        return copy(&c->secret, value);
    if (strcmp(key, "aws_session_token") == 0)
        return copy(&c->token, value);
    return 0;
}

int aws_from_files(const char *profile, struct aws_credentials *ret, struct err *e)
{
    static const char *const variables[] = {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"};
    static const char *const names[] = {"credentials", "config"};
    for (unsigned i = 0; i < 2; i++) {
        auto_free char *path = file_path(variables[i], names[i]);
        aws_credentials_done(ret); /* the pieces of one file belong together */
        const int r = path ? read_profile(path, profile_name(profile), take_credential, ret) : -ENOENT;
        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
            return err_sys(e, r, "%s", path);
        if (aws_credentials_complete(ret))
            return 0;
    }
    return -ENOENT;
}

static int take_region(void *arg, const char *key, const char *value)
{
    return strcmp(key, "region") == 0 ? copy(arg, value) : 0;
}

char *aws_region(const char *profile)
{
    const char *region = env("AWS_REGION");
    char *found = NULL;
    region = region ? region : env("AWS_DEFAULT_REGION");
    if (region)
        return strdup(region);
    auto_free char *path = file_path("AWS_CONFIG_FILE", "config");
    if (path)
        (void)read_profile(path, profile_name(profile), take_region, &found);
    return found;
}

/* ---- answers ---- */

static int64_t expiry(const char *text)
{
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    return end ? (int64_t)timegm(&tm) : 0;
}

int aws_from_json(const char *text, size_t len, struct aws_credentials *ret)
{
    json_t *root = json_loadb(text, len, 0, NULL);
    int r = 0;
    if (copy(&ret->key_id, json_string_value(json_object_get(root, "AccessKeyId"))) < 0 ||
        copy(&ret->secret, json_string_value(json_object_get(root, "SecretAccessKey"))) < 0 ||
        copy(&ret->token, json_string_value(json_object_get(root, "Token"))) < 0)
        r = -ENOMEM;
    ret->expires_s = expiry(json_string_value(json_object_get(root, "Expiration")));
    json_decref(root);
    return r < 0 ? r : aws_credentials_complete(ret) ? 0 : -EBADMSG;
}
