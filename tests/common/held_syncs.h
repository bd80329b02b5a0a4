/* held_syncs.h - a disk that takes its time: each fdatasync is held until the test lets it end. For one file of a
 * program that is linked with --wrap=io_submit. */
#ifndef TESTS_COMMON_HELD_SYNCS_H
#define TESTS_COMMON_HELD_SYNCS_H

#include "collector/io/io.h"

#include <string.h>

enum { HELD_SYNCS_MAX = 16 };

static struct io_req *held[HELD_SYNCS_MAX];
static uint32_t held_count;

void __real_io_submit(struct io *to, struct io_req *req);
void __wrap_io_submit(struct io *to, struct io_req *req);

void __wrap_io_submit(struct io *to, struct io_req *req)
{
    if (req->op != IO_FDATASYNC) {
        __real_io_submit(to, req);
        return;
    }
    assert_in_range(held_count, 0, HELD_SYNCS_MAX - 1);
    held[held_count++] = req;
}

/* The oldest one ends. */
static void sync_ends(int result)
{
    struct io_req *req = held[0];
    assert_true(held_count > 0);
    memmove(held, held + 1, --held_count * sizeof held[0]);
    req->done(req, result);
}

#endif
