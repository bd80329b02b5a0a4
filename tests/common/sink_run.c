#include "tests/common/sink_run.h"
#include "tests/common/native_run.h"

#include "lib/base/clock.h"
#include "lib/base/check.h"
#include "tests/common/sink_new.h"

#include <dirent.h>
#include <errno.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* ---- steps ---- */

static uint64_t steps, kill_step;

void run_kill_at(uint64_t n)
{
    steps = 0;
    kill_step = n;
}

uint64_t run_steps(void) { return steps; }

static void step(void)
{
    if (++steps == kill_step)
        _exit(99);
}

#define WRAP(ret, name, params, args) \
    ret __real_##name params; \
    ret __wrap_##name params; \
    ret __wrap_##name params \
    { \
        step(); \
        ret r_ = __real_##name args; \
        step(); \
        return r_; \
    }

WRAP(int, io_open, (struct io *io, const char *path, int flags, mode_t mode), (io, path, flags, mode))
WRAP(int, io_close, (struct io *io, int fd), (io, fd))
WRAP(int, io_rename, (struct io *io, const char *from, const char *to), (io, from, to))
WRAP(int, io_unlink, (struct io *io, const char *path), (io, path))
WRAP(int, io_mkdir, (struct io *io, const char *path, mode_t mode), (io, path, mode))
WRAP(int, io_fstat, (struct io *io, int fd, struct stat *ret), (io, fd, ret))
WRAP(int, io_stat, (struct io *io, const char *path, struct stat *ret), (io, path, ret))
WRAP(int, io_ftruncate, (struct io *io, int fd, int64_t size), (io, fd, size))
WRAP(int, io_turn, (struct io *io, uint64_t deadline_ns), (io, deadline_ns))

void __real_io_submit(struct io *io, struct io_req *req);
void __wrap_io_submit(struct io *io, struct io_req *req);
void __wrap_io_submit(struct io *io, struct io_req *req)
{
    step();
    __real_io_submit(io, req);
    step();
}

/* ---- the stream ---- */

size_t run_record(char *to, uint64_t i, size_t record_bytes)
{
    const size_t pad = record_bytes ? record_bytes : 20 + (size_t)(i * 7919 % 90);
    int n = snprintf(to, RUN_RECORD_MAX, "record %08llu ", (unsigned long long)i);
    for (; (size_t)n + 1 < pad; n++)
        to[n] = (char)('a' + (i + (unsigned)n) % 26);
    to[n++] = '\n';
    return (size_t)n;
}

