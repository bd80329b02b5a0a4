/* Native files as sources of the reader.
 *
 * The records of one lane may stand in several files, whose clocks are interpolated between different
 * anchors: so the files' sources of a lane form a group, of which only the one with the lowest position
 * is in the heap. A source at the start of a span sleeps there: the heap has a time that none of the
 * span's records is older than, and its block is read when that time has come. */
#include "lib/reader/reader_internal.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/reader/native_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Its writer may have it open for a moment. */
#define GONE_NS (2 * NS_PER_S)

struct native_source {
    struct reader_source src;
    struct native_source *next;    /* of the group */
    struct native_source *sibling; /* of the file */
    struct native_group *group;
    struct native_lane *lane;
    struct reader_native *of;
    uint64_t position; /* of its next record, or of the span that begins there */
    bool has_next;
};

struct native_group {
    struct native_group *next; /* of the bucket */
    uint64_t uuid[2];
    uint32_t lane;
    struct native_source *first;
    struct native_source *offered; /* is in the heap, or is the reader's current one */
};

/* Learns what the source has next; its record is decoded only where its span was entered. */
static int source_look(struct native_source *s, struct err *e)
{
    const int k = native_lane_next(s->lane, &s->src.rec);
    if (k < 0)
        return err_set(e, k, "no memory to read %s", s->of->path);
    s->src.is_asleep = false;
    s->has_next = k > 0;
    if (k > 0) {
        s->position = s->src.rec.id.position;
        return 0;
    }
    const struct native_place *p = native_lane_peek(s->lane);
    if (!p)
        return 0;
    s->has_next = true;
    s->src.is_asleep = true;
    s->position = p->head.position + p->head.repeated;
    s->src.rec.time_ns = native_lane_time(s->lane, p);
    s->src.rec.cycles = p->cycles;
    return 0;
}

static int group_offer(struct reader *r, struct native_group *g, struct err *e)
{
    struct native_source *least = NULL;
    for (struct native_source *s = g->first; s; s = s->next) {
        if (s->has_next && (!least || s->position < least->position))
            least = s;
    }
    g->offered = least;
    return least ? reader_offer(r, &least->src, e) : 0;
}

static int source_advance(struct reader *r, struct reader_source *src, struct err *e)
{
    struct native_source *s = (struct native_source *)(void *)src;
    CHECK(s->group->offered == s);
    if (src->is_asleep) {
        const int entered = native_lane_enter(s->lane);
        if (entered < 0)
            return err_set(e, entered, "no memory to read %s", s->of->path);
    }
    const int k = source_look(s, e);
    return k < 0 ? k : group_offer(r, s->group, e);
}

static struct native_group *group_get(struct reader *r, const struct native_lane *l)
{
    const size_t bucket = (l->uuid[1] ^ l->uuid[0] ^ l->cursor.lane) % READER_GROUP_BUCKETS;
    for (struct native_group *g = r->groups[bucket]; g; g = g->next) {
        if (g->uuid[0] == l->uuid[0] && g->uuid[1] == l->uuid[1] && g->lane == l->cursor.lane)
            return g;
    }
    struct native_group *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    *g = (struct native_group){.next = r->groups[bucket], .uuid = {l->uuid[0], l->uuid[1]}, .lane = l->cursor.lane};
    r->groups[bucket] = g;
    return g;
}

static struct native_source *source_get(struct reader *r, struct reader_native *n, struct native_lane *lane)
{
    if (lane->user)
        return lane->user;
    struct native_group *g = group_get(r, lane);
    struct native_source *s = g ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->src.advance = source_advance;
    s->lane = lane;
    s->of = n;
    s->group = g;
    s->next = g->first;
    g->first = s;
    s->sibling = n->sources;
    n->sources = s;
    return lane->user = s;
}

/* What was found goes to sources that had nothing left; the others know where to go on. */
static int lanes_take(struct reader *r, struct reader_native *n, struct err *e)
{
    struct native_lane *const *lanes;
    const uint32_t count = native_stream_lanes(n->stream, &lanes);
    for (uint32_t i = 0; i < count; i++) {
        struct native_source *s = source_get(r, n, lanes[i]);
        if (!s)
            return err_set(e, -ENOMEM, "no memory to read %s", n->path);
        const int k = s->has_next ? 0 : source_look(s, e);
        if (k < 0)
            return k;
    }
    return 0;
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
    *n = (struct reader_native){.stream = stream, .path = copy, .seen = true, .named = named, .scan = r->scans};
    n->dev = st.st_dev;
    n->ino = st.st_ino;
    n->next = r->files[n->ino % READER_FILE_BUCKETS];
    r->files[n->ino % READER_FILE_BUCKETS] = n;
    r->natives[r->natives_count++] = n;
    return 0;
}

