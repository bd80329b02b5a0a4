/* Damaged files, once what could be read of them is delivered: kept for whoever wants to know, a few of them. */
#include "collector/delivery/spool/internal.h"

#include "lib/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BAD ".bad"

static uint64_t bad_sequence(const char *name)
{
    char plain[64];
    uint64_t sequence;
    const size_t len = strlen(name), suffix = sizeof BAD - 1;
    if (len <= suffix || len >= sizeof plain || strcmp(name + len - suffix, BAD) != 0)
        return 0;
    (void)snprintf(plain, sizeof plain, "%.*s", (int)(len - suffix), name);
    return spool_name_parse(plain, &sequence) == SPOOL_ENTRIES ? sequence : 0;
}

/* 1: the oldest of them, where there are too many; 0: there are not. */
static int find_surplus(const struct spool *s, char ret[PATH_MAX])
{
    auto_dir dir = opendir(s->log.dir);
    uint64_t oldest = UINT64_MAX;
    unsigned count = 0;
    if (!dir)
        return -errno;
    for (const struct dirent *d; (errno = 0, d = readdir(dir));) {
        const uint64_t sequence = bad_sequence(d->d_name);
        count += sequence != 0;
        if (!sequence || sequence >= oldest)
            continue;
        oldest = sequence;
        if (snprintf(ret, PATH_MAX, "%s/%s", s->log.dir, d->d_name) >= PATH_MAX)
            return -ENAMETOOLONG;
    }
    return errno ? -errno : count > SPOOL_BAD_MAX; /* the oldest of half of them may be one of the newest */
}

void spool_quarantine(struct spool *s, const struct seglog_segment *seg)
{
    char path[PATH_MAX], bad[PATH_MAX + sizeof BAD];
    seglog_path(&s->log, seg, path);
    (void)snprintf(bad, sizeof bad, "%s" BAD, path);
    if (io_rename(s->cfg.io, path, bad) < 0)
        return; /* it goes as every file that is done with */
    spool_say(s, "%s: kept for inspection", bad);
    int r;
    while ((r = find_surplus(s, path)) > 0 && (r = io_unlink(s->cfg.io, path)) == 0)
        ;
    if (r < 0)
        spool_say(s, "%s: more than %d damaged files are kept: %s", s->log.dir, SPOOL_BAD_MAX, strerror(-r));
}
