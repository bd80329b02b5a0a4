#include "collector/stage/redact/regex.h"

#include "collector/stage/redact/regex_screen.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct regex {
    pcre2_code *code;
    pcre2_code *counted; /* the same, with a callout in each attempt; NULL: none */
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

/* A JIT that was refused memory leaves a size of 0 behind: PCRE2 then interprets by itself. */
static bool compile_jit(pcre2_code *code)
{
    size_t jit_bytes = 0;
    return pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0 &&
           pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &jit_bytes) == 0 && jit_bytes > 0;
}

static const char *skip_class(const char *p)
{
    p += p[1] == '^' ? 2 : 1;
    p += *p == ']';
    for (; *p && *p != ']'; p++) {
        if (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '='))
            p = strchr(p, ']') ? strchr(p, ']') : p;
        else if (*p == '\\' && p[1])
            p++;
    }
    return *p ? p + 1 : p;
}

/* Where the pattern's first item ends, with what repeats it; its begin where that is nothing simple. */
static const char *behind_first(const char *pattern)
{
    const char *p = pattern;
    while (*p == '^' || (*p == '\\' && (p[1] == 'b' || p[1] == 'B')))
        p += *p == '^' ? 1 : 2;
    if (*p == '[')
        p = skip_class(p);
    else if (*p == '\\' && strchr("dDsSwW", p[1]) && p[1])
        p += 2;
    else if (*p == '.' || (*p && !strchr("\\()[]{}^$|*+?#", *p)))
        p++;
    else
        return pattern;
    if (*p == '{' && strchr(p, '}'))
        p = strchr(p, '}') + 1;
    else if (*p == '+' || *p == '*' || *p == '?')
        p++;
    return p + (*p == '+' || *p == '?');
}

/* The callout stands behind the first item: PCRE2 looks for that in ways of its own, as if no attempt had failed yet.
 * One that cannot be taken apart, such as a comment to the end of the line, goes without; so does one for which there
 * is no memory. */
static void compile_counted(struct regex *re, const char *pattern, uint32_t options)
{
    int code;
    PCRE2_SIZE at;
    char *text;
    const char *const rest = strchr(pattern, '|') ? pattern : behind_first(pattern);
    if (asprintf(&text, "%.*s(?C1)(?:%s)", (int)(rest - pattern), pattern, rest) < 0)
        return;
    re->counted = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    free(text);
    if (re->counted && re->has_jit)
        (void)compile_jit(re->counted);
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
    re->has_jit = !(flags & REGEX_NO_JIT) && compile_jit(re->code);
    if (flags & REGEX_BUDGETED)
        compile_counted(re, pattern, options);
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
    pcre2_code_free(re->counted);
    free(re);
}

bool regex_has_jit(const struct regex *re)
{
    return re->has_jit;
}

/* ---- what a record may cost ---- */

enum { LOOK_BYTES = 256 << 10 };

static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The clock of the processor's time is a system call: it is asked only once so much time has gone by. */
static void look_at_clock(struct regex_budget *b)
{
    const uint64_t wall_ns = clock_mono_ns(), budget_ns = REGEX_BUDGET_MS * NS_PER_MS;
    b->look_at = b->read_bytes + LOOK_BYTES;
    if (!b->wall_ns) {
        b->wall_ns = wall_ns;
        b->cpu_ns = cpu_ns();
    } else if (wall_ns - b->wall_ns > budget_ns) {
        const uint64_t used_ns = cpu_ns() - b->cpu_ns;
        b->is_over = used_ns > budget_ns;
        b->wall_ns = wall_ns - used_ns; /* others have had the processor for the rest */
    }
}

/* PCRE2's, when it tries to match from a place: it may read all of the text from there. */
static int on_attempt(pcre2_callout_block *at, void *arg)
{
    struct regex_budget *const b = arg;
    b->read_bytes += at->subject_length - at->current_position;
    if (b->read_bytes >= b->look_at)
        look_at_clock(b);
    return b->is_over ? PCRE2_ERROR_CALLOUT : 0;
}

static void set_limits(struct regex *re, size_t len, struct regex_budget *budget)
{
    const size_t steps = len > REGEX_LONG ? (size_t)REGEX_MATCH_LIMIT * REGEX_LONG / len : REGEX_MATCH_LIMIT;
    (void)pcre2_set_match_limit(re->limits, (uint32_t)steps);
    (void)pcre2_set_callout(re->limits, budget ? on_attempt : NULL, budget);
}

int regex_find(struct regex *re, const char *text, size_t len, size_t from, struct regex_budget *budget,
               size_t *ret_start, size_t *ret_end)
{
    const bool is_counted = budget && re->counted && len > REGEX_SHORT;
    if (is_counted && budget->is_over)
        return -ELOOP;
    set_limits(re, len, is_counted ? budget : NULL);
    const int r = pcre2_match(is_counted ? re->counted : re->code, (PCRE2_SPTR)(text ? text : ""), len, from, 0,
                              re->match, re->limits);
    if (r == PCRE2_ERROR_NOMATCH)
        return 0;
    if (r < 0)
        return r == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -ELOOP;
    const PCRE2_SIZE *const v = pcre2_get_ovector_pointer(re->match);
    *ret_start = v[0];
    *ret_end = v[1] < v[0] ? v[0] : v[1];
    return 1;
}
