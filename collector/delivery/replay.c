/* Reads dead letters and spools back, for --replay and for tools. */
#include "collector/delivery/deadletter.h"
#include "collector/delivery/image.h"
#include "collector/delivery/spool/journal.h"
#include "collector/delivery/spool/spool_file.h"

#include "lib/base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct replay {
    deadletter_replay_fn *on_entry;
    void *arg;
    uint64_t damaged;
    uint64_t last_sequence; /* of the files before */
    bool is_open;           /* the file that was begun last */
    struct image_reader images;
    struct format *format; /* of what images hold */
};

static int image_replay(struct replay *p, struct spool_file *f, const struct spool_block_head *h, const char *raw)
{
    struct spool_item item;
    struct parcel *entries;
    size_t at = 0;
    int r = p->format ? 0 : format_open("json", &(struct format_config){ .source = false }, 0, &p->format, NULL);
    const struct output as = { .kind = OUTPUT_ENTRY, .format = p->format };
    if (r == 0)
        r = image_expand(&p->images, &as, raw, h->raw_bytes, h->records, &entries);
    if (r < 0)
        return r;
    p->damaged += entries->records != h->records;
    while (r == 0 && spool_item_next(entries->data, entries->bytes, SPOOL_ENTRIES, &at, &item))
        r = p->on_entry(p->arg, f->has_head ? &f->head : NULL, &item);
    parcel_unref(entries);
    return r;
}

/* Killed between the write into the file and the note that it is there. */
static bool is_repeated(const struct replay *p, const struct spool_file *f, const struct spool_block_head *h)
{
    return f->is_journal && h->sequence <= p->last_sequence;
}

static int block_replay(struct replay *p, struct spool_file *f, const struct spool_block_head *h)
{
    struct spool_item item;
    const char *raw;
    size_t at = 0;
    int r = spool_file_load(f, h, &raw);
    if (r == -EBADMSG) {
        p->damaged++;
        return 0;
    }
    if (r == 0 && h->kind == SPOOL_IMAGE)
        return image_replay(p, f, h, raw);
    while (r == 0 && spool_item_next(raw, h->raw_bytes, f->kind, &at, &item))
        r = p->on_entry(p->arg, f->has_head ? &f->head : NULL, &item);
    p->damaged += r == 0 && at != h->raw_bytes;
    return r;
}

static enum spool_kind kind_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    uint64_t sequence;
    return spool_name_parse(slash ? slash + 1 : path, &sequence);
}

static int file_replay(struct replay *p, const char *path, struct err *e)
{
    struct spool_file f;
    struct spool_block_head h;
    int r = spool_file_open(&f, path, kind_of(path), e);
    p->is_open = r == 0;
    if (r < 0)
        return r;
    e->text[0] = '\0';
    while ((r = spool_file_next(&f, &h)) > 0 && (r = is_repeated(p, &f, &h) ? 0 : block_replay(p, &f, &h)) == 0)
        ;
    p->last_sequence = f.last_sequence;
    p->damaged += f.damaged;
    spool_file_close(&f);
    return r < 0 && !e->text[0] ? err_sys(e, r, "%s", path) : r;
}

static int name_is_ours(const struct dirent *d)
{
    return kind_of(d->d_name) != 0 || strcmp(d->d_name, JOURNAL_FILE) == 0; /* which comes last */
}

static int directory_replay(struct replay *p, const char *path, struct err *e)
{
    struct dirent **names;
    struct err why = {0};
    int r = 0, unread = 0;
    const int n = scandir(path, &names, name_is_ours, alphasort); /* names have one length: that is by sequence */
    if (n < 0)
        return err_sys(e, -errno, "read %s", path);
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX + 256 + 2];
        (void)snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        r = r == 0 ? file_replay(p, file, e) : r;
        if (r < 0 && r != -ENOMEM && !p->is_open) { /* which does not hide the others */
            why = *e;
            unread++;
            r = 0;
        }
        free(names[i]);
    }
    free(names);
    if (r == 0 && unread)
        return err_set(e, why.code, "%d files in %s cannot be read, at last: %s", unread, path, why.text);
    return n == 0 ? err_set(e, -ENOENT, "%s: no files *" SPOOL_DEAD_SUFFIX " or *" SPOOL_SUFFIX " in it", path) : r;
}

int deadletter_replay(const char *path, deadletter_replay_fn *on_entry, void *arg, uint64_t *ret_damaged,
                      struct err *e)
{
    struct replay p = { .on_entry = on_entry, .arg = arg };
    struct err mine;
    struct stat st;
    e = e ? e : &mine;
    if (stat(path, &st) < 0)
        return err_sys(e, -errno, "%s", path);
    const int r = S_ISDIR(st.st_mode) ? directory_replay(&p, path, e) : file_replay(&p, path, e);
    image_reader_done(&p.images);
    format_close(p.format);
    *ret_damaged = p.damaged;
    return r;
}
