#include "tools/dump/output.h"

#include "collector/format/format.h"
#include "tools/dump/safe_text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
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

bool output_is_plain(int fd)
{
    const char *term = getenv("TERM");
    return !isatty(fd) || !term || !*term || strcmp(term, "dumb") == 0;
}

int output_open(struct output *o, const char *name, bool is_named, uint32_t last, struct err *e)
{
    *o = (struct output){0};
    const bool terminal = isatty(STDOUT_FILENO);
    if (!name)
        name = terminal ? "pretty" : "json";
    const char *no_colour = getenv("NO_COLOR");
    const struct format_config cfg = {.colour = !output_is_plain(STDOUT_FILENO) && !(no_colour && *no_colour),
                                      .is_terminal = terminal};
    o->is_named = is_named && strcmp(name, "pretty") == 0;
    if (last && tail_init(&o->tail, last) < 0)
        return err_set(e, -ENOMEM, "no memory for the last %" PRIu32 " records", last);
    return format_open(name, &cfg, FORMAT_SLOT, &o->format, e);
}

void output_close(struct output *o)
{
    if (o->format) /* of a failed open */
        format_close(o->format);
    buf_done(&o->out);
    tail_done(&o->tail);
    *o = (struct output){0};
}

/* Somebody who shares the stream with us may have made it one that does not wait. */
static void wait_for_room(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    (void)poll(&p, 1, -1);
}

int output_flush(struct output *o, struct err *e)
{
    size_t done = 0;
    while (done < o->out.len) {
        const ssize_t n = write(STDOUT_FILENO, o->out.data + done, o->out.len - done);
        if (n < 0 && errno == EAGAIN)
            wait_for_room();
        else if (n < 0 && errno != EINTR)
            return err_sys(e, -errno, "write to stdout");
        done += n > 0 ? (size_t)n : 0;
    }
    o->out.len = 0;
    return 0;
}

/* Lines of pretty do not say whose they are. */
static int put_name(struct output *o, const struct fapilog_process_info *p)
{
    safe_text service;
    char name[sizeof service + 32];
    const int len = snprintf(name, sizeof name, "%s[%" PRIu32 "] ",
                             safe_clean(p->service.data, p->service.len, service), p->pid);
    const int n = buf_reserve(&o->out, (size_t)len);
    if (n < 0)
        return n;
    memcpy(o->out.data + o->out.len, name, (size_t)len);
    o->out.len += (size_t)len;
    return 0;
}

static int put_record(struct output *o, const struct fapilog_record *r)
{
    int n = o->is_named ? put_name(o, r->process) : 0;
    if (n == 0)
        n = buf_reserve(&o->out, o->format->ops->bound(o->format, r));
    if (n == 0)
        o->out.len = (size_t)(o->format->ops->write(o->format, r, o->out.data + o->out.len) - o->out.data);
    return n;
}

int output_record(struct output *o, const struct fapilog_record *r, struct err *e)
{
    int n = put_record(o, r);
    if (n == 0 && o->tail.max) {
        n = tail_put(&o->tail, o->out.data, o->out.len);
        o->out.len = 0;
    }
    if (n < 0)
        return err_set(e, n, "no memory for a record");
    o->records++;
    return o->out.len >= FLUSH_BYTES ? output_flush(o, e) : 0;
}

int output_settle(struct output *o, struct err *e)
{
    int n = 0;
    for (uint32_t i = 0; n == 0 && i < o->tail.max; i++) {
        const struct tail_text t = tail_at(&o->tail, i);
        if (!t.data)
            continue;
        if (buf_reserve(&o->out, t.len) < 0)
            return err_set(e, -ENOMEM, "no memory for a record");
        memcpy(o->out.data + o->out.len, t.data, t.len);
        o->out.len += t.len;
        n = o->out.len >= FLUSH_BYTES ? output_flush(o, e) : 0;
    }
    tail_done(&o->tail);
    return n < 0 ? n : output_flush(o, e);
}
