/* user.h - the user that a collector becomes which was started as root. */
#ifndef COLLECTOR_DAEMON_USER_H
#define COLLECTOR_DAEMON_USER_H

#include "lib/base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct user {
    uid_t uid;
    gid_t gid;
    bool is_known;       /* has an entry in the user database, from which the rest comes */
    char name[64];       /* a number as text when it is not known */
    char home[PATH_MAX]; /* "": not known */
};

/* NAME, NAME:GROUP; numbers where no such name is there. -EINVAL, -ENOENT, or what the databases report. */
int user_find(const char *text, struct user *ret, struct err *e);

#endif
