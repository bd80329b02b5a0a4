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

struct token_kind {
    const char *prefix;
    uint8_t len, rest; /* least bytes behind the prefix */
    unsigned kind;
};

#define TOKEN(prefix, rest, kind) {prefix, sizeof(prefix) - 1, rest, kind}
static const struct token_kind token_kinds[] = {
    TOKEN("AKIA", 16, VALUE_AWS_KEY), TOKEN("ASIA", 16, VALUE_AWS_KEY),
    TOKEN("AIza", 30, VALUE_API_TOKEN), TOKEN("ghp_", 20, VALUE_API_TOKEN), TOKEN("gho_", 20, VALUE_API_TOKEN),
    TOKEN("ghu_", 20, VALUE_API_TOKEN), TOKEN("ghs_", 20, VALUE_API_TOKEN), TOKEN("ghr_", 20, VALUE_API_TOKEN),
    TOKEN("github_pat_", 20, VALUE_API_TOKEN), TOKEN("glpat-", 16, VALUE_API_TOKEN),
    TOKEN("xoxb-", 10, VALUE_API_TOKEN), TOKEN("xoxp-", 10, VALUE_API_TOKEN), TOKEN("xoxa-", 10, VALUE_API_TOKEN),
    TOKEN("xoxs-", 10, VALUE_API_TOKEN), TOKEN("xapp-", 10, VALUE_API_TOKEN), TOKEN("sk_live_", 10, VALUE_API_TOKEN),
    TOKEN("sk_test_", 10, VALUE_API_TOKEN), TOKEN("rk_live_", 10, VALUE_API_TOKEN), TOKEN("sk-", 20, VALUE_API_TOKEN),
    TOKEN("npm_", 20, VALUE_API_TOKEN), TOKEN("pypi-", 20, VALUE_API_TOKEN), TOKEN("dop_v1_", 20, VALUE_API_TOKEN),
    TOKEN("hvs.", 20, VALUE_API_TOKEN), TOKEN("SG.", 20, VALUE_API_TOKEN)};

static uint32_t match_token(const char *text, uint32_t len, uint32_t at)
{
    for (size_t i = 0; i < sizeof token_kinds / sizeof *token_kinds; i++) {
        const struct token_kind *const k = &token_kinds[i];
        if (text[at] != k->prefix[0] || !has_at(text, len, at, k->prefix, k->len))
            continue;
        uint32_t end = token_end(text, len, at + k->len);
        if (end < len && text[end] == '.' && k->prefix[k->len - 1] == '.') /* SG.xxx.yyy */
            end = token_end(text, len, end + 1);
        if (end - at >= (uint32_t)k->len + k->rest)
            return end;
    }
    return 0;
}

void value_scan_api_token(const char *text, uint32_t len, struct spans *s)
{
    static const uint8_t begins[256] = {['A'] = 1, ['S'] = 1, ['d'] = 1, ['g'] = 1, ['h'] = 1, ['n'] = 1, ['p'] = 1,
                                        ['r'] = 1, ['s'] = 1, ['x'] = 1};
    for (uint32_t at = 0; at < len; at++) {
        if (!begins[(uint8_t)text[at]] || !begins_word(text, at))
            continue;
        const uint32_t end = match_token(text, len, at);
        if (end) {
            spans_add(s, at, end, false);
            at = end - 1;
        }
    }
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
            if (len - at < n + 1 + CREDENTIAL_MIN || text[at + n] != ' ' || !same_word(text + at, schemes[i], n))
                continue;
            uint32_t from = at + n + 1, end;
            bool has_digit = false, has_upper = false;
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