struct run_state *run_state_new(void)
{
    void *p = mmap(NULL, sizeof(struct run_state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

void run_state_free(struct run_state *s) { (void)munmap(s, sizeof *s); }

/* ---- the core ---- */

static void persist(struct run *r)
{
    const uint32_t other = !r->state->slot_used;
    step();
    r->state->slot[other].next = r->next;
    if (r->sink->ops->mark)
        r->sink->ops->mark(r->sink, &r->state->slot[other].mark);
    r->state->slot_used = other;
    r->state->has_mark = 1;
    step();
}

static void on_done(struct sink *s, int result)
{
    struct run *r = s->core;
    CHECK(!r->is_done);
    CHECK(!r->is_writing); /* a core that writes the next batch from here would nest without end */
    r->is_done = true;
    r->result = result;
    step();
    if (result == 0) {
        r->next += r->batch.records;
        persist(r);
    } else {
        r->failures++;
    }
}

/* The core can take a new mark while it waits for a batch, and inside its own calls; not in between. */
static void on_mark(struct sink *s)
{
    struct run *r = s->core;
    CHECK(!r->is_done || r->is_calling);
    persist(r);
}

static void on_warn(struct sink *s, const struct err *e)
{
    struct run *r = s->core;
    r->warnings++;
    r->warned = *e;
}

int run_open(struct run *r, struct run_state *state, const char *uri, const struct io_config *io, struct err *e)
{
    static const struct io_config plain = {.kind = IO_PLAIN};
    *r = (struct run){.state = state, .is_done = true, .record_bytes = r->record_bytes};
    int result = io_new(io ? io : &plain, &r->io, e);
    if (result < 0)
        return result;
    result = sink_new(uri, "test", &r->sink, e);
    if (result < 0) {
        io_free(r->io);
        r->io = NULL;
        return result;
    }
    r->sink->io = r->io;
    r->sink->done = on_done;
    r->sink->mark_changed = on_mark;
    r->sink->warn = on_warn;
    r->sink->core = r;
    r->next = state->slot[state->slot_used].next;
    r->data = malloc(RUN_BATCH_RECORDS * RUN_RECORD_MAX);
    CHECK(r->data);
    result = r->sink->ops->open(r->sink, e);
    if (result == 0 && state->has_mark && r->sink->ops->recover)
        result = r->sink->ops->recover(r->sink, &state->slot[state->slot_used].mark, e);
    if (result == 0)
        persist(r);
    return result;
}

static void fill_batch(struct run *r, uint64_t end)
{
    const uint64_t room = r->sink->ops->room ? r->sink->ops->room(r->sink) : UINT64_MAX;
    uint32_t len = 0, n = 0;
    CHECK(room > 0);
    for (uint64_t i = r->next; i < end && n < RUN_BATCH_RECORDS; i++) {
        const size_t one = run_record(r->data + len, i, r->record_bytes);
        if (n && len + one > room)
            break;
        len += (uint32_t)one;
        r->ends[n++] = len;
    }
    r->chunk = (struct sink_chunk){r->data, len, -1, n, r->ends};
    r->batch.id++;
    r->batch.records = n;
    r->batch.bytes = len;
    r->batch.chunks = &r->chunk;
    r->batch.chunks_count = 1;
}

int run_batch(struct run *r, uint64_t end)
{
    /* what failed is given again as it was */
    if (r->result < 0)
        CHECK(r->batch.id > 0);
    else if (r->sink->ops->wants_raw)
        native_run_fill(r, end);
    else
        fill_batch(r, end);
    r->is_done = false;
    r->is_writing = true;
    r->sink->ops->write(r->sink, &r->batch);
    r->is_writing = false;
    const uint64_t until = clock_mono_ns() + 10 * NS_PER_S;
    while (!r->is_done && clock_mono_ns() < until)
        CHECK(io_turn(r->io, until) >= 0);
    CHECK(r->is_done);
    return r->result;
}

void run_tick(struct run *r)
{
    r->is_calling = true;
    if (r->sink->ops->tick)
        r->sink->ops->tick(r->sink, clock_mono_ns());
    r->is_calling = false;
    const uint64_t until = clock_mono_ns() + 10 * NS_PER_S;
    while (io_inflight(r->io) && clock_mono_ns() < until)
        CHECK(io_turn(r->io, until) >= 0);
}

int run_rotate(struct run *r)
{
    r->is_calling = true;
    const int result = r->sink->ops->rotate(r->sink, NULL);
    r->is_calling = false;
    return result;
}

int run_reopen(struct run *r)
{
    r->is_calling = true;
    const int result = r->sink->ops->reopen(r->sink, NULL);
    r->is_calling = false;
    return result;
}

bool run_until(struct run *r, uint64_t end)
{
    for (unsigned tries = 0; r->next < end && tries < 50; tries++) {
        if (run_batch(r, end) == 0)
            tries = 0;
        run_tick(r);
    }
    return r->next >= end;
}

int run_close(struct run *r, struct err *e)
{
    int result = 0;
    if (r->sink) {
        result = r->sink->ops->close(r->sink, e);
        if (result == 0 && r->next != r->state->slot[r->state->slot_used].next)
            persist(r);
        sink_free(r->sink);
    }
    io_free(r->io);
    free(r->data);
    r->sink = NULL;
    r->io = NULL;
    r->data = NULL;
    return result;
}

/* ---- what is on disk ---- */

static char *read_whole(const char *path, size_t *ret_len)
{
    struct stat st;
    FILE *in = fopen(path, "re");
    CHECK(in);
    CHECK(fstat(fileno(in), &st) == 0);
    char *data = malloc((size_t)st.st_size + 1);
    CHECK(data);
    *ret_len = fread(data, 1, (size_t)st.st_size, in);
    CHECK(*ret_len == (size_t)st.st_size);
    (void)fclose(in);
    return data;
}

enum { UNPACKED_MAX = 8 << 20 };

static char *unpack(char *data, size_t *len, bool gzip)
{
    char *out = malloc(UNPACKED_MAX);
    size_t have = 0, at = 0;
    CHECK(out);
    while (gzip && at < *len) {
        size_t used, made;
        struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
        CHECK(libdeflate_gzip_decompress_ex(d, data + at, *len - at, out + have, UNPACKED_MAX - have, &used,
                                            &made) == LIBDEFLATE_SUCCESS);
        libdeflate_free_decompressor(d);
        at += used;
        have += made;
    }
    if (!gzip) {
        have = ZSTD_decompress(out, UNPACKED_MAX, data, *len);
        CHECK(!ZSTD_isError(have));
    }
    free(data);
    *len = have;
    return out;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct run_file *)a)->name, ((const struct run_file *)b)->name);
}

