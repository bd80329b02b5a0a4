/* What a sink was given as a secret is in no text that a server sends back. */
#include "collector/delivery/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct cfg {
    const char *url, *user, *token;
    struct opt_map headers;
    struct opt_list keys;
};

static const struct opt rows[] = {
    OPT_TEXT_(struct cfg, url, "url", NULL, OPT_URL, "URL."),
    OPT_TEXT_(struct cfg, user, "user", NULL, 0, "User."),
    OPT_TEXT_(struct cfg, token, "token", NULL, OPT_SECRET, "Token."),
    OPT_MAP_(struct cfg, headers, "headers", NULL, OPT_SECRET, "Headers."),
    OPT_LIST_(struct cfg, keys, "keys", NULL, OPT_SECRET, "Keys."),
    OPT_END,
};

static char names[2][16] = { "Authorization", "X-Team" }, values[2][16] = { "Basic abcdef==", "red" };
static struct opt_pair headers[] = { { names[0], values[0] }, { names[1], values[1] } };
static char first[] = "firstkey", second[] = "secondkey", *keys[] = { first, second };
static struct cfg cfg = {
    .url = "https://h/in?api_key=querysecret&debug=1&barevalue#part", .user = "alice", .token = "tokensecret",
    .headers = { headers, 2 }, .keys = { keys, 2 },
};

static void check(const char *text, const char *expected)
{
    static const struct sink_ops ops = { .scheme = "test", .opts = rows };
    const struct sink s = { .ops = &ops, .cfg = &cfg };
    char got[300];
    (void)snprintf(got, sizeof got, "%s", text);
    secrets_hide(&s, got);
    assert_string_equal(got, expected);
}

static void secret_values_are_blotted_out(void **state)
{
    (void)state;
    check("", "");
    check("HTTP 400: nothing to hide", "HTTP 400: nothing to hide");
    check("tokensecret", "***");
    check("no tokensecret, no tokensecret", "no ***, no ***");
    check("bad key firstkey or secondkey of alice", "bad key *** or *** of alice");
    check("Basic abcdef== is wrong, so is abcdef==", "*** is wrong, so is ***");
    check("the team is red", "the team is red"); /* too short to be one */
}

static void so_is_the_query_of_a_url(void **state)
{
    (void)state;
    check("Cannot POST /in?api_key=querysecret&debug=1&barevalue", "Cannot POST /in?api_key=***&debug=1&***");
    check("https://h/in is not there, nor is part", "https://h/in is not there, nor is part");
}

static void what_the_end_cuts_off_is_no_clue(void **state)
{
    (void)state;
    check("bad token tokensecre", "bad token ***");
    check("bad token toke", "bad token ***");
    check("bad token tok", "bad token tok");
    check("okensecret", "okensecret");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_values_are_blotted_out),
        cmocka_unit_test(so_is_the_query_of_a_url),
        cmocka_unit_test(what_the_end_cuts_off_is_no_clue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
