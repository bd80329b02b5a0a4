/* aws_local.c - credentials and region where they lie at hand: in the environment, and in the JSON that agents and
 * programs answer. */
#include "collector/net/aws.h"
#include "collector/net/aws_private.h"
#include "collector/net/aws_profile.h"

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void aws_credentials_done(struct aws_credentials *c)
{
    free(c->key_id);
    free(c->secret);
    free(c->token);
    *c = (struct aws_credentials){0};
}

bool aws_credentials_complete(const struct aws_credentials *c) { return c->key_id && c->secret; }

static int copy(char **to, const char *from)
{
    char *text = from ? strdup(from) : NULL;
    free(*to);
    *to = text;
    return from && !text ? -ENOMEM : 0;
}

int aws_from_environment(struct aws_credentials *ret)
{
    const char *key_id = env_text("AWS_ACCESS_KEY_ID"), *secret = env_text("AWS_SECRET_ACCESS_KEY");
    if (!key_id || !secret)
        return -ENOENT;
    if (copy(&ret->key_id, key_id) < 0 || copy(&ret->secret, secret) < 0 ||
        copy(&ret->token, env_text("AWS_SESSION_TOKEN")) < 0)
        return -ENOMEM;
    return 0;
}

char *aws_region(const char *profile)
{
    const char *region = env_text("AWS_REGION");
    struct aws_profile p;
    region = region ? region : env_text("AWS_DEFAULT_REGION");
    if (region)
        return strdup(region);
    if (aws_profile_read(aws_profile_name(profile), &p, NULL) < 0)
        return NULL;
    char *found = take_ptr(p.region);
    aws_profile_done(&p);
    return found;
}

int aws_read_token(const char *what, const char *path, struct buf *ret, struct err *e)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, -errno, "%s: %.150s", what, path);
    if (buf_reserve(ret, AWS_TOKEN_FILE_MAX + 2) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    ssize_t n;
    while ((n = read(fd, ret->data + ret->len, AWS_TOKEN_FILE_MAX + 1 - ret->len)) > 0)
        ret->len += (size_t)n;
    if (n < 0)
        return err_sys(e, -errno, "%s: %.150s", what, path);
    if (ret->len > AWS_TOKEN_FILE_MAX)
        return err_set(e, -E2BIG, "%s: %.150s has more than %d bytes", what, path, AWS_TOKEN_FILE_MAX);
    while (ret->len && isspace((unsigned char)ret->data[ret->len - 1]))
        ret->len--;
    (void)buf_cstr(ret);
    return ret->len ? 0 : err_set(e, -ENODATA, "%s: %.150s is empty", what, path);
}

static int64_t expiry(const char *text)
{
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    return end ? (int64_t)timegm(&tm) : 0;
}

int aws_from_json(const char *text, size_t len, struct aws_credentials *ret)
{
    json_t *root = json_loadb(text, len, 0, NULL);
    const char *token = json_string_value(json_object_get(root, "Token"));
    int r = 0;
    token = token ? token : json_string_value(json_object_get(root, "SessionToken")); /* a credential_process says so */
    if (copy(&ret->key_id, json_string_value(json_object_get(root, "AccessKeyId"))) < 0 ||
        copy(&ret->secret, json_string_value(json_object_get(root, "SecretAccessKey"))) < 0 ||
        copy(&ret->token, token) < 0)
        r = -ENOMEM;
    ret->expires_s = expiry(json_string_value(json_object_get(root, "Expiration")));
    json_decref(root);
    return r < 0 ? r : aws_credentials_complete(ret) ? 0 : -EBADMSG;
}
