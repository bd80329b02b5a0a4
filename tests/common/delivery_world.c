#include "tests/common/delivery_world.h"

#include "lib/base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct world *the_world; /* sinks know no other */

uint32_t world_random(struct world *w, uint32_t below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (uint32_t)((w->seed >> 16) % below);
}

/* ---- local sinks ---- */

struct disk_cfg {
    const char *path;
};

static uint32_t index_of(const struct sink *s)
{
    const struct disk_cfg *cfg = s->cfg;
    return (uint32_t)(cfg->path[0] - 'a');
}

static uint32_t file_begin(const struct world_disk *d, uint32_t file)
{
    return file ? d->file_end[file - 1] : 0;
}

static void disk_mark(struct sink *s, struct sink_mark *ret)
{
    const struct world_disk *d = &the_world->disk[index_of(s)];
    *ret = (struct sink_mark){ .word = { d->files, d->files ? d->file_end[d->files - 1] : 0 } };
}

/* Only the file of the mark can be cut; one behind it may exist but must be empty. */
static int disk_recover(struct sink *s, const struct sink_mark *mark, struct err *e)
{
    struct world_disk *d = &the_world->disk[index_of(s)];
    (void)e;
    const uint32_t files = (uint32_t)mark->word[0];
    CHECK(files <= d->files);
    CHECK(!files || d->used >= mark->word[1]);
    CHECK(files == d->files || d->used == file_begin(d, d->files - 1));
    if (files == d->files && files)
        d->file_end[files - 1] = (uint32_t)mark->word[1];
    d->used = d->files ? d->file_end[d->files - 1] : 0;
    return 0;
}

static uint64_t disk_room(struct sink *s)
{
    const struct world_disk *d = &the_world->disk[index_of(s)];
    const uint32_t in_file = d->files ? d->file_end[d->files - 1] - file_begin(d, d->files - 1) : 0;
    const uint32_t left = d->file_room > in_file ? d->file_room - in_file : d->file_room;
    return d->file_room ? (uint64_t)left * 100 : UINT64_MAX;
}

static void disk_write(struct sink *s, const struct sink_batch *b)
{
    const uint32_t i = index_of(s);
    struct world_disk *d = &the_world->disk[i];
    CHECK(!the_world->write[i]);
    const uint32_t in_file = d->files ? d->file_end[d->files - 1] - file_begin(d, d->files - 1) : 0;
    if (!d->files || (in_file && d->file_room && in_file + b->records > d->file_room)) {
        CHECK(d->files < WORLD_FILES);
        d->file_end[d->files++] = d->used;
        sink_mark_changed(s);
    }
    the_world->write[i] = b;
    the_world->writer[i] = s;
}

static const struct opt disk_opts[] = {
    OPT_TEXT_(struct disk_cfg, path, "path", NULL, 0, "Which one it is."),
    OPT_END,
};
static int disk_open(struct sink *s, struct err *e)
{
    const int r = the_world->open_error;
    the_world->open_error = 0;
    if (r < 0)
        return err_set(e, r, "the disk is not there");
    the_world->opened[index_of(s)]++;
    return 0;
}

static int disk_close(struct sink *s, struct err *e)
{
    (void)e;
    CHECK(!the_world->write[index_of(s)]);
    the_world->closed[index_of(s)]++;
    return 0;
}

static const struct sink_ops disk_ops = {
    .abi = SINK_ABI, .scheme = "disk", .summary = "for tests", .format_default = "json", .opts = disk_opts,
    .cfg_size = sizeof(struct disk_cfg), .state_size = 8, .open = disk_open, .recover = disk_recover,
    .room = disk_room,
    .write = disk_write, .mark = disk_mark, .close = disk_close,
};

static uint32_t number_in(const char *line)
{
    const char *at = strstr(line, "\"n\":");
    CHECK(at);
    return (uint32_t)strtoul(at + 4, NULL, 10);
}

void world_write_some(struct world *w, uint32_t sink)
{
    struct world_disk *d = &w->disk[sink];
    const struct sink_batch *b = w->write[sink];
    const uint32_t done = b ? d->used - d->file_end[d->files - 1] : 0;
    if (!b || done == b->records)
        return;
    const uint32_t count = done + 1 + world_random(w, (uint32_t)b->records - done);
    for (uint32_t i = done; i < count; i++) {
        CHECK(d->used < WORLD_RECORDS * 2);
        d->record[d->used++] = number_in(b->chunks->data + (i ? b->chunks->ends[i - 1] : 0));
    }
}

