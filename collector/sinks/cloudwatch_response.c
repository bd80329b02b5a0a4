#include "collector/sinks/cloudwatch.h"

#include "collector/sinks/entry_order.h"
#include "lib/base/check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *type; enum cloudwatch_verdict verdict; } types[] = {
    {"ResourceNotFoundException", CLOUDWATCH_MISSING},
    {"ResourceAlreadyExistsException", CLOUDWATCH_EXISTS},
    {"DataAlreadyAcceptedException", CLOUDWATCH_DONE},
    {"InvalidSequenceTokenException", CLOUDWATCH_TOKEN},
    {"ExpiredTokenException", CLOUDWATCH_EXPIRED},
    {"ExpiredToken", CLOUDWATCH_EXPIRED},
    {"UnrecognizedClientException", CLOUDWATCH_DENIED},
    {"InvalidClientTokenId", CLOUDWATCH_DENIED},
    {"InvalidSignatureException", CLOUDWATCH_DENIED},
    {"SignatureDoesNotMatch", CLOUDWATCH_DENIED},
    {"IncompleteSignature", CLOUDWATCH_DENIED},
    {"IncompleteSignatureException", CLOUDWATCH_DENIED},
    {"MissingAuthenticationToken", CLOUDWATCH_DENIED},
    {"MissingAuthenticationTokenException", CLOUDWATCH_DENIED},
    {"AccessDeniedException", CLOUDWATCH_DENIED},
    {"AccessDenied", CLOUDWATCH_DENIED},
    {"OptInRequired", CLOUDWATCH_DENIED},
    {"RequestExpired", CLOUDWATCH_DENIED}, /* our clock is wrong by more than a quarter of an hour */
    {"ThrottlingException", CLOUDWATCH_LATER},
    {"Throttling", CLOUDWATCH_LATER},
    {"TooManyRequestsException", CLOUDWATCH_LATER},
    {"RequestLimitExceeded", CLOUDWATCH_LATER},
    {"LimitExceededException", CLOUDWATCH_LATER},
    {"OperationAbortedException", CLOUDWATCH_LATER},
    {"RequestAbortedException", CLOUDWATCH_LATER},
    {"ServiceUnavailableException", CLOUDWATCH_LATER},
    {"InternalFailure", CLOUDWATCH_LATER},
};

/* "com.amazonaws.logs#ThrottlingException", with or without what stands before the '#'. */
static const char *error_type(const json_t *root)
{
    const char *type = json_string_value(json_object_get(root, "__type"));
    const char *hash = type ? strrchr(type, '#') : NULL;
    return hash ? hash + 1 : type ? type : "";
}

enum cloudwatch_verdict cloudwatch_judge(const struct http_request *q, char *ret_token)
{
    static const enum cloudwatch_verdict by_class[] = {
        [HTTP_CLASS_OK] = CLOUDWATCH_DONE, [HTTP_CLASS_RETRY] = CLOUDWATCH_LATER,
        [HTTP_CLASS_REFUSED] = CLOUDWATCH_REFUSED, [HTTP_CLASS_BROKEN] = CLOUDWATCH_BROKEN};
    enum cloudwatch_verdict verdict = by_class[http_classify(q)];
    if (q->error || verdict == CLOUDWATCH_DONE)
        return verdict;
    json_t *root = json_loadb(q->response.data ? q->response.data : "", q->response.len, 0, NULL);
    const char *type = error_type(root), *token = json_string_value(json_object_get(root, "expectedSequenceToken"));
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        if (strcmp(types[i].type, type) == 0)
            verdict = types[i].verdict;
    (void)snprintf(ret_token, CLOUDWATCH_TOKEN_MAX, "%s", token && strlen(token) < CLOUDWATCH_TOKEN_MAX ? token : "");
    json_decref(root);
    return verdict;
}

static uint32_t index_of(const json_t *info, const char *key, uint32_t count, uint32_t otherwise)
{
    const json_t *value = json_object_get(info, key);
    if (!json_is_integer(value))
        return otherwise;
    const json_int_t n = json_integer_value(value);
    return n < 0 ? 0 : n > (json_int_t)count ? count : (uint32_t)n;
}

uint32_t cloudwatch_rejected(const struct http_request *q, const uint32_t *order, uint32_t count, uint32_t *rejected)
{
    json_t *root = json_loadb(q->response.data ? q->response.data : "", q->response.len, 0, NULL);
    const json_t *info = json_object_get(root, "rejectedLogEventsInfo");
    /* Both ends are exclusive, the start is inclusive; times ascend. */
    const uint32_t old = index_of(info, "tooOldLogEventEndIndex", count, 0);
    const uint32_t expired = index_of(info, "expiredLogEventEndIndex", count, 0);
    const uint32_t begin = old > expired ? old : expired;
    const uint32_t end = index_of(info, "tooNewLogEventStartIndex", count, count);
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (i < begin || i >= end)
            rejected[n++] = order[i];
    json_decref(root);
    entry_order_ascending(rejected, n);
    return n;
}
