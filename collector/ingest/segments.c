#include "collector/ingest/segments.h"

#include "collector/ingest/dead.h"
#include "collector/ingest/release.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PROBE_FIRST_NS (250 * NS_PER_MS)
#define DESCRIPTORS_KEPT 64
#define PROBE_SPREAD_NS (750 * NS_PER_MS)
#define CLOSE_NS_MAX (10 * NS_PER_S)

int segments_open(struct segments *t, const char *dir, struct io *io, const struct ingest_settings *settings,
                  struct err *e)
{
    t->io = io;
    t->dir = dir;
    t->settings = settings;
    t->probe_at_ns = UINT64_MAX;
    t->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return t->dir_fd < 0 ? err_sys(e, -errno, "open ring directory %s", dir) : 0;
}

static void say(const struct segments *t, const char *name, const char *text)
{
    char line[SOURCE_NAME_MAX + ERR_TEXT_MAX + 4];
    if (!t->on_message)
        return;
    (void)snprintf(line, sizeof line, "%s: %s", name, text);
    t->on_message(t->arg, line);
}

static struct source *find(const struct segments *t, const char *name)
{
    const uint64_t hash = str_hash(name);
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->source[i]->name_hash == hash && !strcmp(t->source[i]->name, name))
            return t->source[i];
    }
    return NULL;
}

static void source_free(struct source *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->lane && i < s->lanes_count; i++) {
        if (s->lane[i].reader)
            lane_cursor_done(&s->lane[i].reader->cursor);
        free(s->lane[i].reader);
    }
    free(s->lane);
    free(s->flush_tail);
    segment_close(s->seg);
    free(s);
}

/* What a segment's owner may make us hold is charged to its uid. */
static int quota_check(const struct segments *t, const struct segment *seg, struct err *e)
{
    uint64_t segments = 1, lanes = seg->lanes_count, bytes = seg->bytes;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct segment *other = t->source[i]->seg;
        if (other->uid != seg->uid)
            continue;
        segments++;
        lanes += other->lanes_count;
        bytes += other->bytes;
    }
    const struct ingest_settings *q = t->settings;
    if (segments > q->segments_max)
        return err_set(e, -EDQUOT, "uid %u has more than %" PRIu64 " segments", (unsigned)seg->uid, q->segments_max);
    if (lanes > q->lanes_max)
        return err_set(e, -EDQUOT, "uid %u has more than %" PRIu64 " lanes", (unsigned)seg->uid, q->lanes_max);
    if (bytes > q->bytes_max)
        return err_set(e, -EDQUOT, "uid %u has more than %" PRIu64 " bytes of rings", (unsigned)seg->uid, q->bytes_max);
    return 0;
}

/* The ctl area is ours, but the producer can write to it as well.
 * order: relaxed - only the collector before us wrote these words, and it is gone */
static int lane_adopt(struct source *s, uint32_t index, struct err *e)
{
    struct lane *l = &s->lane[index];
    const struct fapilog_lane_slot *slot = segment_slot(s->seg, index);
    *l = (struct lane){
        .source = s, .index = index,
        .done = load_rlx(&slot->done), .delivered = load_rlx(&slot->delivered),
        .dropped_told = load_rlx(&slot->dropped_seen), .lost_before = load_rlx(&slot->lost),
        .skipped_before = load_rlx(&slot->skipped_bytes), .skipped_told = load_rlx(&slot->skipped_bytes),
    };
    const uint64_t tail = lane_tail_now(l);
    if (l->done > tail || l->done % FAPILOG_RECORD_ALIGN)
        return err_set(e, -EBADMSG, "lane %" PRIu32 " was read up to %" PRIu64 " but written up to %" PRIu64,
                       index, l->done, tail);
    l->taken = l->flushed = l->tail = l->done;
    l->dropped = l->dropped_told;
    l->lost_told = l->lost_before;
    /* order: relaxed - as the process had it from the start */
    l->is_unsure = l->done && !l->skipped_before &&
                   load_rlx(&segment_lane_shared(s->seg, index)->mode) == FAPILOG_MODE_OVERWRITE;
    return 0;
}

struct source *segments_find(const struct segments *t, const struct position *p)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct source *s = t->source[i];
        if (p->uuid_hi == s->seg->sb.uuid_hi && p->uuid_lo == s->seg->sb.uuid_lo)
            return s;
    }
    return NULL;
}