void world_write_ends(struct world *w, uint32_t sink, int result)
{
    struct world_disk *d = &w->disk[sink];
    const struct sink_batch *b = w->write[sink];
    if (!b)
        return;
    while (result == 0 && d->used - d->file_end[d->files - 1] < b->records)
        world_write_some(w, sink);
    if (result < 0)
        d->used = d->file_end[d->files - 1];
    d->file_end[d->files - 1] = d->used;
    w->write[sink] = NULL;
    sink_done(w->writer[sink], result);
}

/* ---- the remote sink and its engine ---- */

static void never_sent(struct sink *s, struct sink_request *q) { (void)s; (void)q; CHECK(false); }
static void no_limits(struct sink *s, struct sink_limits *ret) { (void)s; *ret = (struct sink_limits){ 0 }; }

static const struct sink_remote_ops far_remote = {
    .limits = no_limits, .send = never_sent, .cancel = never_sent,
};
static const struct sink_ops far_ops = {
    .abi = SINK_ABI, .scheme = "far", .summary = "for tests", .format_default = "json", .opts = disk_opts,
    .cfg_size = sizeof(struct disk_cfg), .state_size = 8, .open = disk_open, .close = disk_close,
    .remote = &far_remote,
};

int remote_open(struct sink *s, const struct remote_config *cfg, struct remote **ret, struct err *e)
{
    (void)e;
    CHECK(s->ops == &far_ops && cfg->io && cfg->state_dir);
    the_world->stream = acked_begin(cfg->acked, cfg->identity);
    the_world->streamed = 0;
    *ret = (struct remote *)the_world;
    return 0;
}

void remote_close(struct remote *r)
{
    struct world *w = (struct world *)r;
    for (uint32_t i = 0; w && i < w->queued; i++)
        parcel_unref(w->queue[i].parcel);
    if (w)
        w->queued = 0;
}

static void see_who_writes(struct world *w)
{
    w->were_writing = 0;
    for (uint32_t i = 0; i < WORLD_SINKS; i++)
        w->were_writing += w->write[i] != NULL;
}

void remote_put(struct remote *r, struct parcel *p, struct remote_ticket *t)
{
    struct world *w = (struct world *)r;
    see_who_writes(w);
    CHECK(w->queued < ARRAY_COUNT(w->queue) && p->records);
    w->queue[w->queued++] = (struct world_put){ .parcel = parcel_ref(p), .ticket = t, .first = w->streamed };
    w->streamed += p->records;
}

/* As many as that, from a place on. Returns where the next one is. */
static uint64_t arrive_entries(struct world *w, const struct parcel *p, uint64_t at, uint32_t count)
{
    const struct entry_head *h;
    for (uint32_t i = 0; i < count; i++, at += h->bytes) {
        h = entry_at(p->data + at, p->bytes - at);
        CHECK(h && h->payload_len);
        (void)snprintf(w->arrived, sizeof w->arrived, "%.*s", (int)h->payload_len, entry_payload(h));
        const uint32_t n = number_in(w->arrived);
        struct fapilog_record_id id = { .lane = h->lane, .generation = h->generation, .position = h->position };
        memcpy(id.uuid, h->uuid, sizeof id.uuid);
        if (w->server.times[n]++)
            CHECK(memcmp(&w->server.id[n], &id, sizeof id) == 0);
        w->server.id[n] = id;
    }
    return at;
}

/* The ring may have gone on meanwhile, and its collector be another one. */
static void arrive_image(struct world *w, const struct parcel *p)
{
    struct output as = { .kind = OUTPUT_ENTRY };
    struct parcel *entries;
    if (w->has_new_readers)
        image_reader_done(&w->reader);
    for (uint32_t i = 0; i < w->pipeline.targets_count; i++)
        if (w->pipeline.target[i].remote)
            as.format = w->pipeline.target[i].sink->format;
    CHECK(image_expand(&w->reader, &as, p->data, p->bytes, p->records, &entries) == 0);
    CHECK(entries->records == p->records);
    CHECK(arrive_entries(w, entries, 0, entries->records) == entries->bytes);
    parcel_unref(entries);
    w->images++;
}

