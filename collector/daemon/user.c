#include "collector/daemon/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The highest number stands for "none" in the kernel's interface. */
static bool parse_id(const char *text, uint32_t *ret)
{
    char *end;
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    *ret = (uint32_t)value;
    return errno == 0 && !*end && value < UINT32_MAX;
}

static int find_group(const char *given, const char *name, gid_t *ret, struct err *e)
{
    uint32_t id;
    errno = 0;
    const struct group *gr = getgrnam(name);
    if (gr)
        *ret = gr->gr_gid;
    else if (parse_id(name, &id))
        *ret = id;
    else if (errno && errno != ENOENT && errno != ESRCH)
        return err_sys(e, -errno, "user: '%s': look up group %s", given, name);
    else
        return err_set(e, -ENOENT, "user: '%s': there is no group '%s'; give one of /etc/group, or a number", given,
                       name);
    return 0;
}

static void take_entry(const struct passwd *pw, struct user *u)
{
    u->is_known = true;
    u->uid = pw->pw_uid;
    u->gid = pw->pw_gid;
    (void)snprintf(u->name, sizeof u->name, "%s", pw->pw_name);
    (void)snprintf(u->home, sizeof u->home, "%s", pw->pw_dir ? pw->pw_dir : "");
}

static int find_name(const char *given, const char *name, struct user *u, struct err *e)
{
    uint32_t id = 0;
    errno = 0;
    const struct passwd *pw = getpwnam(name);
    const int error = errno;
    const bool is_number = !pw && parse_id(name, &id);
    if (is_number)
        pw = getpwuid(id);
    if (pw) {
        take_entry(pw, u);
        return 0;
    }
    if (is_number) {
        u->uid = id;
        (void)snprintf(u->name, sizeof u->name, "%u", id);
        return 0;
    }
    if (error && error != ENOENT && error != ESRCH)
        return err_sys(e, -error, "user: '%s': look up user %s", given, name);
    return err_set(e, -ENOENT, "user: '%s': there is no user '%s'; give one of /etc/passwd, or a number", given, name);
}

int user_find(const char *text, struct user *ret, struct err *e)
{
    char name[sizeof ret->name];
    const char *colon = strchr(text, ':');
    const size_t len = colon ? (size_t)(colon - text) : strlen(text);
    *ret = (struct user){0};
    if (!len || (colon && !colon[1]) || (colon && strchr(colon + 1, ':')))
        return err_set(e, -EINVAL, "user: '%s' is not NAME, NAME:GROUP, UID or UID:GID", text);
    if (len >= sizeof name)
        return err_set(e, -EINVAL, "user: '%.20s...': the name has over %zu bytes", text, sizeof name - 1);
    (void)snprintf(name, sizeof name, "%.*s", (int)len, text);
    const int r = find_name(text, name, ret, e);
    if (r < 0)
        return r;
    if (colon)
        return find_group(text, colon + 1, &ret->gid, e);
    if (!ret->is_known)
        return err_set(e, -EINVAL, "user: '%s' has no entry in /etc/passwd that would tell its group: give %s:GROUP",
                       text, text);
    return 0;
}
