#include "lib/reader/reader.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ANCHORS_MAX = 4096, SEGMENT_FLAGS = SEGMENT_ANY_OWNER | SEGMENT_ANY_FS | SEGMENT_SALVAGE };

struct reader_lane {
    struct lane_cursor cursor;
    struct fapilog_record rec; /* pending: it lies in the heap */
    uint64_t tail;
    struct reader_segment *of;
    bool pending;
    bool broken; /* its tail is impossible: nothing more is read */
};

struct reader {
    struct reader_segment **segments;
    size_t segments_count;
    char **dirs;
    size_t dirs_count;
    struct reader_lane **heap; /* by time of the pending record, least first */
    size_t heap_count, heap_max;
    struct reader_lane *current; /* its record was returned last */
    struct reader_totals closed; /* of segments that are closed again, and of files refused */
    uint64_t records;
    reader_warn_func *warn;
    void *warn_arg;
};

__attribute__((format(printf, 2, 3)))
static void warn(const struct reader *r, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (r->warn)
        r->warn(r->warn_arg, text);
}

int reader_new(struct reader **ret, reader_warn_func *warn_func, void *warn_arg, struct err *e)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, -ENOMEM, "no memory for a reader");
    r->warn = warn_func;
    r->warn_arg = warn_arg;
    *ret = r;
    return 0;
}

/* ---- the heap ---- */

static bool earlier(const struct reader_lane *a, const struct reader_lane *b)
{
    if (a->rec.time_ns != b->rec.time_ns)
        return a->rec.time_ns < b->rec.time_ns;
    return a->rec.cycles < b->rec.cycles;
}

static void heap_swap(struct reader *r, size_t i, size_t j)
{
    struct reader_lane *l = r->heap[i];
    r->heap[i] = r->heap[j];
    r->heap[j] = l;
}

static int heap_push(struct reader *r, struct reader_lane *l)
{
    if (r->heap_count == r->heap_max) {
        const size_t max = r->heap_max ? 2 * r->heap_max : 64;
        struct reader_lane **more = realloc(r->heap, max * sizeof *more);
        if (!more)
            return -ENOMEM;
        r->heap = more;
        r->heap_max = max;
    }
    size_t i = r->heap_count++;
    r->heap[i] = l;
    for (; i && earlier(r->heap[i], r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_swap(r, i, (i - 1) / 2);
    return 0;
}

static struct reader_lane *heap_pop(struct reader *r)
{
    CHECK(r->heap_count > 0);
    struct reader_lane *top = r->heap[0];
    r->heap[0] = r->heap[--r->heap_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < r->heap_count; child++)
            least = earlier(r->heap[child], r->heap[least]) ? child : least;
        if (least == i)
            break;
        heap_swap(r, i, least);
        i = least;
    }
    return top;
}

/* ---- lanes ---- */

/* Reads the lane's next record, if any, and puts the lane into the heap. */
static int lane_advance(struct reader *r, struct reader_lane *l)
{
    if (l->pending || l->broken)
        return 0;
    const int n = lane_next(&l->cursor, l->tail, &l->rec);
    if (n == -EBADMSG) {
        l->broken = true;
        l->cursor.damaged++;
        warn(r, "%s: lane %" PRIu32 " has an impossible tail %" PRIu64 " after %" PRIu64, l->of->path, l->cursor.lane,
             l->tail, l->cursor.pos);
        return 0;
    }
    if (n <= 0)
        return n;
    l->pending = true;
    return heap_push(r, l);
}

static struct reader_lane *lane_new(struct reader_segment *s, uint32_t lane, struct err *e)
{
    struct reader_lane *l = calloc(1, sizeof *l);
    if (!l || lane_cursor_init(&l->cursor, s->seg, lane, lane_oldest(s->seg, lane), LANE_COPY) < 0) {
        free(l);
        (void)err_set(e, -ENOMEM, "no memory for lane %" PRIu32 " of %s", lane, s->path);
        return NULL;
    }
    l->of = s;
    l->tail = l->cursor.pos;
    return l;
}

static void lane_free(struct reader_lane *l)
{
    if (l)
        lane_cursor_done(&l->cursor);
    free(l);
}

/* ---- segments ---- */

static void totals_add(const struct reader_segment *s, struct reader_totals *t)
{
    for (uint32_t i = 0; s->seg && i < s->seg->lanes_count; i++) {
        const struct reader_lane *l = s->lanes[i];
        if (!l)
            continue;
        t->lost += l->cursor.lost;
        t->damaged += l->cursor.damaged;
        t->skipped_bytes += l->cursor.skipped_bytes;
    }
    if (s->seg)
        t->damaged += segment_is_damaged(s->seg);
}

static void segment_drop(struct reader *r, struct reader_segment *s)
{
    totals_add(s, &r->closed);
    for (uint32_t i = 0; s->seg && i < s->seg->lanes_count; i++)
        lane_free(s->lanes[i]);
    free(s->lanes);
    s->lanes = NULL;
    segment_close(s->seg);
    s->seg = NULL;
}

static void reader_segment_free(struct reader *r, struct reader_segment *s)
{
    segment_drop(r, s);
    free(s->path);
    free(s);
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->segments_count; i++)
        reader_segment_free(r, r->segments[i]);
    for (size_t i = 0; i < r->dirs_count; i++)
        free(r->dirs[i]);
    free(r->segments);
    free(r->dirs);
    free(r->heap);
    free(r);
}

