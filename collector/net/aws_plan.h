/* aws_plan.h - where credentials come from: what there is to begin with, and the roles that are assumed with it, one
 * after the other. Private to collector/net. */
#ifndef COLLECTOR_NET_AWS_PLAN_H
#define COLLECTOR_NET_AWS_PLAN_H

#include "collector/net/aws.h"

enum { AWS_ROLES_MAX = 5 };

enum aws_base {
    AWS_KEYS,         /* they stand in a file or the environment */
    AWS_PROCESS,      /* a program prints them */
    AWS_WEB_IDENTITY, /* a token in a file is changed for the first role */
    AWS_CONTAINER,    /* the container's agent is asked */
    AWS_INSTANCE,     /* the instance metadata service is */
    AWS_ANY,          /* the container's agent where there is one, else the instance's */
};

struct aws_role {
    char *arn, *session_name, *external_id, *duration; /* all but the first: NULL where not given */
};

struct aws_plan {
    enum aws_base base;
    struct aws_credentials keys;
    char *process, *token_file;
    struct aws_role role[AWS_ROLES_MAX]; /* the first is assumed first */
    unsigned roles_count;
};

/* Reads environment and files. 0; else the message says what is wrong and what to do, without any secret. */
int aws_plan_make(const char *profile, struct aws_plan *ret, struct err *e);
void aws_plan_done(struct aws_plan *p);

#endif
