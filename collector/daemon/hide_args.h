/* hide_args.h - keeps what is secret on the command line out of the process list. */
#ifndef COLLECTOR_DAEMON_HIDE_ARGS_H
#define COLLECTOR_DAEMON_HIDE_ARGS_H

#include "collector/config/config.h"

/* Copies what --sink and --set have given, and writes '*' over the secret parts of the originals: passwords in URLs,
 * and values of options that are secret or that no sink knows (a plug-in's, or a part of the server's URL). Whoever
 * looks before has seen them. 0 or -ENOMEM. */
int hide_args(struct config_args *a, struct err *e);
/* Frees the copies of one that has succeeded. */
void hide_args_done(struct config_args *a);

#endif
