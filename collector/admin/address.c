/* Where the endpoint is to listen: what `admin` may say. */
#include "collector/admin/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

bool address_is_unix(const char *text)
{
    return strcmp(text, "unix") == 0 || strncmp(text, "unix:", 5) == 0;
}

bool address_is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24 == 127;
    return sa->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

/* getaddrinfo() would take 99999 for 34463. */
static bool is_port(const char *text)
{
    unsigned long port = 0;
    const size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && port <= UINT16_MAX; i++)
        port = 10 * port + (unsigned long)(text[i] - '0');
    return digits && !text[digits] && port >= 1 && port <= UINT16_MAX;
}

/* Addresses in digits, or localhost: nothing that would have to be asked for. */
static int parse(const char *text, struct addrinfo **ret, struct err *e)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !colon[1] || (size_t)(colon - text) >= sizeof host)
        return err_set(e, -EINVAL, "admin: '%s' is not unix, unix:PATH, HOST:PORT or none", text);
    if (!is_port(colon + 1))
        return err_set(e, -EINVAL, "admin: '%s': the port is not in 1..65535", text);
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    char *name = host;
    if (*name == '[' && name[strlen(name) - 1] == ']') {
        name[strlen(name) - 1] = '\0';
        name++;
    }
    if (getaddrinfo(strcmp(name, "localhost") == 0 ? "127.0.0.1" : name, colon + 1, &hints, ret) != 0)
        return err_set(e, -EINVAL, "admin: '%s' is no address and port, such as 127.0.0.1:9464", text);
    return 0;
}

int address_parse(const struct admin_settings *cfg, struct addrinfo **ret, struct err *e)
{
    struct addrinfo *ai;
    const int r = parse(cfg->listen, &ai, e);
    if (r < 0)
        return r;
    if (!cfg->allow_remote && !address_is_loopback(ai->ai_addr)) {
        freeaddrinfo(ai);
        return err_set(e, -EACCES, "admin: %s can be reached by other machines; admin_allow_remote=true allows that",
                       cfg->listen);
    }
    *ret = ai;
    return 0;
}

int admin_check(const struct admin_settings *cfg, struct err *e)
{
    enum { PATH_BYTES = sizeof ((struct sockaddr_un *)0)->sun_path };
    const char *const text = cfg->listen;
    struct addrinfo *ai;
    if (strcmp(text, "none") == 0 || strcmp(text, "unix") == 0)
        return 0;
    if (address_is_unix(text)) {
        const size_t len = strlen(text + 5);
        if (len >= 1 && len < PATH_BYTES)
            return 0;
        return err_set(e, -EINVAL, "admin: '%s': the path of a socket has 1..%d bytes", text, PATH_BYTES - 1);
    }
    const int r = address_parse(cfg, &ai, e);
    if (r == 0)
        freeaddrinfo(ai);
    return r;
}
