/* value_places.c - secrets by where they stand in a text: in front of a URL's host, behind a name. */
#include "collector/stage/redact/values.h"

#include <string.h>

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool ends_authority(char c)
{
    return c == '/' || c == '?' || c == '#' || c == ' ' || c == '"' || c == '\'' || c == '<' || c == '>' ||
           c == '\\' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_in_url(char c)
{
    return c == '/' || c == '?' || c == '#' || !ends_authority(c);
}

/* The first @ in what is left of a URL, or its end. Where an earlier search ended, in *known, saves this one its way:
 * text full of URLs is looked over once. */
static uint32_t sign_further_on(const char *text, uint32_t len, uint32_t at, uint32_t *known)
{
    if (at < *known)
        return *known;
    while (at < len && text[at] != '@' && is_in_url(text[at]))
        at++;
    return *known = at;
}

/* Whatever the scheme is called: //user:password@host loses its user and password. A password that holds a
 * bare /, ? or # ends the authority by the letter of the standard; it is looked past as long as an @ follows before
 * blank space does. */
void value_scan_url(const char *text, uint32_t len, struct spans *s)
{
    uint32_t known = 0;
    for (uint32_t at = 0; at + 3 < len;) {
        const char *const p = memmem(text + at, len - at, "//", 2);
        if (!p)
            return;
        const uint32_t from = (uint32_t)(p - text) + 2;
        const bool is_url = from == 2 || text[from - 3] == ':' || !is_alnum(text[from - 3]);
        uint32_t end = from, sign = 0;
        at = from;
        if (!is_url)
            continue;
        while (end < len && !ends_authority(text[end])) {
            if (text[end] == '@')
                sign = end;
            end++;
        }
        if (!sign && end < len && is_in_url(text[end])) {
            const char *const colon = memchr(text + from, ':', end - from);
            const uint32_t slow = colon ? sign_further_on(text, len, end, &known) : len;
            const char after = colon && colon + 1 < text + len ? colon[1] : '0';
            if (slow < len && text[slow] == '@' && !(after >= '0' && after <= '9'))
                sign = slow;
        }
        if (sign)
            spans_add(s, from, sign + 1, true);
        at = end;
    }
}

static bool is_name(char c)
{
    return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool ends_value(char c)
{
    return c == ' ' || c == ',' || c == ';' || c == '&' || c == '|' || c == ')' || c == ']' || c == '}' || c == '<' ||
           c == '>' || c == '"' || c == '\'' || c == '\n' || c == '\r' || c == '\t';
}

/* The name that ends in front of `at`, quotes and blanks between. */
static bool name_before(const char *text, uint32_t at, uint32_t *ret_from, uint32_t *ret_to)
{
    enum { NAME_MAX_ = 100 };
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '"' || text[at - 1] == '\'' || text[at - 1] == '\\'))
        at--;
    *ret_to = at;
    while (at > 0 && is_name(text[at - 1]) && *ret_to - at < NAME_MAX_)
        at--;
    *ret_from = at;
    return at < *ret_to;
}

static bool is_scheme(const char *text, uint32_t len)
{
    static const char *const schemes[] = {"bearer", "basic", "digest", "negotiate", "token", "apikey"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t k = 0;
        while (k < len && schemes[i][k] && (text[k] | 0x20) == schemes[i][k])
            k++;
        if (k == len && !schemes[i][k])
            return true;
    }
    return false;
}

/* From behind = or : on: [from, to) is the value. */
static void take_value(const char *text, uint32_t len, uint32_t at, uint32_t *ret_from, uint32_t *ret_to)
{
    while (at < len && (text[at] == ' ' || text[at] == '\\' || text[at] == '>')) /* => too */
        at++;
    if (at < len && (text[at] == '"' || text[at] == '\'')) {
        const char quote = text[at++];
        uint32_t end = at;
        while (end < len && text[end] != quote)
            end += text[end] == '\\' && end + 1 < len && text[end + 1] != quote ? 2 : 1;
        *ret_from = at;
        *ret_to = end < len ? end : len;
        return;
    }
    uint32_t end = at;
    while (end < len && !ends_value(text[end]))
        end++;
    if (end < len && text[end] == ' ' && is_scheme(text + at, end - at)) { /* Authorization: Bearer abc */
        at = ++end;
        while (end < len && !ends_value(text[end]))
            end++;
    }
    *ret_from = at;
    *ret_to = end;
}

void value_scan_assignment(struct names *names, const char *text, uint32_t len, struct spans *s)
{
    unsigned looked_at = 0;
    for (uint32_t at = 0; at < len; at++) {
        uint32_t name, name_end, from, to;
        if (text[at] != '=' && text[at] != ':')
            continue;
        if (at + 2 < len && text[at] == ':' && text[at + 1] == '/' && text[at + 2] == '/')
            continue; /* a URL's scheme */
        if (!name_before(text, at, &name, &name_end))
            continue;
        if (++looked_at > VALUE_ASSIGNMENTS_MAX) {
            spans_add(s, at, len, false);
            return;
        }
        if (names_decide_word(names, text + name, name_end - name) == NAME_PASS)
            continue;
        take_value(text, len, at + 1, &from, &to);
        spans_add(s, from, to, false);
        at = to > at ? to - 1 : at;
    }
}
