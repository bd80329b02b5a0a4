/* The console sink: records on the collector's standard output or standard error.
 *
 * The descriptor is shared with whoever started the collector, so its O_NONBLOCK is left alone: a
 * terminal or pipe is opened once more, non-blocking, through /proc. A regular file is not, since its
 * position is shared too. What cannot take more output (a full pipe, a stopped terminal) is polled.
 *
 * Output cannot be taken back. When a batch fails half-way, the retry of the same batch goes on after
 * the last byte that was written, so nobody sees a record twice while the collector lives. */
#include "collector/sinks/sink.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

enum { MODE_AUTO, MODE_JSON, MODE_PRETTY };

/* Pause when a descriptor says that it is ready and then takes nothing. */
static const uint64_t refused_pause_ns = 10 * NS_PER_MS;

struct console_cfg {
    uint32_t mode;
    uint32_t stream; /* the descriptor */
};

struct console_state {
    struct io_req req;
    int fd;
    bool owns_fd;
    bool keeps_position; /* a regular file that is not only appended to */
    bool has_polled; /* since the last byte was taken */
    const struct sink_batch *batch;
    uint64_t batch_id;
    uint32_t chunk, at; /* the next byte to write: chunk and offset in it */
};

static const struct opt_word mode_words[] = {
    { "auto", MODE_AUTO },
    { "json", MODE_JSON },
    { "pretty", MODE_PRETTY },
    { NULL, 0 },
};

static const struct opt_word stream_words[] = {
    { "stdout", STDOUT_FILENO },
    { "stderr", STDERR_FILENO },
    { NULL, 0 },
};

static const struct opt console_opts[] = {
    OPT_WORD_(struct console_cfg, mode, "mode", "auto", mode_words, 0,
              "pretty for people, json for programs; auto: pretty on a terminal."),
    OPT_WORD_(struct console_cfg, stream, "stream", "stdout", stream_words, 0,
              "Standard stream to write to."),
    OPT_END,
};

static const char *const console_aliases[] = {"stdout_json", "stdout_pretty", NULL};

static const struct sink_alias console_alias_options[] = {
    {"stdout_json", "mode", "json"},
    {"stdout_pretty", "mode", "pretty"},
    {NULL, NULL, NULL},
};

static const char *console_format(const void *opaque)
{
    const struct console_cfg *const cfg = opaque;

    if (cfg->mode == MODE_AUTO)
        return isatty((int)cfg->stream) ? "pretty" : "fapilog";
    return cfg->mode == MODE_PRETTY ? "pretty" : "fapilog";
}

static bool console_terminal(const void *opaque)
{
    const struct console_cfg *const cfg = opaque;
    return isatty((int)cfg->stream);
}

static bool console_colour(const void *opaque)
{
    const struct console_cfg *const cfg = opaque;
    const char *const no_colour = getenv("NO_COLOR");
    const char *const term = getenv("TERM");

    if (no_colour && *no_colour)
        return false;
    return isatty((int)cfg->stream) && term && *term && strcmp(term, "dumb") != 0;
}

static int console_open(struct sink *s, struct err *e)
{
    const struct console_cfg *const cfg = s->cfg;
    struct console_state *const st = s->state;
    const int std = (int)cfg->stream, flags = fcntl(std, F_GETFL);
    char path[32];
    struct stat status;
    int r;

    *st = (struct console_state){ .fd = -1 };
    r = io_fstat(s->io, std, &status);
    if (r < 0)
        return err_sys(e, r, "console: %s", std == STDOUT_FILENO ? "stdout" : "stderr");
    if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY) /* opened once more it would take what nobody gets */
        return err_set(e, -EBADF, "console: %s is closed, or not open for writing",
                       std == STDOUT_FILENO ? "standard output" : "standard error");
    st->fd = std;
    st->keeps_position = S_ISREG(status.st_mode) && !(flags & O_APPEND);
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        return 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", std);
    r = io_open(s->io, path, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (r < 0)
        return 0; /* not allowed, or nobody reads: the shared descriptor will do, or say so */
    st->fd = r;
    st->owns_fd = true;
    return 0;
}

static void submit_write(struct sink *s);

