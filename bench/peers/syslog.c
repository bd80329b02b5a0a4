/* What syslog(3) does for a call: format with the date, one datagram to the daemon's socket, under a
 * lock. The C library knows no other socket than /dev/log, which a benchmark must not take over. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/harness/producer.h"
#include "bench/peers/text.h"

static int fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int syslog_open(const struct producer_env *env)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const int n = snprintf(addr.sun_path, sizeof addr.sun_path, "%s/../log.sock", env->dir);
    if (n >= (int)sizeof addr.sun_path)
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    return connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
}

static void log_shape(enum shape shape, uint64_t first, uint64_t count)
{
    enum { PRIORITY_USER_INFO = 14 };
    char line[TEXT_LINE_MAX];
    for (uint64_t i = first; i < first + count; i++) {
        struct tm tm;
        char date[20];
        pthread_mutex_lock(&lock);
        const time_t now = time(NULL);
        strftime(date, sizeof date, "%h %e %T", localtime_r(&now, &tm));
        int n = snprintf(line, sizeof line, "<%d>%s bench[%d]: ", PRIORITY_USER_INFO, date, getpid());
        n += text_body(line + n, sizeof line - (size_t)n, shape, i);
        if (send(fd, line, (size_t)n, MSG_NOSIGNAL) < 0)
            perror("send to rsyslogd");
        pthread_mutex_unlock(&lock);
    }
}

static void log_none(void *t, uint64_t first, uint64_t count)
{
    log_shape(SHAPE_NONE, first, count);
}

static void log_three(void *t, uint64_t first, uint64_t count)
{
    log_shape(SHAPE_THREE, first, count);
}

static void log_text(void *t, uint64_t first, uint64_t count)
{
    log_shape(SHAPE_TEXT, first, count);
}

static void log_ten(void *t, uint64_t first, uint64_t count)
{
    log_shape(SHAPE_TEN, first, count);
}

static void syslog_close(void)
{
    if (close(fd) < 0)
        perror("close");
}

const struct producer_ops producer = {
    .open = syslog_open, .log = {log_none, log_three, log_text, log_ten}, .close = syslog_close};
