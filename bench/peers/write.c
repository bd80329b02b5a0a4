/* One write(2) for each record: nothing of it is lost when the process dies. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "bench/harness/producer.h"
#include "bench/peers/text.h"

static int fd;

static int write_open(const struct producer_env *env)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/write-%d.log", env->dir, env->index);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

static void emit(const char *line, int len)
{
    if (write(fd, line, (size_t)len) != len)
        perror("write");
}

TEXT_LOG_FUNCTIONS(emit)

static void write_close(void)
{
    if (close(fd) < 0)
        perror("close");
}

const struct producer_ops producer = {
    .open = write_open, .log = {log_none, log_three, log_text, log_ten}, .close = write_close};
