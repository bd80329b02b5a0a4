#include "lib/base/opt_secret.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fd_io.h"
#include "lib/base/keep.h"

#include <errno.h>
#include <string.h>

enum { SECRET_BYTES_MAX = 64 << 10 };

static int from_environment(const char *name, char **ret, struct err *e)
{
    const char *value = getenv(name);
    if (!value)
        return err_set(e, -ENOENT, "the environment has no %s", *name ? name : "variable without a name");
    *ret = strdup(value);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* One line feed at the end belongs to the file, not to the secret. */
static int take_content(const char *data, size_t len, const char *path, char **ret, struct err *e)
{
    if (len > SECRET_BYTES_MAX)
        return err_set(e, -EFBIG, "%s: is longer than %d bytes", path, SECRET_BYTES_MAX);
    if (len && data[len - 1] == '\n')
        len--;
    if (len && data[len - 1] == '\r')
        len--;
    if (memchr(data, '\0', len))
        return err_set(e, -EINVAL, "%s: has a byte of value 0", path);
    *ret = strndup(data, len);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int from_file(const char *path, char **ret, struct err *e)
{
    auto_fd fd = keep_open(path);
    if (fd < 0)
        return err_sys(e, fd, "%s: cannot be read", path);
    auto_free char *data = malloc(SECRET_BYTES_MAX + 1);
    if (!data)
        return err_set(e, -ENOMEM, "out of memory");
    const ssize_t n = fd_read_full(fd, data, SECRET_BYTES_MAX + 1);
    if (n < 0)
        return err_sys(e, (int)n, "%s: cannot be read", path);
    const int r = take_content(data, (size_t)n, path, ret, e);
    explicit_bzero(data, SECRET_BYTES_MAX + 1);
    return r;
}

int opt_reference(enum opt_reference kind, const char *where, char **ret, struct err *e)
{
    return kind == OPT_FROM_ENV ? from_environment(where, ret, e) : from_file(where, ret, e);
}

int opt_secret(const char *value, char **ret, struct err *e)
{
    if (strncmp(value, "env:", 4) == 0)
        return from_environment(value + 4, ret, e);
    if (strncmp(value, "file:", 5) == 0)
        return from_file(value + 5, ret, e);
    *ret = strdup(value);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}