bool remote_wants_images(const struct remote *r)
{
    struct world *w = (struct world *)(uintptr_t)r;
    return w->always_images || (w->has_images && world_random(w, 3));
}

bool remote_take_image(struct remote *r, const struct image_draft *d, int64_t oldest_ns, bool is_short)
{
    struct world *w = (struct world *)r;
    (void)oldest_ns, (void)is_short;
    if (!w->takes)
        return false;
    see_who_writes(w);
    struct parcel *p = image_parcel(d);
    CHECK(p);
    arrive_image(w, p);
    parcel_unref(p);
    w->takes--;
    return true;
}

bool remote_refuses(const struct remote *r, uint64_t records, uint64_t bytes)
{
    const struct world *w = (const struct world *)(const void *)r;
    (void)records, (void)bytes;
    return w->refuses;
}

void remote_refuse(struct remote *r, uint64_t records, uint64_t bytes)
{
    struct world *w = (struct world *)r;
    CHECK(w->refuses);
    w->refused += records;
    w->refused_bytes += bytes;
}

void remote_reformatted(struct remote *r)
{
    image_reader_done(&((struct world *)r)->reader);
}

/* As the engine does. */
static void note(struct world *w, const struct world_put *put, uint64_t at, uint32_t n)
{
    const bool is_last = put->done == put->parcel->records;
    const uint64_t number = put->first + put->done - n;
    if (!w->stream.to)
        return;
    if (is_last && !put->ticket->is_shared)
        acked_pass(&w->stream, number, n);
    else if (put->parcel->is_image)
        acked_image(&w->stream, number, put->parcel);
    else
        acked_entries(&w->stream, number, (const void *)(put->parcel->data + at), n);
}

void world_settle_some(struct world *w, uint32_t which, uint32_t records)
{
    struct world_put *put = &w->queue[which], whole;
    const uint32_t left = put->parcel->records - put->done;
    const uint32_t n = put->parcel->is_image || records > left ? left : records;
    const uint64_t at = put->at;
    if (put->parcel->is_image)
        arrive_image(w, put->parcel);
    else
        put->at = arrive_entries(w, put->parcel, at, n);
    put->done += n;
    note(w, put, at, n);
    if (n < left)
        return;
    whole = *put;
    memmove(put, put + 1, (--w->queued - which) * sizeof *put);
    whole.ticket->settled(whole.ticket);
    parcel_unref(whole.parcel);
}

void world_settle(struct world *w, uint32_t which)
{
    world_settle_some(w, which, UINT32_MAX);
}

void remote_hurry(struct remote *r)
{
    (void)r; /* it settles when the test says so */
}

void remote_relieve(struct remote *r)
{
    struct world *w = (struct world *)r;
    w->relieved += !w->has_no_spool;
}

void remote_run(struct remote *r, uint64_t now_ns)
{
    struct world *w = (struct world *)r;
    (void)now_ns;
    while (w->relieved && w->queued)
        world_settle(w, 0);
    w->relieved = 0;
}

uint64_t remote_deadline(const struct remote *r) { (void)r; return UINT64_MAX; }
bool remote_is_idle(const struct remote *r, bool is_spool_too)
{
    (void)is_spool_too;
    return !((const struct world *)(const void *)r)->queued;
}
void remote_set_aside(struct remote *r) { remote_relieve(r); }
void remote_stop(struct remote *r, uint64_t deadline_ns) { (void)deadline_ns; remote_relieve(r); }
void remote_noted(struct remote *r) { (void)r; }
bool remote_is_stopping(const struct remote *r) { (void)r; return false; }
void remote_go_on(struct remote *r) { (void)r; }
bool remote_is_busy(const struct remote *r) { return ((const struct world *)(const void *)r)->is_far_busy; }
bool remote_is_put_down(const struct remote *r) { (void)r; return false; }
void remote_drain(struct remote *r) { remote_relieve(r); }
bool remote_hang_up(struct remote *r, uint64_t now_ns) { remote_stop(r, now_ns); return false; }
void remote_stats(const struct remote *r, struct remote_stats *ret) { (void)r; memset(ret, 0, sizeof *ret); }
bool remote_is_failing(const struct remote *r) { (void)r; return false; }

/* ---- the ring and the collector ---- */

