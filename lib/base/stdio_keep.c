#include "lib/base/stdio_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int stdio_keep(void)
{
    static const int access[] = {
        [STDIN_FILENO] = O_WRONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_WRONLY,
    };
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* The lowest number that is free, which is this one. */
        if (open("/dev/null", access[fd]) < 0)
            return -errno;
    }
    return 0;
}
