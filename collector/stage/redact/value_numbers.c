/* value_numbers.c - numbers that check themselves: cards, IBANs; and social security numbers by their form. */
#include "collector/stage/redact/values.h"

#include <string.h>

enum { CARD_DIGITS_MIN = 13, CARD_DIGITS_MAX = 19, IBAN_MIN = 15, IBAN_MAX = 34 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* First digits that issuers use; without them one in ten long numbers would be a card. */
static bool has_issuer(const uint8_t *d, unsigned n)
{
    const unsigned four = d[0] * 1000u + d[1] * 100u + d[2] * 10u + d[3], two = four / 100;
    if (d[0] == 4)
        return n == 13 || n == 16 || n == 19;           /* Visa */
    if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))
        return n == 16;                                 /* Mastercard */
    if (two == 34 || two == 37)
        return n == 15;                                 /* American Express */
    if (two == 36 || two == 38 || two == 39 || (four >= 3000 && four <= 3059))
        return n >= 14;                                 /* Diners */
    if (four >= 3528 && four <= 3589)
        return n >= 16;                                 /* JCB */
    if (four == 6011 || two == 64 || two == 65 || two == 62 || two == 60)
        return n >= 16;                                 /* Discover, UnionPay, RuPay */
    return (two == 50 || (two >= 56 && two <= 69)) && n >= 13; /* Maestro */
}

bool value_is_card(const uint8_t *digits, unsigned count)
{
    unsigned sum = 0;
    if (count < CARD_DIGITS_MIN || count > CARD_DIGITS_MAX || !has_issuer(digits, count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        const unsigned d = digits[count - 1 - i];
        const unsigned twice = 2 * d;
        sum += i % 2 == 0 ? d : twice > 9 ? twice - 9 : twice;
    }
    return sum % 10 == 0;
}

/* Digits from `at` on, single blanks and dashes between them allowed. Returns where they end. */
static uint32_t take_digits(const char *text, uint32_t len, uint32_t at, uint8_t *digits, uint32_t *ends,
                            unsigned *count)
{
    unsigned n = 0;
    uint32_t end = at;
    while (at < len && n <= CARD_DIGITS_MAX) { /* one more than fits says that there are more */
        const char c = text[at];
        if (is_digit(c)) {
            digits[n] = (uint8_t)(c - '0');
            ends[n++] = at + 1;
            end = ++at;
        } else if ((c == ' ' || c == '-') && at + 1 < len && is_digit(text[at + 1])) {
            at++;
        } else {
            break;
        }
    }
    *count = n;
    return end;
}

/* Where a group of digits follows that is no part of the card, shorter readings are tried. */
void value_scan_card(const char *text, uint32_t len, struct spans *s)
{
    uint8_t digits[CARD_DIGITS_MAX + 1];
    uint32_t ends[CARD_DIGITS_MAX + 1];
    for (uint32_t at = 0; at + CARD_DIGITS_MIN <= len;) {
        unsigned count;
        if (!is_digit(text[at])) {
            at++;
            continue;
        }
        const uint32_t end = take_digits(text, len, at, digits, ends, &count);
        unsigned n = count < CARD_DIGITS_MAX ? count : CARD_DIGITS_MAX;
        for (; n >= CARD_DIGITS_MIN; n--) {
            const bool whole_group = n == count || ends[n - 1] == len || !is_digit(text[ends[n - 1]]);
            if (whole_group && value_is_card(digits, n))
                break;
        }
        if (n >= CARD_DIGITS_MIN) {
            spans_add(s, at, ends[n - 1], false);
            at = ends[n - 1];
            continue;
        }
        /* On to the next group: it may begin one. */
        while (at < len && is_digit(text[at]))
            at++;
        at += at < end;
    }
}

static unsigned modulo_97(const char *iban, unsigned n)
{
    unsigned rest = 0;
    for (unsigned i = 0; i < n; i++) {
        const char c = iban[(i + 4) % n];
        rest = is_digit(c) ? rest * 10 + (unsigned)(c - '0') : rest * 100 + (unsigned)(c - 'A') + 10;
        rest %= 97;
    }
    return rest;
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

void value_scan_iban(const char *text, uint32_t len, struct spans *s)
{
    for (uint32_t at = 0; at + IBAN_MIN <= len; at++) {
        char iban[IBAN_MAX];
        unsigned n = 0, best = 0;
        uint32_t p = at, best_end = 0;
        if (!is_upper(text[at]) || !is_upper(text[at + 1]) || !is_digit(text[at + 2]) || !is_digit(text[at + 3]) ||
            (at > 0 && is_alnum(text[at - 1])))
            continue;
        while (p < len && n < IBAN_MAX) {
            const char c = text[p];
            if (is_digit(c) || is_upper(c))
                iban[n++] = c;
            else if (c != ' ' || p + 1 == len || !is_alnum(text[p + 1]))
                break;
            p++;
            if (n >= IBAN_MIN && (p == len || !is_alnum(text[p])) && modulo_97(iban, n) == 1) {
                best = n;
                best_end = p;
            }
        }
        if (best) {
            spans_add(s, at, best_end, false);
            at = best_end - 1;
        }
    }
}

static bool digits_at(const char *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!is_digit(p[i]))
            return false;
    }
    return true;
}

void value_scan_ssn(const char *text, uint32_t len, struct spans *s)
{
    for (uint32_t at = 0; at + 11 <= len; at++) {
        const char *const p = text + at;
        if (p[3] == '-' && p[6] == '-' && digits_at(p, 3) && digits_at(p + 4, 2) && digits_at(p + 7, 4) &&
            (at == 0 || !(is_alnum(p[-1]) || p[-1] == '-')) &&
            (at + 11 == len || !(is_alnum(p[11]) || p[11] == '-'))) {
            spans_add(s, at, at + 11, false);
            at += 10;
        }
    }
}
