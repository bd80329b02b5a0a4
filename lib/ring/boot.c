#include "lib/ring/boot.h"

#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void boot_id(uint64_t ret[2])
{
    static const char digits[] = "0123456789abcdef";
    char text[64] = "";
    uint8_t bytes[16] = { 0 };
    unsigned n = 0;
    auto_fd fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    for (const char *p = text; *p && n < 32; p++) {
        const char *d = strchr(digits, *p);
        if (!d)
            continue;
        bytes[n / 2] = (uint8_t)(bytes[n / 2] << 4 | (d - digits));
        n++;
    }
    memset(ret, 0, sizeof bytes);
    if (n == 32)
        memcpy(ret, bytes, sizeof bytes);
}
