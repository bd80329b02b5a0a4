#include "collector/net/header_secrets.h"

#include <string.h>
#include <strings.h>

#define MARK "***"

enum { SECRET_MIN = 4 }; /* shorter values would blot out ordinary words */

bool header_is_secret(const char *header)
{
    static const char *const words[] = {"authorization", "token", "secret", "key", "cookie", "password", NULL};
    const char *colon = strchr(header, ':');
    if (strncasecmp(header, "Idempotency-Key:", 16) == 0) /* a record's id */
        return false;
    for (unsigned i = 0; colon && words[i]; i++)
        for (const char *at = header; at < colon; at++)
            if (strncasecmp(at, words[i], strlen(words[i])) == 0)
                return true;
    return false;
}

static void blot_out(char *text, const char *secret, size_t len)
{
    for (char *at = text; (at = memmem(at, strlen(at), secret, len)) != NULL; at += sizeof MARK - 1) {
        memcpy(at, MARK, sizeof MARK - 1);
        memmove(at + sizeof MARK - 1, at + len, strlen(at + len) + 1);
    }
}

/* Tokens are longer than what is quoted of an answer. */
static void blot_out_end(char *text, const char *secret, size_t len)
{
    const size_t text_len = strlen(text);
    for (size_t n = len - 1 < text_len ? len - 1 : text_len; n >= SECRET_MIN; n--) {
        if (memcmp(text + text_len - n, secret, n) == 0) {
            memcpy(text + text_len - n, MARK, sizeof MARK);
            return;
        }
    }
}

void header_secrets_hide(const char *const *headers, unsigned count, char *text)
{
    for (unsigned i = 0; i < count; i++) {
        if (!header_is_secret(headers[i]))
            continue;
        const char *value = strchr(headers[i], ':') + 1;
        value += strspn(value, " ");
        const char *space = strchr(value, ' '); /* "Bearer abc": the word behind is what counts */
        value = space && space[1] ? space + 1 : value;
        if (strlen(value) < SECRET_MIN)
            continue;
        blot_out(text, value, strlen(value));
        blot_out_end(text, value, strlen(value));
    }
}
