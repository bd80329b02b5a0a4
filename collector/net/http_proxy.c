/* http_proxy.c - who a request is connected to, for people. Which proxy the environment has for a URL is curl's
 * decision, and it does not tell (before 8.7 not even whether there was one): its rules once more. Addresses of IPv6
 * are decided here alone: curl finds them in no_proxy only in the very form that it writes itself. */
#include "collector/net/http_private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PORT_PROXY = 1080, PORT_PROXY_TLS = 443, BYTE_BITS = 8 };

struct part { /* of a text */
    const char *at;
    size_t len;
};

static bool ends_with(struct part name, struct part end)
{
    return name.len >= end.len && strncasecmp(name.at + name.len - end.len, end.at, end.len) == 0;
}

/* "example.org" and ".example.org" both mean the host and all below it. */
static bool is_host_of(struct part name, struct part rule)
{
    if (rule.len && rule.at[rule.len - 1] == '.')
        rule.len--;
    if (rule.len && rule.at[0] == '.')
        rule = (struct part){rule.at + 1, rule.len - 1};
    if (!rule.len || !ends_with(name, rule))
        return false;
    return name.len == rule.len || name.at[name.len - rule.len - 1] == '.';
}

static bool has_prefix(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    const unsigned whole = bits / BYTE_BITS, rest = bits % BYTE_BITS;
    return memcmp(a, b, whole) == 0 && (!rest || !((a[whole] ^ b[whole]) >> (BYTE_BITS - rest)));
}

/* As in a URL: [fd00::1]. */
static struct part without_brackets(struct part address)
{
    const bool has = address.len > 2 && address.at[0] == '[' && address.at[address.len - 1] == ']';
    return has ? (struct part){address.at + 1, address.len - 2} : address;
}

/* An address, or one with the bits of its network: 10.0.0.0/8, fd00::/8; curl takes /0 for none. */
static bool is_address_of(int family, const unsigned char *address, struct part rule)
{
    const unsigned most = family == AF_INET ? 32 : 128;
    char text[INET6_ADDRSTRLEN];
    unsigned char network[16];
    const char *slash = memchr(rule.at, '/', rule.len);
    const struct part written = {rule.at, slash ? (size_t)(slash - rule.at) : rule.len};
    const struct part bare = family == AF_INET6 ? without_brackets(written) : written;
    const unsigned long given = slash ? strtoul(slash + 1, NULL, 10) : most, bits = given ? given : most;
    if (bare.len >= sizeof text || bits > most)
        return false;
    (void)snprintf(text, sizeof text, "%.*s", (int)bare.len, bare.at);
    return inet_pton(family, text, network) == 1 && has_prefix(address, network, (unsigned)bits);
}

static bool is_reached_directly(const char *host, const char *rules)
{
    unsigned char address[16];
    char bare[INET6_ADDRSTRLEN];
    struct part name = {host, strlen(host)};
    int family = inet_pton(AF_INET, host, address) == 1 ? AF_INET : 0;
    if (host[0] == '[' && name.len - 2 < sizeof bare) {
        (void)snprintf(bare, sizeof bare, "%.*s", (int)name.len - 2, host + 1);
        family = inet_pton(AF_INET6, bare, address) == 1 ? AF_INET6 : 0;
    }
    if (name.len && host[name.len - 1] == '.')
        name.len--;
    if (strcmp(rules, "*") == 0)
        return true;
    for (const char *at = rules; *at;) {
        const struct part rule = {at, strcspn(at, " \t,")};
        if (rule.len && (family ? is_address_of(family, address, rule) : is_host_of(name, rule)))
            return true;
        at += rule.len;
        at += strspn(at, " \t,");
    }
    return false;
}

static const char *from_environment(const char *const *names, const char **ret_name)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value) {
            *ret_name = *names;
            return value;
        }
    }
    return NULL;
}

static bool is_exempt(const char *host)
{
    static const char *const variables[] = {"no_proxy", "NO_PROXY", NULL};
    const char *ignored, *rules = from_environment(variables, &ignored);
    return rules && is_reached_directly(host, rules);
}

static const char *proxy_of_environment(const char *scheme, const char *host, const char **ret_name)
{
    static const char *const plain[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const tls[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
    if (is_exempt(host))
        return NULL;
    return from_environment(strcasecmp(scheme, "https") == 0 ? tls : plain, ret_name);
}

/* "HOST port PORT". Never who asks, nor the password. */
static bool name_host(CURLU *u, bool is_proxy, char *ret, size_t size)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    const bool has_port = curl_url_get(u, CURLUPART_PORT, &port, is_proxy ? 0 : CURLU_DEFAULT_PORT) == CURLUE_OK;
    const bool is_known = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                          curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && (is_proxy || has_port);
    if (is_known && has_port)
        (void)snprintf(ret, size, "%.80s port %s", host, port);
    else if (is_known)
        (void)snprintf(ret, size, "%.80s port %d", host,
                       strcasecmp(scheme, "https") == 0 ? PORT_PROXY_TLS : PORT_PROXY);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return is_known;
}

static void name_proxy(const char *url, const char *variable, char *ret, size_t size)
{
    char where[100];
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        name_host(u, true, where, sizeof where))
        (void)snprintf(ret, size, "the proxy %s%s%s%s", where, variable ? " (" : "", variable ? variable : "",
                       variable ? ")" : "");
    else
        (void)snprintf(ret, size, "the proxy%s%s", variable ? " of " : "", variable ? variable : "");
    curl_url_cleanup(u);
}

static const char *proxy_for(CURLU *u, const char **ret_variable)
{
    char *scheme = NULL, *host = NULL;
    const char *proxy = NULL;
    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        proxy = proxy_of_environment(scheme, host, ret_variable);
    curl_free(scheme);
    curl_free(host);
    return proxy;
}

bool http_is_exempt(const char *url)
{
    char *host = NULL;
    bool is = false;
    if (!strchr(url, '[')) /* and that is most of them */
        return false;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        is = host[0] == '[' && is_exempt(host);
    curl_free(host);
    curl_url_cleanup(u);
    return is;
}

bool http_name_peer(const struct http_peer *p, const char *url, char *ret, size_t size)
{
    const char *variable = NULL, *proxy = p ? p->proxy : NULL;
    CURLU *u = curl_url();
    const bool is_url = u && curl_url_set(u, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK;
    if (p && p->unix_socket)
        proxy = "";
    else if (!proxy && is_url)
        proxy = proxy_for(u, &variable);
    const bool has_proxy = proxy && *proxy;
    if (p && p->unix_socket)
        (void)snprintf(ret, size, "%s", p->unix_socket);
    else if (has_proxy)
        name_proxy(proxy, variable, ret, size);
    else if (!is_url || !name_host(u, false, ret, size))
        (void)snprintf(ret, size, "the server");
    curl_url_cleanup(u);
    return has_proxy;
}