struct reader_native *reader_native_find(const struct reader *r, dev_t dev, ino_t ino)
{
    struct reader_native *n = r->files[ino % READER_FILE_BUCKETS];
    while (n && (n->dev != dev || n->ino != ino))
        n = n->next;
    return n;
}

static int native_scan(struct reader *r, struct reader_native *n, struct err *e)
{
    struct err why = {0};
    const uint32_t cuts = native_stream_cuts(n->stream);
    const int k = native_stream_scan(n->stream, &why);
    if (native_stream_cuts(n->stream) != cuts)
        reader_warn(r, "%s was cut short; what is written there now is read", n->path);
    if (k == -ENOMEM)
        return err_set(e, k, "%s: %s", n->path, why.text);
    if (k < 0) { /* one disk that fails does not hide the other files, nor what was read of it */
        r->closed.refused++;
        reader_warn(r, "%s: %s", n->path, why.text);
    }
    return 0;
}

int reader_natives_scan(struct reader *r, struct err *e)
{
    int k = 0;
    for (size_t i = 0; i < r->natives_count && k == 0; i++)
        k = native_scan(r, r->natives[i], e);
    return k;
}

/* All files are looked over before the first group is offered: which of its sources comes first is known
 * only then. */
int reader_natives_refresh(struct reader *r, struct err *e)
{
    int k = reader_natives_scan(r, e);
    for (size_t i = 0; i < r->natives_count && k == 0; i++)
        k = lanes_take(r, r->natives[i], e);
    if (k < 0)
        return k;
    for (size_t i = 0; i < r->natives_count; i++) {
        struct native_lane *const *lanes;
        const uint32_t count = native_stream_lanes(r->natives[i]->stream, &lanes);
        for (uint32_t l = 0; l < count; l++) {
            struct native_group *g = ((struct native_source *)lanes[l]->user)->group;
            const int offered = g->offered ? 0 : group_offer(r, g, e);
            if (offered < 0)
                return offered;
        }
    }
    return 0;
}

static void source_leave(struct native_source *s)
{
    struct native_source **at = &s->group->first;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
}

static bool is_read(const struct reader *r, const struct reader_native *n)
{
    for (const struct native_source *s = n->sources; s; s = s->sibling) {
        if (s->has_next || s->src.pending || &s->src == r->current)
            return false;
    }
    return true;
}

void reader_natives_retire(struct reader *r)
{
    const uint64_t now = clock_mono_ns();
    size_t kept = 0;
    for (size_t i = 0; i < r->natives_count; i++) {
        struct reader_native *n = r->natives[i];
        n->gone_ns = n->seen ? 0 : n->gone_ns ? n->gone_ns : now;
        if (n->gone_ns && now - n->gone_ns >= GONE_NS && is_read(r, n))
            reader_native_free(r, n);
        else
            r->natives[kept++] = n;
    }
    r->natives_count = kept;
}

void reader_native_free(struct reader *r, struct reader_native *n)
{
    struct reader_native **at = &r->files[n->ino % READER_FILE_BUCKETS];
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    for (struct native_source *s = n->sources; s; s = s->sibling)
        source_leave(s);
    reader_native_totals(n, &r->closed);
    native_stream_close(n->stream);
    free(n->path);
    free(n);
}

void reader_groups_free(struct reader *r)
{
    for (size_t i = 0; i < READER_GROUP_BUCKETS; i++) {
        while (r->groups[i]) {
            struct native_group *g = r->groups[i];
            r->groups[i] = g->next;
            free(g);
        }
    }
}

void reader_native_totals(const struct reader_native *n, struct reader_totals *t)
{
    struct native_totals own = {0};
    native_stream_totals(n->stream, &own);
    t->damaged += own.damaged;
    t->skipped_bytes += own.skipped_bytes;
    t->unfinished_bytes += own.unfinished_bytes;
}
