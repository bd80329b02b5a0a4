/* value_tokens.c - secrets that say what they are: tokens with a prefix, JSON web tokens, Authorization
 * headers, private keys, mail addresses. */
#include "collector/stage/redact/values.h"

#include <string.h>

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_token(char c) /* base64url, and what tokens are divided by */
{
    return is_alnum(c) || c == '-' || c == '_';
}

static uint32_t token_end(const char *text, uint32_t len, uint32_t at)
{
    while (at < len && is_token(text[at]))
        at++;
    return at;
}

static bool begins_word(const char *text, uint32_t at)
{
    return at == 0 || !is_alnum(text[at - 1]);
}

static bool has_at(const char *text, uint32_t len, uint32_t at, const char *word, size_t n)
{
    return len - at >= n && memcmp(text + at, word, n) == 0;
}

/* Their prefixes have a divider, by which they are found: it is rarer than any letter. */
static const struct token_kind {
    const char *prefix;
    uint8_t len, divider; /* of the prefix, and up to its first divider with it */
    uint8_t rest;         /* least bytes behind the prefix */
} token_kinds[] = {
#define TOKEN(head, tail, rest) {head tail, sizeof(head tail) - 1, sizeof(head) - 1, rest}
    TOKEN("ghp_", "", 20), TOKEN("gho_", "", 20), TOKEN("ghu_", "", 20), TOKEN("ghs_", "", 20), TOKEN("ghr_", "", 20),
    TOKEN("github_", "pat_", 20), TOKEN("glpat-", "", 16), TOKEN("xoxb-", "", 13), TOKEN("xoxp-", "", 13),
    TOKEN("xoxa-", "", 13), TOKEN("xoxs-", "", 13), TOKEN("xapp-", "", 13), TOKEN("sk_", "live_", 10),
    TOKEN("sk_", "test_", 10), TOKEN("rk_", "live_", 10), TOKEN("sk-", "", 20), TOKEN("npm_", "", 20),
    TOKEN("pypi-", "", 20), TOKEN("dop_", "v1_", 20), TOKEN("hvs.", "", 20), TOKEN("SG.", "", 20)};

/* Where the token whose first divider is at `at` ends; 0: it is none. */
static uint32_t match_token(const char *text, uint32_t len, uint32_t at, uint32_t *ret_from)
{
    for (size_t i = 0; i < sizeof token_kinds / sizeof *token_kinds; i++) {
        const struct token_kind *const k = &token_kinds[i];
        if (at + 1 < k->divider || text[at - 1] != k->prefix[k->divider - 2])
            continue;
        const uint32_t from = at + 1 - k->divider;
        if (!begins_word(text, from) || !has_at(text, len, from, k->prefix, k->len))
            continue;
        uint32_t end = token_end(text, len, from + k->len);
        if (end < len && text[end] == '.' && text[at] == '.') /* SG.xxx.yyy */
            end = token_end(text, len, end + 1);
        *ret_from = from;
        if (end - from >= (uint32_t)k->len + k->rest)
            return end;
    }
    return 0;
}

void value_scan_api_token(const char *text, uint32_t len, struct spans *s)
{
    static const uint8_t before[256] = { /* letters in front of the dividers */
        ['p'] = 1, ['o'] = 1, ['u'] = 1, ['s'] = 1, ['r'] = 1, ['b'] = 1, ['t'] = 1, ['a'] = 1, ['k'] = 1, ['m'] = 1,
        ['i'] = 1, ['G'] = 1};
    for (uint32_t at = 1; at < len; at++) {
        uint32_t from;
        if (!(value_triggers[(uint8_t)text[at]] & (HAS_DASH | HAS_DOT)) || !before[(uint8_t)text[at - 1]])
            continue;
        const uint32_t end = match_token(text, len, at, &from);
        if (end) {
            spans_add(s, from, end, false);
            at = end - 1;
        }
    }
}

/* Prefix and least length of the whole; both begin with A, which is rare enough to look for. */
static void scan_prefix(const char *text, uint32_t len, const char *prefix, uint32_t least, struct spans *s)
{
    for (uint32_t at = 0; at + least <= len; at++) {
        const char *const p = memmem(text + at, len - at, prefix, strlen(prefix));
        if (!p)
            return;
        at = (uint32_t)(p - text);
        const uint32_t end = token_end(text, len, at);
        if (begins_word(text, at) && end - at >= least)
            spans_add(s, at, end, false);
        at = end; /* never the same bytes twice */
    }
}

void value_scan_aws_key(const char *text, uint32_t len, struct spans *s)
{
    if (!memchr(text, 'A', len))
        return;
    scan_prefix(text, len, "AKIA", 20, s);
    scan_prefix(text, len, "ASIA", 20, s);
}