/* The segment itself knows now what the state file knew of it. */
static void redo_take(struct segments *t, struct source *s)
{
    uint32_t left = 0;
    release_redo(s, t->redo, t->redo_count);
    for (uint32_t i = 0; i < t->redo_count; i++) {
        if (t->redo[i].uuid_hi != s->seg->sb.uuid_hi || t->redo[i].uuid_lo != s->seg->sb.uuid_lo)
            t->redo[left++] = t->redo[i];
    }
    t->redo_count = left;
}

/* order: relaxed - only the collector before us wrote these words, and it is gone */
static int source_load(struct segments *t, struct source *s, struct err *e)
{
    redo_take(t, s); /* also of a segment that is refused */
    const int r = quota_check(t, s->seg, e);
    if (r < 0)
        return r;
    s->lanes_count = s->seg->lanes_count;
    s->lane = calloc(s->lanes_count, sizeof *s->lane);
    s->flush_tail = calloc(s->lanes_count, sizeof *s->flush_tail);
    if (!s->lane || !s->flush_tail)
        return err_set(e, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        const int bad = lane_adopt(s, i, e);
        if (bad < 0)
            return bad;
    }
    s->orphan_told = s->orphan = load_rlx(&s->seg->ctl->orphan_seen);
    s->truncated_told = s->truncated = load_rlx(&s->seg->ctl->truncated_seen);
    s->unregistered_told = s->unregistered = load_rlx(&s->seg->ctl->unregistered_seen);
    s->flush_acked = load_rlx(&s->seg->ctl->flush_ack);
    return 0;
}

static int table_grow(struct segments *t)
{
    if (t->count < t->cap)
        return 0;
    const uint32_t cap = t->cap ? t->cap * 2 : 64;
    struct source **more = realloc(t->source, cap * sizeof(struct source *));
    if (!more)
        return -ENOMEM;
    t->source = more;
    t->cap = cap;
    return 0;
}

/* Sinks, spools and files that are rotated need some as well, and without them the collector does not even start. */
static int descriptor_check(int fd, struct err *e)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    const rlim_t kept = limit.rlim_cur / 4 < DESCRIPTORS_KEPT ? limit.rlim_cur / 4 : DESCRIPTORS_KEPT;
    return (rlim_t)fd < limit.rlim_cur - kept ? 0
           : err_set(e, -EMFILE, "of %" PRIu64 " files that may be open the last %" PRIu64 " are kept for sinks",
                     (uint64_t)limit.rlim_cur, (uint64_t)kept);
}

static int attach(struct segments *t, const char *name, struct source *s, struct err *e)
{
    int r = table_grow(t);
    if (r < 0)
        return err_set(e, r, "out of memory");
    /* A collector that runs as root serves the rings of all users; any other only its own. */
    const unsigned flags = SEGMENT_CTL_WRITE | (geteuid() == 0 ? SEGMENT_ANY_OWNER : 0);
    r = segment_open(t->dir_fd, name, flags, NULL, &s->seg, e);
    if (r == 0)
        r = descriptor_check(s->seg->fd, e);
    return r < 0 ? r : source_load(t, s, e);
}

void segments_look_begin(struct segments *t)
{
    t->is_incomplete = false;
    t->left_out = 0;
}

void segments_look_end(struct segments *t)
{
    t->looks++;
    if (!t->is_incomplete)
        t->redo_count = 0;
}

static bool is_for_now(int r)
{
    return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EDQUOT;
}

int segments_attach(struct segments *t, const char *name)
{
    struct err e = { 0 };
    if (find(t, name))
        return 0;
    struct source *s = calloc(1, sizeof *s);
    const int r = !s ? -ENOMEM : strlen(name) >= sizeof s->name ? -ENAMETOOLONG : attach(t, name, s, &e);
    if (r < 0) {
        source_free(s);
        t->is_incomplete |= is_for_now(r);
        if (r == -ENOENT) /* gone before we looked */
            return r;
        t->stats.refused++;
        t->left_out++;
        if (r == -ELOOP)
            (void)err_wrap(&e, r, "remove it, and let a collector work on the directory of its target");
        say(t, name, e.text);
        return r;
    }
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    s->name_hash = str_hash(name);
    s->owner = t;
    s->probe_at_ns = clock_mono_ns() + PROBE_FIRST_NS + s->name_hash % PROBE_SPREAD_NS;
    t->source[t->count++] = s;
    if (s->probe_at_ns < t->probe_at_ns)
        t->probe_at_ns = s->probe_at_ns;
    t->stats.attached++;
    /* order: relaxed - labels for people, and a time that is only compared with the clock */
    store_rlx(&s->seg->ctl->collector_pid, (uint64_t)getpid());
    store_rlx(&s->seg->ctl->heartbeat_ns, clock_mono_ns());
    if (t->on_attach)
        t->on_attach(t->arg, s);
    return 0;
}

