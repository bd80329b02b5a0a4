#include "collector/net/connect.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <stdio.h>

const char *connect_advice(int error)
{
    switch (error) {
    case -ECONNREFUSED:
        return "is the server running, and is this its port?";
    case -ETIMEDOUT: case -EHOSTUNREACH: case -ENETUNREACH: case -EACCES: case -EPERM:
        return "look for a firewall, and at the routes";
    default:
        return "";
    }
}

char *connect_late(char *ret, size_t size, const char *to, uint64_t timeout_ns, const char *option)
{
    const double seconds = (double)timeout_ns / (double)NS_PER_S;
    (void)snprintf(ret, size, "no connection%s%s within %.3g s%s%s%s", to ? " to " : "", to ? to : "", seconds,
                   option ? " (" : "", option ? option : "", option ? ")" : "");
    return ret;
}
