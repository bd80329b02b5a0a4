#include "collector/sinks/compress.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/fd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

enum { CHUNK_BYTES = 1 << 20, GZIP_LEVEL = 5, ZSTD_LEVEL = 3, NICE_LOWEST = 19 };

const char *compress_suffix(enum compress_codec codec)
{
    return codec == COMPRESS_GZIP ? ".gz" : codec == COMPRESS_ZSTD ? ".zst" : "";
}

static bool is_cancelled(struct compress_job *j)
{
    return load_rlx(&j->is_cancelled); /* order: relaxed - nothing else is passed along with it */
}

/* One gzip member per chunk: members in a row are a valid gzip file, and memory stays bounded. */
static int run_gzip(struct compress_job *j, int out, char *from)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(GZIP_LEVEL);
    if (!c)
        return -ENOMEM;
    const size_t room = libdeflate_gzip_compress_bound(c, CHUNK_BYTES);
    char *to = malloc(room);
    int r = to ? 0 : -ENOMEM;
    ssize_t have = CHUNK_BYTES;
    while (r == 0 && have == CHUNK_BYTES) {
        have = fd_read_full(j->source_fd, from, CHUNK_BYTES);
        if (have <= 0) {
            r = (int)have;
            break;
        }
        const size_t n = libdeflate_gzip_compress(c, from, (size_t)have, to, room);
        CHECK(n > 0);
        r = fd_write_all(out, to, n);
        if (is_cancelled(j))
            r = -ECANCELED;
    }
    free(to);
    libdeflate_free_compressor(c);
    return r;
}

static int zstd_step(ZSTD_CCtx *c, int out, ZSTD_inBuffer *in, ZSTD_EndDirective end, char *to, size_t room)
{
    size_t left;
    do {
        ZSTD_outBuffer o = {to, room, 0};
        left = ZSTD_compressStream2(c, &o, in, end);
        if (ZSTD_isError(left))
            return -EIO;
        const int r = fd_write_all(out, to, o.pos);
        if (r < 0)
            return r;
    } while (end == ZSTD_e_end ? left != 0 : in->pos < in->size);
    return 0;
}

static int run_zstd(struct compress_job *j, int out, char *from)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    const size_t room = ZSTD_CStreamOutSize();
    char *to = malloc(room);
    int r = c && to ? 0 : -ENOMEM;
    if (r == 0 && (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
                   ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1))))
        r = -EINVAL;
    ssize_t have = CHUNK_BYTES;
    while (r == 0 && have == CHUNK_BYTES) {
        have = fd_read_full(j->source_fd, from, CHUNK_BYTES);
        if (have < 0) {
            r = (int)have;
            break;
        }
        ZSTD_inBuffer in = {from, (size_t)have, 0};
        r = zstd_step(c, out, &in, have == CHUNK_BYTES ? ZSTD_e_continue : ZSTD_e_end, to, room);
        if (is_cancelled(j))
            r = -ECANCELED;
    }
    free(to);
    ZSTD_freeCCtx(c);
    return r;
}

/* Mode, owner and time of the original: retention by age goes on counting from the last record. */
static int copy_attributes(int from, int to)
{
    struct stat st;
    if (fstat(from, &st) < 0 || fchmod(to, st.st_mode & 07777) < 0)
        return -errno;
    if (fchown(to, st.st_uid, st.st_gid) < 0 && errno != EPERM)
        return -errno;
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    return futimens(to, times) < 0 ? -errno : 0;
}

static int compress_file(struct compress_job *j)
{
    auto_fd out = open(j->partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return -errno;
    auto_free char *from = malloc(CHUNK_BYTES);
    int r = from ? 0 : -ENOMEM;
    if (r == 0)
        r = j->codec == COMPRESS_GZIP ? run_gzip(j, out, from) : run_zstd(j, out, from);
    if (r == 0)
        r = copy_attributes(j->source_fd, out);
    if (r == 0 && fsync(out) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(j->partial);
    return r;
}

static void *compress_thread(void *arg)
{
    struct compress_job *j = arg;
    /* for this thread only, and only a wish: compression is right at any priority */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE_LOWEST);
    j->result = compress_file(j);
    /* order: J1 release, pairs with J2 - result is written */
    store_rel(&j->is_done, true);
    return NULL;
}

int compress_start(struct compress_job *j, enum compress_codec codec, int source_fd, uint64_t source_ino,
                   const char *partial)
{
    sigset_t all, before;
    CHECK(!j->is_running);
    CHECK(codec == COMPRESS_GZIP || codec == COMPRESS_ZSTD);
    *j = (struct compress_job){.codec = codec, .source_fd = source_fd, .source_ino = source_ino};
    (void)snprintf(j->partial, sizeof j->partial, "%s", partial);
    (void)sigfillset(&all); /* signals belong to the collector's own threads */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int r = -pthread_create(&j->thread, NULL, compress_thread, j);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0) {
        (void)close(source_fd);
        return r;
    }
    j->is_running = true;
    return 0;
}

static int compress_join(struct compress_job *j)
{
    (void)pthread_join(j->thread, NULL);
    (void)close(j->source_fd);
    j->is_running = false;
    return j->result < 0 ? j->result : 1;
}

int compress_poll(struct compress_job *j)
{
    CHECK(j->is_running);
    /* order: J2 acquire, pairs with J1 */
    return load_acq(&j->is_done) ? compress_join(j) : 0;
}

int compress_wait(struct compress_job *j, uint64_t until_ns)
{
    const struct timespec pause = {.tv_nsec = 500000};
    int r;
    while ((r = compress_poll(j)) == 0 && clock_mono_ns() < until_ns)
        (void)nanosleep(&pause, NULL);
    return r;
}

void compress_cancel(struct compress_job *j)
{
    if (!j->is_running)
        return;
    store_rlx(&j->is_cancelled, true); /* order: relaxed - a hint to stop; the join orders the rest */
    if (compress_join(j) == 1)
        (void)unlink(j->partial);
}
