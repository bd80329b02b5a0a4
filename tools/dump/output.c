#include "tools/dump/output.h"

#include "collector/format/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_BYTES = 64 * 1024, FORMAT_SLOT = 0 };

int output_format_check(const char *name, struct err *e)
{
    const struct format_ops *ops = format_find(name);
    if (!ops || (!ops->is_lines && strcmp(name, "pretty") != 0)) /* binary formats belong into files */
        return err_set(e, -EINVAL, "--format: '%s' is no text format: pretty, json, fapilog, dagstack, logfmt, raw",
                       name);
    return 0;
}

int output_open(struct output *o, const char *name, struct err *e)
{
    *o = (struct output){0};
    const bool terminal = isatty(STDOUT_FILENO);
    if (!name)
        name = terminal ? "pretty" : "json";
    const char *no_colour = getenv("NO_COLOR");
    const struct format_config cfg = {.colour = terminal && !(no_colour && *no_colour)};
    return format_open(name, &cfg, FORMAT_SLOT, &o->format, e);
}

void output_close(struct output *o)
{
    if (o->format) /* of a failed open */
        format_close(o->format);
    buf_done(&o->out);
    *o = (struct output){0};
}

int output_flush(struct output *o, struct err *e)
{
    size_t done = 0;
    while (done < o->out.len) {
        const ssize_t n = write(STDOUT_FILENO, o->out.data + done, o->out.len - done);
        if (n < 0 && errno != EINTR)
            return err_sys(e, -errno, "write to stdout");
        done += n > 0 ? (size_t)n : 0;
    }
    o->out.len = 0;
    return 0;
}

int output_record(struct output *o, const struct fapilog_record *r, struct err *e)
{
    const int n = buf_reserve(&o->out, o->format->ops->bound(o->format, r));
    if (n < 0)
        return err_set(e, n, "no memory for a record");
    o->out.len = (size_t)(o->format->ops->write(o->format, r, o->out.data + o->out.len) - o->out.data);
    return o->out.len >= FLUSH_BYTES ? output_flush(o, e) : 0;
}
