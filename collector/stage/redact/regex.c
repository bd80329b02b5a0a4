#include "collector/stage/redact/regex.h"

#include "collector/stage/redact/regex_screen.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    bool has_jit;
};

#define KEY_BOUNDARY "(?:(?<![A-Za-z0-9])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?![A-Za-z0-9]))"

/* \b outside of classes, in terms of the words of a key. */
static char *spell_boundaries(const char *pattern)
{
    char *const out = malloc(strlen(pattern) * (sizeof KEY_BOUNDARY / 2 + 1) + 1);
    char *to = out;
    bool in_class = false;
    for (const char *p = pattern; out && *p; p++) {
        if (*p == '\\' && p[1] == 'b' && !in_class) {
            memcpy(to, KEY_BOUNDARY, sizeof KEY_BOUNDARY - 1);
            to += sizeof KEY_BOUNDARY - 1;
            p++;
            continue;
        }
        if (*p == '\\' && p[1])
            *to++ = *p++;
        else if (*p == '[')
            in_class = true;
        else if (*p == ']')
            in_class = false;
        *to++ = *p;
    }
    if (out)
        *to = '\0';
    return out;
}

static int compile(struct regex *re, const char *pattern, unsigned flags, struct err *e)
{
    int code;
    PCRE2_SIZE at;
    const uint32_t options = PCRE2_NEVER_BACKSLASH_C | PCRE2_DOTALL | (flags & REGEX_CASELESS ? PCRE2_CASELESS : 0) |
                             (flags & REGEX_WHOLE ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0);
    re->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    if (!re->code) {
        PCRE2_UCHAR why[160];
        (void)pcre2_get_error_message(code, why, sizeof why);
        return err_set(e, -EINVAL, "pattern '%.200s': %s at offset %zu", pattern, (char *)why, (size_t)at);
    }
    re->match = pcre2_match_data_create_from_pattern(re->code, NULL);
    re->limits = pcre2_match_context_create(NULL);
    if (!re->match || !re->limits)
        return err_set(e, -ENOMEM, "pattern '%.200s': out of memory", pattern);
    (void)pcre2_set_match_limit(re->limits, REGEX_MATCH_LIMIT);
    (void)pcre2_set_depth_limit(re->limits, REGEX_DEPTH_LIMIT);
    /* A JIT that was refused memory leaves a size of 0 behind: PCRE2 then interprets by itself. */
    size_t jit_bytes = 0;
    if (!(flags & REGEX_NO_JIT) && pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0 &&
        pcre2_pattern_info(re->code, PCRE2_INFO_JITSIZE, &jit_bytes) == 0)
        re->has_jit = jit_bytes > 0;
    return 0;
}

int regex_new(const char *pattern, unsigned flags, struct regex **ret, struct err *e)
{
    *ret = NULL;
    int r = flags & REGEX_UNSAFE ? 0 : regex_screen(pattern, e);
    if (r < 0)
        return r;
    struct regex *const re = calloc(1, sizeof *re);
    auto_free char *spelled = flags & REGEX_KEYS ? spell_boundaries(pattern) : NULL;
    if (!re || (flags & REGEX_KEYS && !spelled)) {
        free(re);
        return err_set(e, -ENOMEM, "pattern '%.200s': out of memory", pattern);
    }
    r = compile(re, spelled ? spelled : pattern, flags, e);
    if (r < 0) {
        regex_free(re);
        return r;
    }
    *ret = re;
    return 0;
}

void regex_free(struct regex *re)
{
    if (!re)
        return;
    pcre2_match_context_free(re->limits);
    pcre2_match_data_free(re->match);
    pcre2_code_free(re->code);
    free(re);
}

bool regex_has_jit(const struct regex *re)
{
    return re->has_jit;
}

int regex_find(struct regex *re, const char *text, size_t len, size_t from, size_t *ret_start, size_t *ret_end)
{
    const int r = pcre2_match(re->code, (PCRE2_SPTR)(text ? text : ""), len, from, 0, re->match, re->limits);
    if (r == PCRE2_ERROR_NOMATCH)
        return 0;
    if (r < 0)
        return r == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -ELOOP;
    const PCRE2_SIZE *const v = pcre2_get_ovector_pointer(re->match);
    *ret_start = v[0];
    *ret_end = v[1] < v[0] ? v[0] : v[1];
    return 1;
}