void segments_vanished(struct segments *t, const char *name)
{
    struct source *s = find(t, name);
    if (s)
        s->is_unlinked = true;
}

void source_find_hot_lanes(struct source *s, bool look_at_all)
{
    for (uint32_t i = s->lanes_hot; i < s->lanes_count; i++) {
        const struct fapilog_lane *shared = segment_lane_shared(s->seg, i);
        if (!look_at_all && i >= s->lanes_hot + SOURCE_LANES_AHEAD)
            return;
        /* order: relaxed - it only says that the lane is worth looking at; C2 orders its content */
        if (load_rlx(&shared->state) || load_rlx(&shared->tail))
            s->lanes_hot = i + 1;
    }
}

/* order: relaxed - its producer is gone, or has closed it, which lane_tail_now() orders */
static bool source_is_drained(const struct source *s)
{
    if (s->refs || s->is_touched || s->is_waiting)
        return false;
    const struct fapilog_superblock *sb = segment_shared(s->seg);
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        const struct lane *l = &s->lane[i];
        if (l->is_touched || l->is_unsure || l->done != lane_tail_now(l) || l->dropped_told != lane_dropped_now(l))
            return false;
    }
    return s->orphan_told == load_rlx(&sb->orphan_dropped) && s->truncated_told == load_rlx(&sb->truncated) &&
           s->unregistered_told == load_rlx(&sb->unregistered);
}

static void source_remove(struct segments *t, uint32_t i)
{
    source_free(t->source[i]);
    t->source[i] = t->source[--t->count];
    t->has_room_again |= t->is_incomplete;
}

static void rename_to(struct segments *t, struct source *s, const char *suffix)
{
    char to[SOURCE_NAME_MAX + 8], from_path[4096], to_path[4096];
    (void)snprintf(to, sizeof to, "%.*s%s", (int)(strlen(s->name) - strlen(FAPILOG_SEGMENT_SUFFIX)), s->name, suffix);
    (void)snprintf(from_path, sizeof from_path, "%s/%s", t->dir, s->name);
    (void)snprintf(to_path, sizeof to_path, "%s/%s", t->dir, to);
    const int r = io_rename(t->io, from_path, to_path);
    if (r < 0 && r != -ENOENT)
        say(t, s->name, strerror(-r));
    s->is_unlinked = true;
}

void segments_prune(const struct segments *t)
{
    struct err e = { 0 };
    if (dead_prune(t->dir_fd, t->dir, t->settings->keep_dead, &e) < 0 && t->on_message)
        t->on_message(t->arg, e.text);
}

/* Bytes that could not be read, now or by collectors before us. */
static uint64_t source_skipped(const struct source *s)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->lanes_count; i++)
        bytes += lane_skipped(&s->lane[i]);
    return bytes;
}

/* All that a dead segment held is delivered, but for what is damaged: that is there to be looked at. */
static void source_dispose(struct segments *t, struct source *s)
{
    const uint64_t skipped = source_skipped(s);
    t->stats.ended++;
    if (s->is_unlinked)
        return;
    if (skipped) {
        char text[96];
        (void)snprintf(text, sizeof text, "ended with %" PRIu64 " damaged bytes; kept as .bad", skipped);
        say(t, s->name, text);
        rename_to(t, s, SEGMENT_BAD_SUFFIX);
        return;
    }
    if (t->settings->keep_dead) {
        rename_to(t, s, SEGMENT_DEAD_SUFFIX);
        segments_prune(t);
        return;
    }
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", t->dir, s->name);
    const int r = io_unlink(t->io, path);
    if (r < 0 && r != -ENOENT)
        say(t, s->name, strerror(-r));
}

static void source_probe(struct segments *t, struct source *s)
{
    if (s->state != SOURCE_LIVE)
        return;
    /* The lock alone decides. The state word says clean already while a thread that is past its level
     * gate may still commit. */
    if (segment_is_alive(s->seg) != 0)
        return;
    s->state = SOURCE_ENDED;
    if (s->is_waiting)
        io_cancel(t->io, &s->futex);
}