void run_read_files(const char *directory, struct run_files *ret)
{
    char path[600];
    struct dirent *entry;
    DIR *d = opendir(directory);
    ret->count = 0;
    CHECK(d);
    while ((entry = readdir(d)) != NULL) {
        struct run_file *f = &ret->file[ret->count];
        if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
            continue;
        CHECK(ret->count < ARRAY_COUNT(ret->file));
        (void)snprintf(f->name, sizeof f->name, "%.255s", entry->d_name);
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        f->data = read_whole(path, &f->len);
        const char *dot = strrchr(f->name, '.');
        if (dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".zst") == 0))
            f->data = unpack(f->data, &f->len, dot[1] == 'g');
        ret->count++;
    }
    (void)closedir(d);
    qsort(ret->file, ret->count, sizeof ret->file[0], by_name);
}

void run_files_free(struct run_files *f)
{
    for (unsigned i = 0; i < f->count; i++)
        free(f->file[i].data);
    f->count = 0;
}

static bool check_file(const struct run_file *f, uint8_t *seen, uint64_t end, size_t record_bytes)
{
    char expected[RUN_RECORD_MAX];
    uint64_t last = UINT64_MAX;
    for (size_t at = 0; at < f->len;) {
        unsigned long long i = UINT64_MAX;
        char head[32] = "";
        memcpy(head, f->data + at, f->len - at < 31 ? f->len - at : 31);
        if (sscanf(head, "record %8llu ", &i) != 1 || i >= end) {
            fprintf(stderr, "%s: at %zu: '%s'\n", f->name, at, head);
            return false;
        }
        const size_t len = run_record(expected, i, record_bytes);
        if (f->len - at < len || memcmp(f->data + at, expected, len) != 0 || seen[i] ||
            (last != UINT64_MAX && i != last + 1)) {
            fprintf(stderr, "%s: at %zu: record %llu %s\n", f->name, at, i, seen[i] ? "again" : "broken");
            return false;
        }
        seen[i] = 1;
        last = i;
        at += len;
    }
    return true;
}

bool run_check_text(const char *directory, uint64_t end, size_t record_bytes)
{
    static struct run_files files;
    uint8_t *seen = calloc(end + 1, 1);
    bool good = true;
    CHECK(seen);
    run_read_files(directory, &files);
    for (unsigned i = 0; i < files.count; i++)
        good &= check_file(&files.file[i], seen, end, record_bytes);
    for (uint64_t i = 0; i < end; i++)
        if (!seen[i]) {
            fprintf(stderr, "%s: record %llu is missing\n", directory, (unsigned long long)i);
            good = false;
            break;
        }
    for (unsigned i = 0; !good && i < files.count; i++)
        fprintf(stderr, "  %s: %zu bytes\n", files.file[i].name, files.file[i].len);
    run_files_free(&files);
    free(seen);
    return good;
}

void run_remove(const char *directory)
{
    char path[600];
    struct dirent *entry;
    DIR *d = opendir(directory);
    if (!d)
        return;
    while ((entry = readdir(d)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            if (unlink(path) < 0)
                run_remove(path);
        }
    (void)closedir(d);
    (void)rmdir(directory);
}

unsigned run_open_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d);
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n;
}
