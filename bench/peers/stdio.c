/* A buffered stream that the threads share, as most programs have it. */
#include <errno.h>
#include <limits.h>

#include "bench/harness/producer.h"
#include "bench/peers/text.h"

static FILE *stream;

static int stdio_open(const struct producer_env *env)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/stdio-%d.log", env->dir, env->index);
    stream = fopen(path, "we");
    return stream ? 0 : -errno;
}

static void emit(const char *line, int len)
{
    (void)fwrite(line, 1, (size_t)len, stream); /* loss is found by counting */
}

TEXT_LOG_FUNCTIONS(emit)

static void stdio_close(void)
{
    if (fclose(stream) != 0)
        perror("fclose");
}

const struct producer_ops producer = {
    .open = stdio_open, .log = {log_none, log_three, log_text, log_ten}, .close = stdio_close};