/* Probes a source; true when nothing is left of it to be done. */
static bool source_is_over(struct segments *t, struct source *s, uint64_t now_ns)
{
    s->probe_at_ns = now_ns + PROBE_FIRST_NS + (t->count > 100 ? PROBE_SPREAD_NS : 0);
    source_probe(t, s);
    if (segment_is_damaged(s->seg))
        segments_quarantine(t, s, "its file was cut short");
    if (s->state == SOURCE_QUARANTINED)
        return !s->refs && !s->is_waiting && !s->is_touched;
    if (s->state != SOURCE_ENDED || !source_is_drained(s))
        return false;
    source_dispose(t, s);
    return true;
}

void segments_probe(struct segments *t, uint64_t now_ns, bool is_final)
{
    uint64_t next_ns = UINT64_MAX;
    if (!is_final && now_ns < t->probe_at_ns)
        return;
    for (uint32_t i = 0; i < t->count;) {
        struct source *s = t->source[i];
        if ((is_final || now_ns >= s->probe_at_ns) && source_is_over(t, s, now_ns)) {
            source_remove(t, i);
            continue;
        }
        if (s->probe_at_ns < next_ns)
            next_ns = s->probe_at_ns;
        i++;
    }
    t->probe_at_ns = next_ns;
}

/* Waits on bells that nobody will ring, and that the kernel has not given back yet. */
static bool is_wait_ending(const struct segments *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->source[i]->is_waiting && t->source[i]->state != SOURCE_LIVE)
            return true;
    }
    return false;
}

int segments_remove_delivered(struct segments *t)
{
    uint64_t now_ns = clock_mono_ns();
    const uint64_t give_up_ns = now_ns + NS_PER_S;
    segments_probe(t, now_ns, true); /* cancels these waits */
    for (; is_wait_ending(t) && now_ns < give_up_ns; now_ns = clock_mono_ns()) {
        const int r = io_turn(t->io, give_up_ns);
        if (r < 0)
            return r;
    }
    segments_probe(t, now_ns, true);
    return 0;
}

/* No more than it holds, whatever its producer says. */
static uint64_t lane_waiting(const struct lane *l, uint64_t from)
{
    const uint64_t tail = lane_tail_now(l), waiting = tail > from ? tail - from : 0;
    const uint8_t cap_log2 = l->source->seg->lanes[l->index].cap_log2;
    const uint64_t cap = cap_log2 ? UINT64_C(1) << cap_log2 : 0;
    return waiting < cap ? waiting : cap;
}

void segments_quarantine(struct segments *t, struct source *s, const char *why)
{
    if (s->state == SOURCE_QUARANTINED)
        return;
    for (uint32_t i = 0; i < s->lanes_count; i++)
        t->stats.lost_in_quarantine += lane_waiting(&s->lane[i], s->lane[i].taken);
    s->state = SOURCE_QUARANTINED;
    s->probe_at_ns = t->probe_at_ns = 0;
    if (s->is_waiting)
        io_cancel(t->io, &s->futex);
    t->stats.quarantined++;
    char text[256];
    (void)snprintf(text, sizeof text, "%s; put aside as .bad", why);
    say(t, s->name, text);
    if (!s->is_unlinked)
        rename_to(t, s, SEGMENT_BAD_SUFFIX);
}

void segments_strike(struct segments *t, struct source *s, uint64_t turn, uint64_t bytes)
{
    t->stats.skipped_bytes += bytes;
    if (s->damaged_turn == turn)
        return;
    s->damaged_turn = turn;
    if (!s->strikes) {
        char text[64];
        (void)snprintf(text, sizeof text, "damaged, %" PRIu64 " bytes passed over", bytes);
        say(t, s->name, text);
    }
    if (++s->strikes >= SOURCE_STRIKES_MAX)
        segments_quarantine(t, s, "damaged records in three turns");
}

uint64_t segments_pending_bytes(const struct segments *t)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct source *s = t->source[i];
        for (uint32_t k = 0; s->state != SOURCE_QUARANTINED && k < s->lanes_count; k++)
            bytes += lane_waiting(&s->lane[k], s->lane[k].done);
    }
    return bytes;
}

void segments_close(struct segments *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->source[i]->is_waiting)
            io_cancel(t->io, &t->source[i]->futex);
    }
    const uint64_t give_up_ns = clock_mono_ns() + CLOSE_NS_MAX;
    while (t->waiting && clock_mono_ns() < give_up_ns && io_turn(t->io, give_up_ns) >= 0)
        ; /* a signal ends a turn as well, with 0 */
    CHECK(t->waiting == 0);
    while (t->count)
        source_remove(t, t->count - 1);
    free(t->source);
    t->source = NULL;
    cleanup_fd(&t->dir_fd);
    t->dir_fd = -1;
}
