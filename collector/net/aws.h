/* aws.h - credentials for AWS, from where its tools look for them, in this order:
 *
 *   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (EKS)
 *   the profile in ~/.aws/credentials and ~/.aws/config (AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, AWS_PROFILE):
 *   its keys, its credential_process, its web identity, or the role that it assumes from another profile
 *   the container's (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI)
 *   the instance's (IMDSv2; AWS_EC2_METADATA_DISABLED, AWS_EC2_METADATA_SERVICE_ENDPOINT)
 *
 * A profile that is named, other than by AWS_PROFILE, comes before all of them and ends the search. What expires is
 * fetched again five minutes before; while that fails, the old ones are used until they expire. */
#ifndef COLLECTOR_NET_AWS_H
#define COLLECTOR_NET_AWS_H

#include "collector/net/http.h"

struct aws_credentials {
    char *key_id, *secret, *token; /* token: NULL where there is none */
    int64_t expires_s;             /* seconds since 1970; 0: never */
};

void aws_credentials_done(struct aws_credentials *c);
bool aws_credentials_complete(const struct aws_credentials *c);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's. On the heap; NULL: none of them says. */
char *aws_region(const char *profile);
/* 0, -ENOENT: it has none, -ENOMEM. */
int aws_from_environment(struct aws_credentials *ret);
/* What container, instance and credential_process answer. 0, -EBADMSG, -ENOMEM. */
int aws_from_json(const char *text, size_t len, struct aws_credentials *ret);

struct aws_chain;
struct aws_wait;

/* c is valid during the call; NULL: there are none, for the reason in `why`. */
typedef void aws_got_fn(struct aws_wait *w, const struct aws_credentials *c, const char *why);

struct aws_wait {
    aws_got_fn *got;
    void *owner;
    struct aws_wait *next;
    bool is_waiting;
};

/* Texts and peer belong to the caller and outlive the chain. */
struct aws_chain_config {
    struct io *io;
    struct http *http;
    const char *profile;          /* NULL or "": AWS_PROFILE, else "default" */
    const char *region;           /* whose security token service is asked */
    const struct http_peer *peer; /* how that is reached; NULL: all defaults */
};

int aws_chain_new(const struct aws_chain_config *config, struct aws_chain **ret, struct err *e);
void aws_chain_free(struct aws_chain *c); /* NULL allowed; nobody waits any more */
/* got() is called once, from in here where they are at hand, else from io_turn(). */
void aws_chain_get(struct aws_chain *c, struct aws_wait *w);
void aws_chain_cancel(struct aws_chain *c, struct aws_wait *w); /* no-op when it does not wait */
/* The service says that they are out of date. */
void aws_chain_forget(struct aws_chain *c);

#endif