static void finish(struct sink *s, int result)
{
    struct console_state *const st = s->state;

    st->batch = NULL;
    sink_done(s, result);
}

static void on_ready(struct io_req *req, int result)
{
    struct sink *const s = req->owner;

    /* An error or hang-up of the descriptor is told by the write that follows. */
    if (result < 0 && result != -EINTR)
        finish(s, result);
    else
        submit_write(s);
}

static void wait_ready(struct sink *s)
{
    struct console_state *const st = s->state;

    st->req = (struct io_req){ .op = IO_POLL, .fd = st->fd, .events = POLLOUT, .done = on_ready, .owner = s };
    if (st->has_polled) {
        st->req.op = IO_TIMEOUT;
        st->req.deadline_ns = clock_mono_ns() + refused_pause_ns;
    }
    st->has_polled = !st->has_polled;
    io_submit(s->io, &st->req);
}

/* Moves to the next byte to write; false when there is none. */
static bool has_more(struct console_state *st)
{
    const struct sink_batch *const b = st->batch;

    while (st->chunk < b->chunks_count && st->at == b->chunks[st->chunk].len) {
        st->chunk++;
        st->at = 0;
    }
    return st->chunk < b->chunks_count;
}

static void on_written(struct io_req *req, int result)
{
    struct sink *const s = req->owner;
    struct console_state *const st = s->state;

    if (result == -EAGAIN) {
        wait_ready(s);
        return;
    }
    if (result == 0)
        result = -EIO; /* no device says this of a write that is not empty */
    if (result < 0 && result != -EINTR) {
        finish(s, result);
        return;
    }
    if (result > 0) {
        if (st->keeps_position)
            (void)lseek(st->fd, req->offset + result, SEEK_SET);
        st->at += (uint32_t)result;
        st->has_polled = false;
    }
    if (has_more(st))
        submit_write(s);
    else
        finish(s, 0);
}

static void submit_write(struct sink *s)
{
    struct console_state *const st = s->state;
    const struct sink_chunk *const c = &st->batch->chunks[st->chunk];

    st->req = (struct io_req){
        .op = IO_WRITE, .fd = st->fd, .data = c->data + st->at, .len = c->len - st->at,
        .buf_index = c->buf_index, .offset = -1, .done = on_written, .owner = s,
    };
    /* io_uring forgets to move the position when a write ends short of a full disk. */
    if (st->keeps_position)
        st->req.offset = lseek(st->fd, 0, SEEK_CUR);
    io_submit(s->io, &st->req);
}

static void on_nothing_to_write(struct io_req *req, int result)
{
    (void)result;
    finish(req->owner, 0);
}

static void console_write(struct sink *s, const struct sink_batch *b)
{
    struct console_state *const st = s->state;
    const bool is_retry = st->batch_id == b->id;

    st->batch = b;
    st->batch_id = b->id;
    if (!is_retry) {
        st->chunk = 0;
        st->at = 0;
    }
    st->has_polled = false;
    if (has_more(st)) {
        submit_write(s);
        return;
    }
    st->req = (struct io_req){ .op = IO_TIMEOUT, .done = on_nothing_to_write, .owner = s };
    io_submit(s->io, &st->req);
}

static int console_close(struct sink *s, struct err *e)
{
    struct console_state *const st = s->state;
    int r = 0;

    if (st->owns_fd)
        r = io_close(s->io, st->fd);
    st->owns_fd = false;
    st->fd = -1;
    return r < 0 ? err_sys(e, r, "console: close") : 0;
}

static const char *const env_prefixes[] = {"FAPILOG_CONSOLE__", NULL};

const struct sink_ops sink_console = {
    .abi = SINK_ABI,
    .scheme = "console",
    .env_prefixes = env_prefixes,
    .aliases = console_aliases, .alias_options = console_alias_options,
    .summary = "Writes to standard output or standard error.",
    .format_default = "fapilog",
    .format_choose = console_format,
    .format_colour = console_colour,
    .format_terminal = console_terminal,
    .opts = console_opts,
    .cfg_size = sizeof(struct console_cfg),
    .state_size = sizeof(struct console_state),
    .open = console_open,
    .write = console_write,
    .close = console_close,
};
