#include "collector/delivery/acked/slots.h"

#include "lib/base/atomics.h"
#include "lib/base/cleanup.h"
#include "lib/base/fault.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ENDIAN_MARK = 0x01020304 };

static uint64_t head_hash(const struct acked_head *h)
{
    return XXH3_64bits(h, offsetof(struct acked_head, xxh3));
}

static bool head_is_valid(const struct acked_head *h)
{
    return h->magic == ACKED_MAGIC && h->endian == ENDIAN_MARK && h->slots == ACKED_SLOTS &&
           h->xxh3 == head_hash(h);
}

/* Allocated, not sparse: a store into a hole of a full tmpfs would be a SIGBUS. */
static int fd_map(int fd, struct acked_file **ret)
{
    const int r = posix_fallocate(fd, 0, sizeof **ret);
    if (r != 0)
        return -r;
    void *map = mmap(NULL, sizeof **ret, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    *ret = map;
    return 0;
}

/* A complete file appears under its name, or the one before stays. */
static int file_create(const char *path, struct acked_file **ret, struct err *e)
{
    char path_new[PATH_MAX + 8];
    (void)snprintf(path_new, sizeof path_new, "%s.new", path);
    auto_fd fd = open(path_new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "create %s", path_new);
    int r = fd_map(fd, ret);
    if (r == 0) {
        struct acked_head *h = &(*ret)->head;
        *h = (struct acked_head){ .magic = ACKED_MAGIC, .endian = ENDIAN_MARK, .slots = ACKED_SLOTS };
        h->xxh3 = head_hash(h);
        r = rename(path_new, path) < 0 ? -errno : 0;
    }
    if (r < 0) {
        acked_unmap(*ret);
        *ret = NULL;
        (void)unlink(path_new);
        return err_sys(e, r, "make %s", path);
    }
    return 0;
}

/* 0: it was not there; 1: mapped; -EBADMSG: not a file of ours. */
static int file_load(const char *path, struct acked_file **ret)
{
    struct stat st;
    struct acked_head h;
    auto_fd fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size != sizeof **ret || pread(fd, &h, sizeof h, 0) != sizeof h ||
        !head_is_valid(&h))
        return -EBADMSG;
    const int r = fd_map(fd, ret);
    return r < 0 ? r : 1;
}

int acked_map(const char *dir, struct acked_file **ret, struct err *e)
{
    char path[PATH_MAX];
    *ret = NULL;
    if ((size_t)snprintf(path, sizeof path, "%s/" ACKED_FILE, dir) >= sizeof path)
        return err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
    int r = file_load(path, ret);
    if (r < 0 && r != -EBADMSG)
        return err_sys(e, r, "open %s", path);
    if (r > 0)
        return 0;
    const bool was_damaged = r < 0;
    r = file_create(path, ret, e);
    if (r == 0 && was_damaged) {
        (void)err_set(e, -EBADMSG, "%s is damaged or of another version, and begun anew", path);
        return 1;
    }
    return r;
}

int acked_map_new(const char *dir, struct acked_file **ret, struct err *e)
{
    char path[PATH_MAX];
    *ret = NULL;
    return (size_t)snprintf(path, sizeof path, "%s/" ACKED_FILE, dir) < sizeof path
               ? file_create(path, ret, e) : err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
}

bool acked_file_is_whole(const struct acked_file *f)
{
    return f->head.magic == ACKED_MAGIC;
}

void acked_unmap(struct acked_file *f)
{
    if (f)
        (void)munmap(f, sizeof *f);
}

static uint64_t slot_hash(const struct acked_slot *s)
{
    return XXH3_64bits(&s->identity, sizeof *s - offsetof(struct acked_slot, identity));
}

bool acked_slot_read(const struct acked_slot *s, uint64_t *ret_identity, struct acked_place *ret)
{
    if (!s->xxh3 || s->xxh3 != slot_hash(s) || s->first > s->last)
        return false;
    *ret_identity = s->identity;
    *ret = (struct acked_place){ { s->uuid[0], s->uuid[1] }, s->first, s->last, s->lane };
    return true;
}

void acked_slot_write(struct acked_slot *s, uint64_t identity, const struct acked_place *p)
{
    s->identity = identity;
    s->uuid[0] = p->uuid[0];
    s->uuid[1] = p->uuid[1];
    s->first = p->first;
    s->last = p->last;
    s->lane = p->lane;
    s->zero = 0;
    s->zero_2 = 0;
    FAULT_POINT("note-torn");
    /* order: release - only the next process reads it, after the death of this one: the compiler must not sink the
     * stores above below the hash */
    store_rel(&s->xxh3, slot_hash(s));
}

void acked_slot_clear(struct acked_slot *s)
{
    FAULT_POINT("note-clear");
    store_rel(&s->xxh3, 0); /* order: release, as above - what takes its place was written before */
}
