/* Native files as sources of the reader: the lanes of one block at a time. */
#include "lib/reader/reader_internal.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/reader/native_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct native_source {
    struct reader_source src;
    struct native_lane *lane;
    struct reader_native *of;
};

static int native_load(struct reader *r, struct reader_native *n, struct err *e);

/* Offers the lane's next record. 1: done; 0: there is none. */
static int source_read(struct reader *r, struct native_source *s, struct err *e)
{
    int k = native_lane_next(s->lane, &s->src.rec);
    if (k < 0)
        return err_set(e, k, "no memory to read %s", s->of->path);
    if (k > 0)
        k = reader_offer(r, &s->src, e);
    else
        return 0;
    return k < 0 ? k : 1;
}

static int source_advance(struct reader *r, struct reader_source *src, struct err *e)
{
    struct native_source *s = (struct native_source *)(void *)src;
    const int k = source_read(r, s, e);
    if (k != 0)
        return k < 0 ? k : 0;
    CHECK(s->of->pending > 0);
    return --s->of->pending ? 0 : native_load(r, s->of, e);
}

static struct native_source *source_get(struct reader_native *n, struct native_lane *lane)
{
    if (!lane->user) {
        struct native_source *s = calloc(1, sizeof *s);
        if (!s)
            return NULL;
        s->src.advance = source_advance;
        s->lane = lane;
        s->of = n;
        lane->user = s;
    }
    return lane->user;
}

/* Loads blocks until one has records. */
static int native_load(struct reader *r, struct reader_native *n, struct err *e)
{
    int k = 0;
    while (!n->pending && (k = native_stream_load(n->stream, e)) > 0) {
        struct native_lane *const *lanes;
        const uint32_t count = native_stream_lanes(n->stream, &lanes);
        for (uint32_t i = 0; i < count; i++) {
            struct native_source *s = source_get(n, lanes[i]);
            if (!s)
                return err_set(e, -ENOMEM, "no memory to read %s", n->path);
            const int offered = source_read(r, s, e);
            if (offered < 0)
                return offered;
            n->pending += (uint32_t)offered;
        }
    }
    if (k < 0 && k != -ENOMEM) { /* one disk that fails does not hide the other files */
        r->closed.refused++;
        reader_warn(r, "%s: %s", n->path, e->text);
        return 0;
    }
    return k < 0 ? err_wrap(e, k, "%s", n->path) : 0;
}

int reader_native_add_fd(struct reader *r, int fd, const char *path, bool named, struct err *e)
{
    struct native_stream *stream;
    struct stat st;
    if (fstat(fd, &st) < 0) {
        const int saved = -errno;
        (void)close(fd);
        return err_sys(e, saved, "%s", path);
    }
    const int k = native_stream_open_fd(fd, path, &stream, e);
    if (k < 0)
        return k;
    struct reader_native **more = realloc(r->natives, (r->natives_count + 1) * sizeof *more);
    if (more)
        r->natives = more;
    struct reader_native *n = calloc(1, sizeof *n);
    char *copy = strdup(path);
    if (!more || !n || !copy) {
        free(n);
        free(copy);
        native_stream_close(stream);
        return err_set(e, -ENOMEM, "no memory for %s", path);
    }
    *n = (struct reader_native){.stream = stream, .path = copy, .seen = true, .named = named};
    n->dev = st.st_dev;
    n->ino = st.st_ino;
    r->natives[r->natives_count++] = n;
    return 0;
}

int reader_native_refresh(struct reader *r, struct reader_native *n, struct err *e)
{
    return n->pending ? 0 : native_load(r, n, e);
}

void reader_native_free(struct reader *r, struct reader_native *n)
{
    reader_native_totals(n, &r->closed);
    native_stream_close(n->stream);
    free(n->path);
    free(n);
}

void reader_native_totals(const struct reader_native *n, struct reader_totals *t)
{
    struct native_totals own = {0};
    native_stream_totals(n->stream, &own);
    t->damaged += own.damaged;
    t->skipped_bytes += own.skipped_bytes;
}
