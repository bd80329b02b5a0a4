/* privileges.h - a collector that is started as root goes on as another user, for good:
 *
 *   configuration, secrets, certificates are read  ->  missing directories are made, limits raised
 *   ->  groups, group, user, capabilities, no_new_privs  ->  checked that there is no way back
 *   ->  plug-ins, rings, sinks, endpoint: as that user
 *
 * It belongs to the process, which has one thread until then. */
#ifndef COLLECTOR_DAEMON_PRIVILEGES_H
#define COLLECTOR_DAEMON_PRIVILEGES_H

#include "collector/config/config.h"
#include "collector/daemon/user.h"

struct privileges {
    bool is_trial;   /* --check: who is not root only looks the user up */
    bool makes_dirs; /* the run to come has rings and files */
    bool is_done;    /* they were dropped */
    struct user user;
};

/* For config_args.enter; arg: a struct privileges. */
int privileges_enter(void *arg, const struct config *look, struct err *e);

#endif
