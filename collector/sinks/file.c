/* The file sink: text records at the end of a file that rotates. */
#include "collector/sinks/fileset.h"
#include "collector/sinks/fileset_opts.h"
#include "lib/base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct file_cfg {
    struct fileset_cfg set;
    const char *mode;
    uint32_t compress;
    bool is_text; /* derived */
};

struct file_state {
    struct fileset set;
    const struct sink_batch *batch;
    struct piece *pieces;
    unsigned pieces_room;
};

static const struct opt file_opts[] = {
    FILESET_OPTS(struct file_cfg, set, "fapilog"),
    FILESET_COMPRESS_OPT(struct file_cfg, compress, "How archives are compressed."),
    OPT_TEXT_(struct file_cfg, mode, "mode", "json", 0,
              "json or text: the format when none is named, and .jsonl or .log in dated names. An octal "
              "number sets file_mode."),
    OPT_END,
};

static int file_check(void *opaque, struct err *e)
{
    struct file_cfg *cfg = opaque;
    const char *mode = cfg->mode;
    if (isdigit((unsigned char)mode[0])) {
        char *copy = strdup(mode);
        if (!copy)
            return err_set(e, -ENOMEM, "mode: out of memory");
        free((void *)cfg->set.file_mode);
        cfg->set.file_mode = copy;
    } else if (strcmp(mode, "json") != 0 && strcmp(mode, "text") != 0) {
        return err_set(e, -EINVAL, "mode: '%s' is not json, text or an octal file mode", mode);
    }
    cfg->is_text = strcmp(mode, "text") == 0;
    cfg->set.codec = cfg->compress;
    cfg->set.extension = cfg->is_text ? ".log" : ".jsonl";
    return fileset_check(&cfg->set, e);
}

static const char *file_format(const void *opaque)
{
    const struct file_cfg *cfg = opaque;
    return cfg->is_text ? "logfmt" : "fapilog";
}

static int file_open(struct sink *s, struct err *e)
{
    struct file_cfg *cfg = s->cfg;
    struct file_state *st = s->state;
    if (s->format && !strstr(s->format->ops->media_type, "json"))
        cfg->set.extension = ".log";
    return fileset_open(&st->set, s, &cfg->set, e);
}

static int file_recover(struct sink *s, const struct sink_mark *mark, struct err *e)
{
    struct file_state *st = s->state;
    return fileset_recover(&st->set, mark, e);
}

static uint64_t file_room(struct sink *s)
{
    struct file_state *st = s->state;
    return fileset_room(&st->set);
}

static struct file_state *state_of(struct fileset *f)
{
    return f->sink->state;
}

static void file_finish(struct fileset *f, int result)
{
    state_of(f)->batch = NULL;
    sink_done(f->sink, result);
}

static int pieces_reserve(struct file_state *st, unsigned count)
{
    if (count <= st->pieces_room)
        return 0;
    struct piece *pieces = reallocarray(st->pieces, count, sizeof *pieces);
    if (!pieces)
        return -ENOMEM;
    st->pieces = pieces;
    st->pieces_room = count;
    return 0;
}

static void file_ready(struct fileset *f, int result)
{
    struct file_state *st = state_of(f);
    const struct sink_batch *b = st->batch;
    unsigned n = 0;
    if (result == 0)
        result = pieces_reserve(st, b->chunks_count + 1);
    if (result < 0 || b->bytes == 0) {
        fileset_later(f, result, file_finish);
        return;
    }
    /* a line that a power failure or another program left unfinished must not swallow ours */
    if (f->size && f->tail_len && f->tail[f->tail_len - 1] != '\n')
        st->pieces[n++] = (struct piece){"\n", 1, -1};
    for (unsigned i = 0; i < b->chunks_count; i++)
        st->pieces[n++] = (struct piece){b->chunks[i].data, b->chunks[i].len, b->chunks[i].buf_index};
    fileset_append(f, st->pieces, n, file_finish);
}

static void file_write(struct sink *s, const struct sink_batch *b)
{
    struct file_state *st = s->state;
    CHECK(!st->batch);
    st->batch = b;
    fileset_prepare(&st->set, b->bytes, file_ready);
}

static void file_mark(struct sink *s, struct sink_mark *ret)
{
    const struct file_state *st = s->state;
    fileset_mark(&st->set, ret);
}

static void file_tick(struct sink *s, uint64_t now_ns)
{
    struct file_state *st = s->state;
    (void)now_ns;
    fileset_tick(&st->set);
}

static int file_reopen(struct sink *s, struct err *e)
{
    struct file_state *st = s->state;
    return fileset_reopen(&st->set, e);
}

static int file_rotate(struct sink *s, struct err *e)
{
    struct file_state *st = s->state;
    return fileset_rotate(&st->set, e);
}

static const char *file_place(const struct sink *s)
{
    const struct file_state *st = s->state;
    return fileset_place(&st->set);
}

static int file_close(struct sink *s, struct err *e)
{
    struct file_state *st = s->state;
    free(st->pieces);
    st->pieces = NULL;
    st->pieces_room = 0;
    return fileset_close(&st->set, e);
}

static const char *const file_aliases[] = {"rotating_file", NULL};
static const char *const file_env_prefixes[] = {"FAPILOG_FILE__", NULL};

const struct sink_ops sink_file = {
    .abi = SINK_ABI, .scheme = "file", .aliases = file_aliases, .env_prefixes = file_env_prefixes,
    .summary = "Appends to a file that rotates by size and time.",
    .format_choose = file_format, .opts = file_opts,
    .cfg_size = sizeof(struct file_cfg), .state_size = sizeof(struct file_state),
    .check = file_check, .open = file_open, .recover = file_recover, .room = file_room,
    .write = file_write, .mark = file_mark, .tick = file_tick, .reopen = file_reopen,
    .rotate = file_rotate, .close = file_close, .place = file_place,
};