bool reader_clock_is_ours(const struct segment *seg)
{
    char text[64] = "";
    uint8_t id[16] = {0};
    auto_fd fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    unsigned digits = 0;
    for (ssize_t i = 0; i < n && digits < 32; i++) {
        const char c = text[i];
        const int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (v >= 0) {
            id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | v);
            digits++;
        }
    }
    return digits == 32 && memcmp(id, &seg->sb.boot_hi, sizeof id) == 0;
}

static void anchors_collect(struct segment *seg, uint32_t lane)
{
    const struct segment_lane *g = &seg->lanes[lane];
    if (!g->cap_log2)
        return;
    const uint64_t block = UINT64_C(1) << g->block_log2, mask = (UINT64_C(1) << g->cap_log2) - 1;
    const uint64_t tail = load_acq(&segment_lane_shared(seg, lane)->tail); /* order: C2 acquire, pairs with C1 */
    uint64_t pos = lane_oldest(seg, lane);
    for (uint64_t blocks = (mask + 1) / block; blocks && pos < tail; blocks--, pos += block) {
        const struct fapilog_block *b = (const struct fapilog_block *)(const void *)(seg->base + g->data_off + (pos & mask));
        const uint64_t word0 = load_rlx(&b->word0), at = load_rlx(&b->pos), cycles = load_rlx(&b->cycles);
        const uint64_t real_ns = load_rlx(&b->real_ns);
        /* A torn header's anchor would falsify times: the position is written over with each new one. */
        if (FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_BLOCK && at == pos && load_rlx(&b->pos) == pos)
            clock_map_add(&seg->clock, cycles, (int64_t)real_ns);
    }
}

static void anchor_now(struct segment *seg)
{
    uint64_t cycles;
    int64_t real_ns;
    if (clock_sample(seg->sb.clock_kind, &cycles, &real_ns) == 0)
        clock_map_add(&seg->clock, cycles, real_ns);
}

void reader_calibrate(struct segment *seg, bool own_clock)
{
    for (uint32_t i = 0; i < seg->lanes_count; i++)
        anchors_collect(seg, i);
    if (own_clock)
        anchor_now(seg);
}

static int segment_refresh(struct reader *r, struct reader_segment *s, struct err *e)
{
    struct segment *seg = s->seg;
    for (uint32_t i = 0; i < seg->lanes_count; i++) {
        const uint64_t tail = load_acq(&segment_lane_shared(seg, i)->tail); /* order: C2 acquire, pairs with C1 */
        if (!s->lanes[i] && tail && segment_lane_refresh(seg, i)) {
            s->lanes[i] = lane_new(s, i, e);
            if (!s->lanes[i])
                return -ENOMEM;
        }
        if (s->lanes[i])
            s->lanes[i]->tail = tail;
    }
    if (s->own_clock) /* after the tails: every record before them has an anchor behind it */
        anchor_now(seg);
    for (uint32_t i = 0; i < seg->lanes_count; i++) {
        if (s->lanes[i] && s->lanes[i] != r->current && lane_advance(r, s->lanes[i]) < 0)
            return err_set(e, -ENOMEM, "no memory to read %s", s->path);
    }
    return 0;
}

static int segment_add(struct reader *r, struct segment *seg, const char *path, bool named, struct err *e)
{
    struct reader_segment **more = realloc(r->segments, (r->segments_count + 1) * sizeof *more);
    if (more)
        r->segments = more;
    struct reader_segment *s = calloc(1, sizeof *s);
    if (s) {
        s->lanes = calloc(seg->lanes_count, sizeof(struct reader_lane *));
        s->path = strdup(path);
    }
    if (!more || !s || !s->lanes || !s->path) {
        if (s) {
            free(s->lanes);
            free(s->path);
        }
        free(s);
        segment_close(seg);
        return err_set(e, -ENOMEM, "no memory for %s", path);
    }
    s->seg = seg;
    s->seen = true;
    s->named = named;
    s->own_clock = reader_clock_is_ours(seg);
    r->segments[r->segments_count++] = s;
    if (segment_is_damaged(seg))
        warn(r, "%s: the superblock or the file's length is damaged; saving what can be read", path);
    reader_calibrate(seg, s->own_clock);
    return 0;
}

static const struct segment_limits tool_limits = {.anchors_max = ANCHORS_MAX};

