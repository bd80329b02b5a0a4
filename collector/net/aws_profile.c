#include "collector/net/aws_profile.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 8192, LINES_MAX = 20000, FILES = 2 };

struct row {
    const char *key;
    size_t offset;
};

/* The first three are the keys. */
enum { KEYS = 3 };
static const struct row rows[] = {
    {"aws_access_key_id", offsetof(struct aws_profile, key_id)},
    {"aws_secret_access_key", offsetof(struct aws_profile, secret)},
    {"aws_session_token", offsetof(struct aws_profile, token)},
    {"region", offsetof(struct aws_profile, region)},
    {"credential_process", offsetof(struct aws_profile, process)},
    {"role_arn", offsetof(struct aws_profile, role_arn)},
    {"source_profile", offsetof(struct aws_profile, source_profile)},
    {"credential_source", offsetof(struct aws_profile, credential_source)},
    {"external_id", offsetof(struct aws_profile, external_id)},
    {"role_session_name", offsetof(struct aws_profile, session_name)},
    {"duration_seconds", offsetof(struct aws_profile, duration)},
    {"mfa_serial", offsetof(struct aws_profile, mfa_serial)},
    {"web_identity_token_file", offsetof(struct aws_profile, token_file)},
    {"sso_session", offsetof(struct aws_profile, sso_session)},
    {"sso_start_url", offsetof(struct aws_profile, sso_start_url)},
};

static char **member(struct aws_profile *p, const struct row *row)
{
    return (char **)(void *)((char *)p + row->offset);
}

void aws_profile_done(struct aws_profile *p)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        free(*member(p, &rows[i]));
    *p = (struct aws_profile){0};
}

const char *aws_profile_name(const char *profile)
{
    const char *from_env = env_text("AWS_PROFILE");
    return profile && *profile ? profile : from_env ? from_env : "default";
}

/* ---- one file ---- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

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

static int take(struct aws_profile *p, const char *key, const char *value)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char **at = member(p, &rows[i]);
        if (strcmp(rows[i].key, key) != 0)
            continue;
        free(*at);
        *at = *value ? strdup(value) : NULL;
        return *value && !*at ? -ENOMEM : 0;
    }
    return 0;
}

static int read_file(const char *path, const char *profile, struct aws_profile *ret)
{
    char line[LINE_MAX_BYTES];
    bool is_ours = false;
    auto_stream in = fopen(path, "re");
    if (!in)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    for (unsigned n = 0; n < LINES_MAX && fgets(line, sizeof line, in); n++) {
        char *text = trim(line), *equal;
        if (*text == '[') {
            is_ours = is_section(text, profile);
            ret->is_there = ret->is_there || is_ours;
        } else if (is_ours && *text != '#' && *text != ';' && (equal = strchr(text, '=')) != NULL) {
            *equal = '\0';
            const int r = take(ret, trim(text), trim(equal + 1));
            if (r < 0)
                return r;
        }
    }
    return ferror(in) ? -EIO : 0;
}

/* ---- both ---- */

static char *file_path(unsigned i)
{
    static const char *const variables[FILES] = {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"};
    static const char *const names[FILES] = {"credentials", "config"};
    const char *path = env_text(variables[i]), *home = env_text("HOME");
    char *ret = NULL;
    if (path)
        return strdup(path);
    return home && asprintf(&ret, "%s/.aws/%s", home, names[i]) >= 0 ? ret : NULL;
}

/* Fills in what `to` lacks. The keys of one file belong together. */
static void merge(struct aws_profile *to, struct aws_profile *from)
{
    const bool has_keys = to->key_id && to->secret;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char **at = member(to, &rows[i]), **other = member(from, &rows[i]);
        if (i < KEYS ? has_keys : *at != NULL)
            continue;
        free(*at);
        *at = take_ptr(*other);
    }
    to->is_there = to->is_there || from->is_there;
}

int aws_profile_read(const char *name, struct aws_profile *ret, struct err *e)
{
    *ret = (struct aws_profile){0};
    for (unsigned i = 0; i < FILES; i++) {
        struct aws_profile one = {0};
        auto_free char *path = file_path(i);
        const int r = path ? read_file(path, name, &one) : 0;
        if (r == 0)
            merge(ret, &one);
        aws_profile_done(&one);
        if (r < 0) {
            aws_profile_done(ret);
            return err_sys(e, r, "%s", path);
        }
    }
    return 0;
}
