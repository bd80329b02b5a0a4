/* json_mask.h - masks inside JSON text: members by their name, strings and numbers by their looks. What
 * stays, stays as it was written. The text is copied before it is looked at, and is not trusted to be JSON. */
#ifndef COLLECTOR_STAGE_REDACT_JSON_MASK_H
#define COLLECTOR_STAGE_REDACT_JSON_MASK_H

#include "collector/stage/redact/names.h"
#include "collector/stage/redact/values.h"

struct json_mask_rules {
    struct names *names;       /* NULL: none */
    struct values *values;     /* NULL: none */
    struct fapilog_text mask, block; /* what takes the place of a value; free of what JSON escapes */
    uint32_t max_depth, max_keys;
    uint32_t max_string;       /* characters that a string keeps; UINT32_MAX: all */
};

enum json_mask_result {
    JSON_MASK_SAME,
    JSON_MASK_CHANGED,
    JSON_MASK_BAD,       /* no JSON */
    JSON_MASK_TOO_DEEP,  /* or too many keys, or a value that could not be judged: a guardrail */
    JSON_MASK_NO_MEMORY,
};

struct json_mask_memory {
    void *(*alloc)(void *arg, size_t bytes);
    void *arg;
};

/* `p` is the path of the field that holds the text; it is used and left as it was. With `cut` set, what lies
 * beyond a guardrail is masked and the result is JSON_MASK_CHANGED; without, it is left and the result is
 * JSON_MASK_TOO_DEEP, with the rest masked in `ret`. */
enum json_mask_result json_mask(const struct json_mask_rules *rules, struct name_path *p, struct fapilog_text text,
                                bool cut, const struct json_mask_memory *memory, struct fapilog_text *ret);

#endif
