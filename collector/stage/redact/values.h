/* values.h - what is secret by its looks, wherever it stands: card numbers, tokens, addresses, credentials in
 * URLs, "password=..." in a text, and patterns of the user's own. */
#ifndef COLLECTOR_STAGE_REDACT_VALUES_H
#define COLLECTOR_STAGE_REDACT_VALUES_H

#include "collector/stage/redact/names.h"
#include "collector/stage/redact/spans.h"

enum value_kind {
    VALUE_CARD = 1,        /* 13 to 19 digits, in groups or not, of a known issuer, Luhn holds */
    VALUE_EMAIL = 2,
    VALUE_JWT = 4,
    VALUE_BEARER = 8,      /* what follows Bearer, Basic, Digest, Negotiate or ApiKey and looks like a credential */
    VALUE_API_TOKEN = 16,  /* tokens that say whose they are: ghp_, xoxb-, sk_live_, AIza ... */
    VALUE_AWS_KEY = 32,    /* AKIA..., ASIA... */
    VALUE_PRIVATE_KEY = 64,/* -----BEGIN ... PRIVATE KEY----- to its end */
    VALUE_IBAN = 128,      /* checked modulo 97 */
    VALUE_SSN = 256,       /* 123-45-6789 */
    VALUE_ASSIGNMENT = 512,/* name=value, name: value, "name":"value" where the rules mask the name */
    VALUE_URL = 1024,      /* user and password in URLs: removed */
};

/* What bytes a text has decides which scanners look at it. */
enum value_trigger {
    HAS_DIGIT = 1,
    HAS_AT = 2,
    HAS_ASSIGN = 4,  /* = or : */
    HAS_SLASH = 8,
    HAS_DOT = 16,
    HAS_SPACE = 32,  /* or a tab */
    HAS_DASH = 64,   /* - or _ */
    HAS_UPPER = 128,
};
extern const uint8_t value_triggers[256];

enum { VALUE_TOKEN_MIN = 18 }; /* no token is shorter */

struct value_filter {
    uint16_t due[2][256]; /* scanners, by length (below VALUE_TOKEN_MIN, or not) and by triggers */
};

struct values;

/* The same as long as the values live. */
const struct value_filter *values_filter(const struct values *v);

/* The scanners that could find something: 0 for most of ordinary text, which is then done with. */
static inline unsigned value_scanners_due(const struct value_filter *f, const char *text, uint32_t len)
{
    const uint8_t *const p = (const uint8_t *)text;
    unsigned all = 0;
    uint32_t i = 0;
    for (; i + 4 <= len; i += 4)
        all |= value_triggers[p[i]] | value_triggers[p[i + 1]] | value_triggers[p[i + 2]] | value_triggers[p[i + 3]];
    for (; i < len; i++)
        all |= value_triggers[p[i]];
    return f->due[len >= VALUE_TOKEN_MIN][all];
}

struct values *values_new(unsigned kinds, uint32_t url_max, struct names *names); /* names: for assignments */
void values_free(struct values *v);
int values_add_pattern(struct values *v, const char *pattern, bool is_unsafe, struct err *e);
bool values_is_empty(const struct values *v);
unsigned values_kinds(const struct values *v);

/* Texts of another record follow, for which patterns have all their time. True: they had too little for this one. */
bool values_end_record(struct values *v);
/* 1: there is something, in `ret`, settled; 0: nothing; negative: a limit was hit, the text counts as secret. */
int values_find(struct values *v, const char *text, uint32_t len, struct spans *ret);
/* A whole number that is a card number. */
bool values_hit_number(const struct values *v, uint64_t number);

unsigned value_kind_of(const char *name); /* 0: no such kind */
extern const char *const value_kind_names; /* for error messages */

/* The scanners (values_find calls those whose triggers the text has). */
typedef void value_scan_fn(const char *text, uint32_t len, struct spans *s);
value_scan_fn value_scan_card, value_scan_email, value_scan_jwt, value_scan_bearer, value_scan_api_token,
    value_scan_aws_key, value_scan_google_key, value_scan_private_key, value_scan_iban, value_scan_ssn;
bool value_is_card(const uint8_t *digits, unsigned count);
enum { VALUE_ASSIGNMENTS_MAX = 1000 }; /* names looked at in one text; what follows is masked */
void value_scan_url(const char *text, uint32_t len, struct spans *s);
void value_scan_assignment(struct names *names, const char *text, uint32_t len, struct spans *s);
/* The name in front of the = or : at `at`, quotes and blanks between; the last one of user[password]. */
bool value_name_before(const char *text, uint32_t at, uint32_t *ret_from, uint32_t *ret_to);
bool value_is_scheme(const char *text, uint32_t len); /* Bearer, Basic ..., what stands in front of a credential */

#endif
