#include "collector/daemon/privileges.h"

#include "collector/daemon/private_dirs.h"
#include "lib/base/keep.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_LIMIT 524288          /* one descriptor for each ring, as in the systemd unit */
#define MEMLOCK_LIMIT (64u << 20)   /* registered buffers of io_uring, where the kernel counts them */
enum { CAP_SETS = 2 };              /* 32 capabilities each */

static int refuse(const struct user *u, struct err *e)
{
    return err_set(e, -EPERM, "user: only root can become %s (uid %u), and this is uid %u; start the collector as that "
                   "user (systemd's User=, setpriv --reuid, runuser) and leave `user` out, or start it as root",
                   u->name, (unsigned)u->uid, (unsigned)geteuid());
}

/* Capabilities and no_new_privs are a thread's; another thread would keep its own. */
static int check_threads(struct err *e)
{
    struct stat st;
    if (stat("/proc/self/task", &st) < 0)
        return err_sys(e, -errno, "user: count threads in /proc/self/task");
    if (st.st_nlink != 3)
        return err_set(e, -EBUSY, "user: there are %u threads already, which could keep privileges",
                       (unsigned)st.st_nlink - 2);
    return 0;
}

/* What only opening reads: certificates and keys. */
static int keep_files(const struct config *c, struct err *e)
{
    const struct opt *row;
    void *cfg;
    int r = 0;
    for (uint32_t i = 0; i < c->sinks_count; i++)
        for (unsigned k = 0; (row = sink_table(c->sink[i], k, &cfg)); k++)
            for (; row->type != OPT_END_ROW && r == 0; row++)
                if (row->flags & OPT_FILE)
                    r = keep_file(*(const char *const *)(const void *)((const char *)cfg + row->offset), e);
    return r;
}

/* Without CAP_SYS_RESOURCE the limits stay as they are, which only many rings would notice. */
static void raise_limit(__rlimit_resource_t which, rlim_t least)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) < 0 || (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur >= least) ||
        limit.rlim_cur == RLIM_INFINITY)
        return;
    limit.rlim_cur = least;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < least)
        limit.rlim_max = least;
    (void)setrlimit(which, &limit);
}

static int clear_bounding_set(struct err *e)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return err_sys(e, -errno, "user: drop capability %lu, which needs CAP_SETPCAP", cap);
    return 0;
}

static int capabilities(long call, struct __user_cap_data_struct data[CAP_SETS], struct err *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(call, &head, data) < 0 ? err_sys(e, -errno, "user: capabilities (capget, capset)") : 0;
}

static int change(const struct user *u, struct err *e)
{
    struct __user_cap_data_struct none[CAP_SETS] = {{0}};
    const int r = clear_bounding_set(e);
    if (r < 0)
        return r;
    if ((u->is_known ? initgroups(u->name, u->gid) : setgroups(1, &u->gid)) < 0)
        return err_sys(e, -errno, "user: groups of %s, which need CAP_SETGID", u->name);
    if (setresgid(u->gid, u->gid, u->gid) < 0)
        return err_sys(e, -errno, "user: become group %u, which needs CAP_SETGID", (unsigned)u->gid);
    if (setresuid(u->uid, u->uid, u->uid) < 0)
        return err_sys(e, -errno, "user: become %s (uid %u), which needs CAP_SETUID", u->name, (unsigned)u->uid);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_sys(e, -errno, "user: ambient capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(e, -errno, "user: no_new_privs");
    /* What was read as root is in memory: no core dumps, and no debugger of that user. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_sys(e, -errno, "user: not to be dumped");
    return capabilities(SYS_capset, none, e);
}

static bool is_all(const struct user *u)
{
    uid_t uid[3];
    gid_t gid[3];
    bool is = getresuid(&uid[0], &uid[1], &uid[2]) == 0 && getresgid(&gid[0], &gid[1], &gid[2]) == 0;
    for (unsigned i = 0; i < 3; i++)
        is = is && uid[i] == u->uid && gid[i] == u->gid;
    return is;
}

/* Asks the kernel, and tries. */
static int verify(const struct user *u, struct err *e)
{
    struct __user_cap_data_struct now[CAP_SETS];
    const int r = capabilities(SYS_capget, now, e);
    if (r < 0)
        return r;
    bool is_safe = is_all(u) && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    for (unsigned i = 0; i < CAP_SETS; i++)
        is_safe = is_safe && !now[i].permitted && !now[i].effective && !now[i].inheritable;
    for (unsigned long cap = 0; is_safe && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        is_safe = prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0;
    const bool came_back = setuid(0) == 0 || seteuid(0) == 0 || setresuid(0, 0, 0) == 0 ||
                           (u->gid != 0 && (setgid(0) == 0 || setegid(0) == 0));
    if (!is_safe || came_back || !is_all(u))
        return err_set(e, -ENOTRECOVERABLE, "user: privileges were not dropped for good (user %s): not going on",
                       u->name);
    return 0;
}

/* Defaults come from these; root's own directories are none of the user's business. */
static int set_environment(const struct user *u, struct err *e)
{
    int r = unsetenv("XDG_RUNTIME_DIR") | unsetenv("XDG_STATE_HOME") | unsetenv("XDG_CONFIG_HOME");
    r |= *u->home ? setenv("HOME", u->home, 1) : unsetenv("HOME");
    if (u->is_known)
        r |= setenv("USER", u->name, 1) | setenv("LOGNAME", u->name, 1);
    return r < 0 ? err_sys(e, -errno, "user: environment of %s", u->name) : 0;
}

static int drop(const struct privileges *p, const struct config *look, struct err *e)
{
    const struct user *u = &p->user;
    int r = check_threads(e);
    if (r == 0)
        r = keep_files(look, e);
    if (r == 0)
        r = keep_give(u->uid, u->gid, e);
    if (r == 0 && p->makes_dirs)
        r = private_dirs_make(look, u, e);
    if (r == 0)
        r = set_environment(u, e);
    if (r < 0)
        return r;
    raise_limit(RLIMIT_NOFILE, FILES_LIMIT);
    raise_limit(RLIMIT_MEMLOCK, MEMLOCK_LIMIT);
    r = change(u, e);
    return r < 0 ? r : verify(u, e);
}

int privileges_enter(void *arg, const struct config *look, struct err *e)
{
    struct privileges *p = arg;
    struct err why = { 0 };
    const char *const source = config_source(look, "user");
    int r = user_find(look->settings.user, &p->user, &why);
    if (r < 0)
        return err_set(e, r, "%s: %s", source, config_behind_source(source, why.text));
    if (geteuid() == p->user.uid && getegid() == p->user.gid)
        return 0;
    if (geteuid() != 0)
        return p->is_trial ? 0 : refuse(&p->user, e);
    if (p->user.uid == 0)
        return err_set(e, -EINVAL, "%s: %s'%s' is root, which has nothing to drop; give the user of the services",
                       source, config_behind_source(source, "user: "), look->settings.user);
    r = drop(p, look, e);
    if (r < 0)
        return r;
    keep_prune();
    p->is_done = true;
    return 0;
}
