/* aws_profile.h - one profile of AWS's shared files. Private to collector/net. */
#ifndef COLLECTOR_NET_AWS_PROFILE_H
#define COLLECTOR_NET_AWS_PROFILE_H

#include "lib/base/err.h"

#include <stdbool.h>

/* NULL: the profile does not say. */
struct aws_profile {
    bool is_there;
    char *key_id, *secret, *token; /* all of one file */
    char *region, *process;
    char *role_arn, *source_profile, *credential_source, *external_id, *session_name, *duration, *mfa_serial;
    char *token_file;  /* of a web identity */
    char *sso_session, *sso_start_url;
};

/* What AWS tools would take where none is named: AWS_PROFILE, else "default". */
const char *aws_profile_name(const char *profile);
/* From the credentials file, and where that does not say from the config file. 0 also where there is no such profile
 * or no file; -errno of a file that cannot be read, -ENOMEM. */
int aws_profile_read(const char *name, struct aws_profile *ret, struct err *e);
void aws_profile_done(struct aws_profile *p);

#endif