struct world *world_new(uint64_t seed, uint8_t cap_log2)
{
    struct world *w = calloc(1, sizeof *w);
    char path[128];
    CHECK(w);
    the_world = w;
    w->seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->window = WINDOW_MIN;
    (void)snprintf(w->dir, sizeof w->dir, "/dev/shm/test-window-XXXXXX");
    CHECK(mkdtemp(w->dir));
    (void)snprintf(path, sizeof path, "%s/a.ring", w->dir);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    builder_init(&w->builder, fd, &(struct builder_options){ .lanes = WORLD_LANES, .cap_log2 = cap_log2 });
    w->settings = (struct ingest_settings){ .lane_budget_bytes = 4096, .segments_max = 100, .lanes_max = 100,
                                            .bytes_max = 1ull << 30 };
    return w;
}

void world_free(struct world *w)
{
    close(w->builder.fd);
    builder_done(&w->builder);
    if (w->has_second) {
        close(w->second.fd);
        builder_done(&w->second);
    }
    DIR *d = opendir(w->dir);
    const struct dirent *entry;
    while ((entry = readdir(d)))
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    (void)closedir(d);
    CHECK(rmdir(w->dir) == 0);
    free(w);
}

void world_add_second(struct world *w)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/b.ring", w->dir);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    builder_init(&w->second, fd, &w->builder.opt);
    w->second.sb->uuid_lo++;
    builder_seal(&w->second);
    w->has_second = true;
}

void world_look(struct world *w)
{
    segments_look_begin(&w->segments);
    CHECK(segments_attach(&w->segments, "a.ring") == 0);
    if (w->is_second_refused)
        w->segments.is_incomplete = true;
    else if (w->has_second)
        CHECK(segments_attach(&w->segments, "b.ring") == 0);
    segments_look_end(&w->segments);
}

static void open_rings(struct world *w, struct err *e)
{
    struct commit_state last;
    commit_last(w->commit, &last);
    memset(&w->segments, 0, sizeof w->segments);
    w->redo = malloc((last.positions_count + 1) * sizeof *w->redo);
    CHECK(w->redo);
    if (last.positions_count)
        memcpy(w->redo, last.position, last.positions_count * sizeof *w->redo);
    w->segments.redo = w->redo;
    w->segments.redo_count = last.positions_count;
    CHECK(segments_open(&w->segments, w->dir, w->io, &w->settings, e) == 0);
    world_look(w);
}

static const char *const names[WORLD_SINKS] = { "a", "b", "c", "d" };

struct sink *world_sink(struct world *w, uint32_t index)
{
    struct err e = { 0 };
    struct sink *s;
    CHECK(sink_new_empty(index < WORLD_SINKS - WORLD_REMOTES ? &disk_ops : &far_ops, &s, &e) == 0);
    s->common.name = strdup(names[index]);
    ((struct disk_cfg *)s->cfg)->path = strdup(names[index]);
    CHECK(sink_finish(s, &e) == 0);
    s->common.level_mask = UINT32_MAX << w->disk[index].level_min;
    return s;
}

void world_open(struct world *w, uint32_t sinks)
{
    struct err e = { 0 };
    CHECK(io_new(&(struct io_config){ .kind = IO_PLAIN }, &w->io, &e) == 0);
    CHECK(commit_open(w->dir, NULL, &w->commit, &e) == 0);
    open_rings(w, &e);
    memset(&w->pipeline, 0, sizeof w->pipeline);
    w->pipeline.segments = &w->segments;
    w->pipeline.settings = (struct pipeline_settings){ .window = w->window, .state_dir = w->dir,
                                                       .ring_dir = w->has_no_notes ? NULL : w->dir };
    w->sinks_count = sinks;
    w->pipeline.settings.stages = w->stages;
    w->pipeline.notes = w->notes;
    w->pipeline.settings.is_apart = w->notes != NULL;
    if (w->routes) {
        CHECK(routes_open(w->routes, names, sinks, &w->routes_open, NULL, &e) == 0);
        w->pipeline.settings.routes = w->routes_open;
        w->pipeline.settings.route_config = w->routes;
    }
    for (uint32_t i = 0; i < sinks; i++)
        w->sink[i] = world_sink(w, i);
    CHECK(pipeline_open(&w->pipeline, w->io, w->commit, w->sink, sinks, &e) == 0);
    CHECK(drain_init(&w->drain, &w->segments, UINT32_MAX, false, &e) == 0);
    drain_set_fences(&w->drain, w->pipeline.fences, w->pipeline.fences_count);
    for (uint32_t i = 0; i < w->pipeline.fences_count; i++)
        w->fences_seen += w->pipeline.fence_skip[i] != 0;
}