void value_scan_google_key(const char *text, uint32_t len, struct spans *s)
{
    scan_prefix(text, len, "AIza", 34, s);
}

/* Header, payload and signature in base64url; {" is eyJ there. */
void value_scan_jwt(const char *text, uint32_t len, struct spans *s)
{
    enum { PART_MIN = 8 };
    for (uint32_t at = 0; at + 2 * PART_MIN < len; at++) {
        const char *const p = memmem(text + at, len - at, "eyJ", 3);
        if (!p)
            return;
        at = (uint32_t)(p - text);
        const uint32_t first = token_end(text, len, at);
        uint32_t end = first;
        if (begins_word(text, at) && first < len && text[first] == '.' && first - at >= PART_MIN)
            end = token_end(text, len, first + 1);
        if (end - first < PART_MIN) {
            at = first; /* never the same bytes twice */
            continue;
        }
        if (end < len && text[end] == '.')
            end = token_end(text, len, end + 1);
        spans_add(s, at, end, false);
        at = end;
    }
}

static bool same_word(const char *text, const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((text[i] | 0x20) != word[i])
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Bearer and Basic are words of English too: what follows has to look like a credential. */
void value_scan_bearer(const char *text, uint32_t len, struct spans *s)
{
    static const char *const schemes[] = {"bearer", "basic", "digest", "negotiate", "apikey"};
    enum { CREDENTIAL_MIN = 8 };
    for (uint32_t at = 0; at < len; at++) {
        const char c = text[at] | 0x20;
        if ((c != 'b' && c != 'd' && c != 'n' && c != 'a') || !begins_word(text, at))
            continue;
        for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
            const uint32_t n = (uint32_t)strlen(schemes[i]);
            if (len - at < n + 1 + CREDENTIAL_MIN || !is_blank(text[at + n]) || !same_word(text + at, schemes[i], n))
                continue;
            uint32_t from = at + n + 1, end;
            bool has_digit = false, has_upper = false;
            while (from < len && is_blank(text[from]))
                from++;
            for (end = from; end < len && (is_token(text[end]) || strchr(".~+/=", text[end])) && text[end]; end++) {
                has_digit |= text[end] >= '0' && text[end] <= '9';
                has_upper |= text[end] >= 'A' && text[end] <= 'Z';
            }
            if (end - from >= CREDENTIAL_MIN && (has_digit || has_upper)) {
                spans_add(s, from, end, false);
                at = end - 1;
                break;
            }
        }
    }
}

void value_scan_private_key(const char *text, uint32_t len, struct spans *s)
{
    static const char begin[] = "-----BEGIN ", key[] = "PRIVATE KEY", end_word[] = "-----END ", dashes[] = "-----";
    for (uint32_t at = 0; at < len;) {
        const char *const p = memmem(text + at, len - at, begin, sizeof begin - 1);
        if (!p)
            return;
        const uint32_t from = (uint32_t)(p - text);
        at = from + (uint32_t)sizeof begin - 1;
        const uint32_t near = len - at < 40 ? len - at : 40;
        if (!memmem(text + at, near, key, sizeof key - 1))
            continue;
        const char *const last = memmem(text + at, len - at, end_word, sizeof end_word - 1);
        const char *close = NULL;
        if (last)
            close = memmem(last + sizeof end_word - 1, (size_t)(text + len - last) - (sizeof end_word - 1), dashes,
                           sizeof dashes - 1);
        at = close ? (uint32_t)(close - text) + (uint32_t)sizeof dashes - 1 : len; /* cut off: to the end */
        spans_add(s, from, at, false);
    }
}

static bool is_local(char c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' || c == '\'' || (uint8_t)c >= 0x80;
}

void value_scan_email(const char *text, uint32_t len, struct spans *s)
{
    uint32_t behind = 0; /* of the last one */
    for (uint32_t at = 0; at < len;) {
        const char *const p = memchr(text + at, '@', len - at);
        if (!p)
            return;
        const uint32_t sign = (uint32_t)(p - text);
        uint32_t from = sign, to = sign + 1, dots = 0;
        while (from > behind && is_local(text[from - 1]))
            from--;
        for (; to < len && (is_alnum(text[to]) || text[to] == '-' || text[to] == '.' ||
                            (uint8_t)text[to] >= 0x80); to++)
            dots += text[to] == '.' && to > sign + 1 && to + 1 < len && is_alnum(text[to + 1]);
        while (to > sign + 1 && (text[to - 1] == '.' || text[to - 1] == '-'))
            to--;
        at = sign + 1;
        if (from < sign && dots > 0) {
            spans_add(s, from, to, false);
            at = behind = to;
        }
    }
}
