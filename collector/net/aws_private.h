/* aws_private.h - the inside of the chain: a fetch goes from the base of its plan through its roles, with one request
 * or program under way at a time. Private to collector/net. */
#ifndef COLLECTOR_NET_AWS_PRIVATE_H
#define COLLECTOR_NET_AWS_PRIVATE_H

#include "collector/net/aws_plan.h"
#include "collector/net/aws_process.h"
#include "collector/net/aws_sts.h"

enum { AWS_EARLY_S = 300, AWS_PAUSE_S = 60, AWS_HEADERS_MAX = 5 };

enum aws_step {
    AWS_STEP_IDLE, AWS_STEP_PROGRAM, AWS_STEP_AGENT, AWS_STEP_TOKEN, AWS_STEP_ROLE, AWS_STEP_METADATA, AWS_STEP_STS
};

struct aws_chain {
    struct aws_chain_config config;
    struct aws_credentials credentials; /* what is given out */
    uint64_t pause_until_ns;            /* CLOCK_MONOTONIC: after a fetch that failed while they were still good */
    struct aws_wait *waiting;
    /* The fetch under way. */
    enum aws_step step;
    struct aws_plan plan;
    unsigned role;                      /* of the plan: the next to be assumed */
    struct aws_credentials found;       /* so far */
    struct aws_process *process;
    struct http_request q;
    struct buf form, lines;             /* what is posted; headers */
    const char *headers[AWS_HEADERS_MAX];
    char url[1024];
    bool is_closing;
    char why[400];
};

/* Sends c->url with the first `headers_count` of the headers. peer NULL: never through a proxy. */
void aws_chain_ask(struct aws_chain *c, enum aws_step step, const char *method, unsigned headers_count,
                   const struct http_peer *peer, uint64_t timeout_ns);
/* The fetch has failed: all that wait are told why, in two pieces, or get what is still good. */
void aws_chain_fail(struct aws_chain *c, const char *what, const char *why);

/* aws_local.c: a token out of a file that a kubelet writes anew from time to time; without the line end. `what` is for
 * messages. 0 or -errno. */
enum { AWS_TOKEN_FILE_MAX = 20000 };
int aws_read_token(const char *what, const char *path, struct buf *ret, struct err *e);

/* aws_metadata.c: container and instance. */
bool aws_ask_agent(struct aws_chain *c); /* false: there is none */
void aws_ask_instance(struct aws_chain *c);
/* An answer with status 200. true: c->found is there; else another request has been made, or the fetch has failed. */
bool aws_metadata_hear(struct aws_chain *c);

#endif