void world_kill(struct world *w)
{
    for (uint32_t i = 0; i < w->pipeline.targets_count; i++)
        w->pipeline.target[i].state = TARGET_IDLE;
    memset(w->write, 0, sizeof w->write);
    w->pipeline.open_count = 0; /* it notes nothing of them any more */
    w->pipeline.is_changed = false;
    pipeline_abandon(&w->pipeline);
    CHECK(pipeline_close(&w->pipeline, NULL) == 0);
    image_reader_done(&w->reader);
    memset(w->write, 0, sizeof w->write);
    routes_close(w->routes_open);
    w->routes_open = NULL;
    drain_done(&w->drain);
    segments_close(&w->segments);
    commit_close(w->commit);
    free(w->redo);
    for (uint32_t i = 0; i < w->sinks_count; i++)
        sink_free(w->sink[i]);
    io_free(w->io);
}

bool world_put(struct world *w, uint32_t lane)
{
    static struct payload payload;
    struct segment_builder *b = lane < WORLD_LANES ? &w->builder : &w->second;
    const uint64_t cap = UINT64_C(1) << b->opt.cap_log2;
    lane %= WORLD_LANES;
    if (w->put == WORLD_RECORDS || builder_lane(b, lane)->tail + 8192 > builder_slot(b, lane)->head + cap)
        return false;
    w->level[w->put] = world_random(w, 4) ? FAPILOG_LEVEL_INFO : FAPILOG_LEVEL_ERROR;
    payload_init(&payload);
    payload_dynamic(&payload, 1, "m");
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&payload, w->put);
    builder_put(b, lane, FAPILOG_KIND_DYNAMIC, w->level[w->put], 0, 0, &payload);
    w->put++;
    return true;
}

void world_turn(struct world *w)
{
    w->pipeline.pressed_until_ns = w->has_images ? UINT64_MAX : 0;
    if (!w->drain.is_open) {
        pump_turn_begins(&w->pipeline, &w->drain);
        CHECK(drain_begin(&w->drain, clock_mono_ns(), DRAIN_ALL, NULL) == 0);
    }
    CHECK(pump_run(&w->pipeline, &w->drain, NULL) == 0);
}

void world_run(struct world *w)
{
    pipeline_run(&w->pipeline, UINT64_MAX / 2); /* whatever waits for a time is due */
}

uint64_t world_pending(const struct world *w)
{
    return segments_pending_bytes(&w->segments);
}

void world_finish(struct world *w)
{
    const struct pipeline *p = &w->pipeline;
    for (uint32_t i = 0; world_pending(w) || !pipeline_is_idle(p, true) || (w->stages && !p->has_ended); i++) {
        CHECK(i < 100000);
        w->pipeline.is_ending = !world_pending(w);
        world_turn(w);
        world_run(w);
        for (uint32_t k = 0; k < WORLD_SINKS; k++)
            world_write_ends(w, k, 0);
        while (w->queued)
            world_settle(w, 0);
    }
}

void world_commit(struct world *w, uint32_t sinks)
{
    for (uint32_t round = 0; round < 4; round++) {
        world_turn(w);
        world_run(w);
        for (uint32_t i = 0; i < sinks; i++)
            world_write_ends(w, i, 0);
    }
    world_run(w);
}

struct world *world_half_settled(uint32_t sink)
{
    struct world *w = world_new(6, 18);
    world_add_second(w);
    world_open(w, 2);
    CHECK(world_put(w, 0) && world_put(w, WORLD_LANES));
    world_turn(w);
    world_run(w);
    world_write_ends(w, sink, 0);
    world_run(w);
    world_kill(w);
    w->is_second_refused = true;
    world_open(w, 2);
    CHECK(w->pipeline.fences_count == 1);
    CHECK(world_put(w, 0));
    world_commit(w, 2);
    CHECK(w->pipeline.committed_records == 2);
    return w;
}

uint32_t world_count(const struct world_disk *d, uint32_t n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->used; i++)
        count += d->record[i] == n;
    return count;
}

bool world_wants(const struct world *w, const struct world_disk *d, uint32_t n)
{
    return w->level[n] >= d->level_min;
}
