#include "collector/delivery/spool/spool_file.h"

#include "collector/delivery/spool/journal.h"

#include "lib/base/cleanup.h"
#include "lib/base/fd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { WINDOW = 64 << 10 };

enum spool_kind spool_name_parse(const char *name, uint64_t *ret_sequence)
{
    char *end;
    if (strspn(name, "0123456789abcdef") != 16)
        return 0;
    *ret_sequence = strtoull(name, &end, 16);
    if (!*ret_sequence || *ret_sequence >= SPOOL_SEQUENCE_MAX) /* they begin at 1, and come to no end */
        return 0;
    return strcmp(end, SPOOL_SUFFIX) == 0 ? SPOOL_ENTRIES : strcmp(end, SPOOL_DEAD_SUFFIX) == 0 ? SPOOL_DEAD : 0;
}

static int read_all(int fd, void *to, size_t len, uint64_t offset)
{
    const ssize_t n = fd_pread_full(fd, to, len, offset);
    if (n < 0)
        return (int)n;
    return (size_t)n == len ? 0 : -EBADMSG; /* shorter than it was: somebody cuts it */
}

static int head_read(struct spool_file *f, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return err_sys(e, -errno, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EBADMSG, "%s is not a file", path);
    f->size = (uint64_t)st.st_size;
    if (f->size >= sizeof f->head) {
        const int r = read_all(f->fd, &f->head, sizeof f->head, 0);
        if (r < 0)
            return err_sys(e, r, "read %s", path);
        f->has_head = spool_file_head_is_valid(&f->head);
    }
    if (f->kind == 0 && f->has_head)
        f->kind = f->head.kind;
    if (f->kind != SPOOL_ENTRIES && f->kind != SPOOL_DEAD)
        return err_set(e, -EBADMSG, "%s: neither a spool nor dead letters", path);
    if (f->has_head) {
        f->head.sink[sizeof f->head.sink - 1] = f->head.format[sizeof f->head.format - 1] = '\0';
        f->offset = sizeof f->head;
    }
    return 0;
}

int spool_file_open_fd(struct spool_file *f, int fd, const char *path, enum spool_kind kind, struct err *e)
{
    *f = (struct spool_file){ .fd = fd, .kind = kind };
    int r = head_read(f, path, e);
    if (r == 0) {
        f->window = malloc(WINDOW);
        r = f->window ? 0 : err_set(e, -ENOMEM, "%s: out of memory", path);
    }
    if (r < 0)
        spool_file_close(f);
    return r;
}

int spool_file_open(struct spool_file *f, const char *path, enum spool_kind kind, struct err *e)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        *f = (struct spool_file){ .fd = -1 };
        return err_sys(e, -errno, "open %s", path);
    }
    if (!journal_fd_is_one(fd))
        return spool_file_open_fd(f, fd, path, kind, e);
    const int exported = journal_export(fd);
    (void)close(fd);
    if (exported < 0) {
        *f = (struct spool_file){ .fd = -1 };
        return err_sys(e, exported, "read %s", path);
    }
    const int r = spool_file_open_fd(f, exported, path, SPOOL_ENTRIES, e);
    f->is_journal = true;
    return r;
}

void spool_file_close(struct spool_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f->window);
    free(f->stored);
    free(f->raw);
    *f = (struct spool_file){ .fd = -1 };
}

/* Bytes from `offset` on into the window: at least a head where the file is that long. */
static int window_at(struct spool_file *f, uint64_t offset)
{
    if (offset >= f->window_offset && offset + sizeof(struct spool_block_head) <= f->window_offset + f->window_len)
        return 0;
    const uint64_t left = f->size - offset;
    f->window_offset = offset;
    f->window_len = left < WINDOW ? (size_t)left : WINDOW;
    return read_all(f->fd, f->window, f->window_len, offset);
}

static void block_found(struct spool_file *f, const struct spool_block_head *h, uint64_t at)
{
    if (at > f->offset) {
        f->damaged++;
        f->skipped_bytes += at - f->offset;
    }
    f->block_offset = at;
    f->offset = at + spool_block_bytes(h);
    f->last_sequence = h->sequence;
}

int spool_file_next(struct spool_file *f, struct spool_block_head *ret)
{
    for (uint64_t at = f->offset; f->size >= sizeof *ret && at <= f->size - sizeof *ret;) {
        const int r = window_at(f, at);
        if (r < 0)
            return r;
        size_t in = (size_t)(at - f->window_offset);
        const bool found = spool_block_find(f->window, f->window_len, f->kind, &in, ret);
        at = f->window_offset + in;
        if (!found)
            continue;
        if (ret->sequence > f->last_sequence && spool_block_bytes(ret) <= f->size - at) {
            block_found(f, ret, at);
            return 1;
        }
        at += 8; /* torn, or bytes of a record that look like a block */
    }
    f->torn_bytes = f->size - f->offset;
    return 0;
}

static bool reserve(char **p, size_t *cap, size_t need)
{
    if (*cap >= need)
        return true;
    char *bigger = realloc(*p, need);
    if (!bigger)
        return false;
    *p = bigger;
    *cap = need;
    return true;
}

int spool_file_load(struct spool_file *f, const struct spool_block_head *h, const char **ret)
{
    if (!reserve(&f->stored, &f->stored_cap, h->stored_bytes + 1u) || !reserve(&f->raw, &f->raw_cap, h->raw_bytes + 1u))
        return -ENOMEM;
    const int r = read_all(f->fd, f->stored, h->stored_bytes, f->block_offset + sizeof *h);
    if (r < 0)
        return r;
    *ret = f->raw;
    return spool_block_unpack(h, f->stored, f->raw);
}
