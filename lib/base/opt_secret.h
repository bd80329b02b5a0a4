/* opt_secret.h - values that lie elsewhere, so that a secret need not stand in a configuration file, a URI
 * or a process list: in a variable of the environment or in a file. */
#ifndef FAPILOG_BASE_OPT_SECRET_H
#define FAPILOG_BASE_OPT_SECRET_H

#include "lib/base/err.h"

enum opt_reference { OPT_FROM_ENV, OPT_FROM_FILE };

/* What a variable or file holds; one line end behind it is cut off. The message names the place, never the
 * content. */
int opt_reference(enum opt_reference kind, const char *where, char **ret, struct err *e);
/* The value of an OPT_SECRET row, or of a value of its map: "env:NAME", "file:PATH", or what was given.
 * opt_set() calls it. */
int opt_secret(const char *value, char **ret, struct err *e);

#endif
