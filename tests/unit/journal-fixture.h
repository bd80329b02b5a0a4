/* A spool with a journal, on the engine of remote-fixture.h. */
#ifndef TESTS_UNIT_JOURNAL_FIXTURE_H
#define TESTS_UNIT_JOURNAL_FIXTURE_H

#include "tests/unit/remote-fixture.h"

#include "collector/delivery/spool/journal.h"

#include <sys/stat.h>

static inline void spool_path(char ret[FAKE_PATH + 64], const char *name)
{
    (void)snprintf(ret, FAKE_PATH + 64, "%s/spool/fake/%s", f->state, name);
}

static inline void put_image(uint32_t count, struct fake_ticket *t)
{
    fake_put_parcel(f, fake_image(f, count, 100), t);
}

static inline void assert_each_delivered_once(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        assert_int_equal(f->delivered[n], 1);
}

static inline bool has_journal(void)
{
    char path[FAKE_PATH + 64];
    spool_path(path, JOURNAL_FILE);
    return access(path, F_OK) == 0;
}

/* A file that cannot be made: a directory has its name. */
static inline void obstacle(uint64_t sequence, bool is_there)
{
    char name[32], path[FAKE_PATH + 64];
    (void)snprintf(name, sizeof name, "%016x" SPOOL_SUFFIX, (unsigned)sequence);
    spool_path(path, name);
    assert_int_equal(is_there ? mkdir(path, 0700) : rmdir(path), 0);
}

#endif
