/* aws_sts.h - the two calls of AWS's security token service that give out credentials of a role, and its answers.
 * Private to collector/net. */
#ifndef COLLECTOR_NET_AWS_STS_H
#define COLLECTOR_NET_AWS_STS_H

#include "collector/net/aws_plan.h"
#include "lib/base/buf.h"

enum { AWS_STS_ENDPOINT_MAX = 300 };

/* AWS_ENDPOINT_URL_STS, else that of the region, with a path. -EINVAL: the former is none. */
int aws_sts_endpoint(const char *region, char ret[AWS_STS_ENDPOINT_MAX], struct err *e);
/* The form to post. token: of a web identity; NULL: AssumeRole, which is to be signed. 0 or -ENOMEM. */
int aws_sts_form(const struct aws_role *role, const char *token, struct buf *ret);
/* The headers of a signed request, whole lines into `ret`, each with its NUL; how many, or -ENOMEM. */
int aws_sts_sign(const char *endpoint, const char *region, const struct aws_credentials *keys, const struct buf *form,
                 struct buf *ret);
/* 0, -EBADMSG, -ENOMEM. */
int aws_sts_credentials(const char *text, size_t len, struct aws_credentials *ret);
/* What an answer that is no success says: "Code: message", or its status. */
void aws_sts_explain(const struct http_request *q, char *ret, size_t size);

#endif