static bool is_known(struct reader *r, const char *path)
{
    for (size_t i = 0; i < r->segments_count; i++) {
        if (strcmp(r->segments[i]->path, path) == 0)
            return r->segments[i]->seen = true;
    }
    return false;
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

static int dir_scan(struct reader *r, const char *dir, bool quiet, struct err *e)
{
    auto_dir d = opendir(dir);
    if (!d)
        return err_sys(e, -errno, "ring directory %s", dir);
    for (const struct dirent *entry; (entry = readdir(d));) {
        char path[PATH_MAX];
        struct segment *seg;
        struct err why = {0};
        if (entry->d_name[0] == '.' || !has_suffix(entry->d_name, FAPILOG_SEGMENT_SUFFIX))
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= sizeof path || is_known(r, path))
            continue;
        int n = segment_open(dirfd(d), entry->d_name, SEGMENT_FLAGS, &tool_limits, &seg, &why);
        if (n == -ENOENT || (n < 0 && quiet)) /* unlinked meanwhile; or told before */
            continue;
        if (n < 0) {
            r->closed.refused++;
            warn(r, "%s", why.text);
            continue;
        }
        n = segment_add(r, seg, path, false, e);
        if (n < 0)
            return n;
    }
    return 0;
}

static int dir_add(struct reader *r, const char *path, struct err *e)
{
    char **more = realloc(r->dirs, (r->dirs_count + 1) * sizeof *more);
    if (more)
        r->dirs = more;
    char *copy = strdup(path);
    if (!more || !copy) {
        free(copy);
        return err_set(e, -ENOMEM, "no memory for %s", path);
    }
    r->dirs[r->dirs_count++] = copy;
    return dir_scan(r, path, false, e);
}

int reader_add(struct reader *r, const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(e, -errno, "%s", path);
    if (S_ISDIR(st.st_mode))
        return dir_add(r, path, e);
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_sys(e, -errno, "%s", path);
    struct segment *seg;
    const int n = segment_open_fd(take_fd(fd), SEGMENT_FLAGS, &tool_limits, &seg, e);
    return n < 0 ? err_wrap(e, n, "%s", path) : segment_add(r, seg, path, true, e);
}

static bool all_read(const struct reader *r, const struct reader_segment *s)
{
    for (uint32_t i = 0; i < s->seg->lanes_count; i++) {
        const struct reader_lane *l = s->lanes[i];
        if (l && (l->pending || l == r->current))
            return false;
    }
    return true;
}

/* Dead segments that are read to their end give their memory back; they stay known while their file
 * is there, so as not to be read twice. */
static void segments_retire(struct reader *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->segments_count; i++) {
        struct reader_segment *s = r->segments[i];
        if (s->seg && !s->seen && !s->named && segment_is_alive(s->seg) == 0 && all_read(r, s))
            segment_drop(r, s);
        if (!s->seg && !s->seen && !s->named)
            reader_segment_free(r, s);
        else
            r->segments[kept++] = s;
    }
    r->segments_count = kept;
}

int reader_rescan(struct reader *r, struct err *e)
{
    int n = 0;
    for (size_t i = 0; i < r->segments_count && r->dirs_count; i++)
        r->segments[i]->seen = false;
    for (size_t i = 0; i < r->dirs_count && n >= 0; i++)
        n = dir_scan(r, r->dirs[i], true, e);
    if (n >= 0 && r->dirs_count)
        segments_retire(r);
    return n;
}

int reader_refresh(struct reader *r, struct err *e)
{
    int n = reader_rescan(r, e);
    for (size_t i = 0; i < r->segments_count && n >= 0; i++) {
        if (r->segments[i]->seg)
            n = segment_refresh(r, r->segments[i], e);
    }
    return n;
}

const struct lane_cursor *reader_lane_cursor(const struct reader_segment *s, uint32_t lane)
{
    return s->lanes && s->lanes[lane] ? &s->lanes[lane]->cursor : NULL;
}

int reader_next(struct reader *r, struct fapilog_record *ret, struct err *e)
{
    if (r->current) {
        struct reader_lane *l = r->current;
        r->current = NULL;
        if (lane_advance(r, l) < 0)
            return err_set(e, -ENOMEM, "no memory to read %s", l->of->path);
    }
    if (!r->heap_count)
        return 0;
    struct reader_lane *l = heap_pop(r);
    l->pending = false;
    r->current = l;
    r->records++;
    *ret = l->rec;
    return 1;
}

size_t reader_segments(const struct reader *r, struct reader_segment *const **ret)
{
    *ret = r->segments;
    return r->segments_count;
}

void reader_totals(const struct reader *r, struct reader_totals *ret)
{
    *ret = r->closed;
    for (size_t i = 0; i < r->segments_count; i++)
        totals_add(r->segments[i], ret);
    ret->records = r->records;
}
