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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Of a bracket at the end of what is in front of `at`, as it stands or as forms write it: [ or %5B, ] or %5D. */
static uint32_t bracket_bytes(const char *text, uint32_t at, char bracket)
{
    const char digit = bracket == '[' ? 'b' : 'd';
    if (at >= 1 && text[at - 1] == bracket)
        return 1;
    return at >= 3 && text[at - 3] == '%' && text[at - 2] == '5' && (text[at - 1] | 0x20) == digit ? 3 : 0;
}

/* Behind a subscript: in front of its name, user[password], or of all of it where it has none, token[], token[0]. */
static uint32_t step_over_bracket(const char *text, uint32_t at)
{
    at -= bracket_bytes(text, at, ']');
    uint32_t index = at;
    while (index > 0 && text[index - 1] >= '0' && text[index - 1] <= '9' && !bracket_bytes(text, index, '['))
        index--;
    const uint32_t bytes = bracket_bytes(text, index, '[');
    return bytes ? index - bytes : at;
}

bool value_name_before(const char *text, uint32_t at, uint32_t *ret_from, uint32_t *ret_to)
{
    enum { NAME_MAX_ = 100 };
    while (at > 0) {
        if (is_blank(text[at - 1]) || text[at - 1] == '"' || text[at - 1] == '\'' || text[at - 1] == '\\')
            at--;
        else if (bracket_bytes(text, at, ']'))
            at = step_over_bracket(text, at);
        else
            break;
    }
    *ret_to = at;
    while (at > 0 && is_name(text[at - 1]) && *ret_to - at < NAME_MAX_)
        at--;
    if (at > 0 && at + 2 < *ret_to && bracket_bytes(text, at + 2, '[') == 3)
        at += 2;
    *ret_from = at;
    return at < *ret_to;
}

bool value_is_scheme(const char *text, uint32_t len)
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

/* The quote that ends what begins with the one at `at`, or the end of the text. Where JSON stands in a string of
 * JSON, both have a backslash in front, and what is quoted in between has more. */
static uint32_t closing_quote(const char *text, uint32_t len, uint32_t at)
{
    const char quote = text[at];
    uint32_t opened = 0, run = 0, end = at + 1;
    while (opened < at && text[at - 1 - opened] == '\\')
        opened++;
    while (end < len && (text[end] != quote || (run > opened && (opened > 0 || run % 2 != 0)))) {
        run = text[end] == '\\' ? run + 1 : 0;
        end++;
    }
    return end;
}

/* Behind the bracket that closes the one at `at`, or the end of the text. */
static uint32_t behind_brackets(const char *text, uint32_t len, uint32_t at)
{
    uint32_t open = 0;
    for (; at < len; at++) {
        const char c = text[at];
        if (c == '"' || c == '\'') {
            at = closing_quote(text, len, at);
        } else if (c == '[' || c == '{') {
            open++;
        } else if ((c == ']' || c == '}') && --open == 0) {
            return at + 1;
        }
    }
    return len;
}

static uint32_t word_end(const char *text, uint32_t len, uint32_t at)
{
    while (at < len && !ends_value(text[at]))
        at++;
    return at;
}

/* Behind "Bearer" in "Bearer abc"; `at` where there is no such word, or nothing behind it. */
static uint32_t step_over_scheme(const char *text, uint32_t len, uint32_t at)
{
    uint32_t end = word_end(text, len, at);
    if (!value_is_scheme(text + at, end - at))
        return at;
    const uint32_t blank = end;
    while (end < len && is_blank(text[end]))
        end++;
    const bool has_value = end < len && (!ends_value(text[end]) || text[end] == '"' || text[end] == '\'');
    return end > blank && has_value ? end : at;
}

static bool is_letter(const char *text, uint32_t len, uint32_t at)
{
    return at < len && (is_alnum(text[at]) || (uint8_t)text[at] >= 0x80);
}

/* As closing_quote(), where the value may hold the quote: doubled, as in 'O''Brien' of SQL and CSV, or by neglect, as
 * in 'O'Brien': a letter follows, which could not stand behind the end. */
static uint32_t last_quote(const char *text, uint32_t len, uint32_t at)
{
    const char quote = text[at];
    uint32_t end = closing_quote(text, len, at);
    if (at > 0 && text[at - 1] == '\\')
        return end;
    for (;;) {
        const bool is_doubled = end + 1 < len && text[end + 1] == quote;
        if (!is_doubled && !(quote == '\'' && is_letter(text, len, end + 1)))
            return end;
        const uint32_t next = closing_quote(text, len, end + is_doubled);
        if (next == len && !is_doubled)
            return word_end(text, len, end + 1);
        end = next;
    }
}

/* From an opening quote on: [from, to) is what is between it and the closing one. Both are two in a text that was
 * quoted once more by doubling, ""hunter2"", and three as Python has them. */
static void take_quoted(const char *text, uint32_t len, uint32_t at, uint32_t *ret_from, uint32_t *ret_to)
{
    uint32_t count = 1;
    while (count < 3 && at + count < len && text[at + count] == text[at])
        count++;
    const bool is_empty = count == 2 && (at + 2 == len || ends_value(text[at + 2]));
    if (count > 1 && !is_empty) {
        const char *const end = memmem(text + at + count, len - at - count, text + at, count);
        if (end || count == 2) {
            *ret_from = at + count;
            *ret_to = end ? (uint32_t)(end - text) : len;
            return;
        }
    }
    *ret_from = at + 1;
    *ret_to = is_empty ? at + 1 : last_quote(text, len, at);
}

/* Behind the letters in front of a quote that say what kind of text it is: b'...' and rb"..." of Python, N'...' and
 * E'...' of SQL, u8"..." of C, @"...", $'...'; `at` where there are none. */
static uint32_t step_over_prefix(const char *text, uint32_t len, uint32_t at)
{
    enum { PREFIX_MAX = 2 };
    uint32_t end = at;
    while (end < len && end - at < PREFIX_MAX && text[end] && strchr("bBrRuUfFNELx8@$", text[end]))
        end++;
    return end < len && end > at && (text[end] == '"' || text[end] == '\'') ? end : at;
}

/* From behind = or : on: [from, to) is the value. */
static void take_value(const char *text, uint32_t len, uint32_t at, uint32_t *ret_from, uint32_t *ret_to)
{
    while (at < len && (is_blank(text[at]) || text[at] == '\\' || text[at] == '>')) /* => too */
        at++;
    at = step_over_prefix(text, len, step_over_scheme(text, len, at));
    *ret_from = at;
    if (at < len && (text[at] == '"' || text[at] == '\'')) {
        take_quoted(text, len, at, ret_from, ret_to);
    } else if (at < len && (text[at] == '[' || text[at] == '{')) {
        *ret_to = word_end(text, len, behind_brackets(text, len, at));
    } else {
        *ret_to = word_end(text, len, at);
    }
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
        if (!value_name_before(text, at, &name, &name_end))
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
