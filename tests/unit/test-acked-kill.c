/* Collectors that are killed at any step, with a slow file and two servers whose requests are full in the middle of
 * batches: nothing is lost, the books balance, and what a server gets twice was in a request that was sent and whose
 * answer the collector had not taken when it was killed. ACKED_SEED repeats a run; an argument says how many worlds
 * there are. */
#include "collector/delivery/pump.h"
#include "lib/base/fault.h"
#include "tests/common/segment_builder.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS = 3000, LANES = 3, KILLS = 30, HELD_MAX = 64, ACKED_MAX = 4096, SERVERS = 2, WITH_SPOOL = 1 };

/* What survives a kill: the ring, and what the servers have and know. */
struct world {
    uint8_t delivered[SERVERS][RECORDS];
    uint8_t under_way[SERVERS][RECORDS]; /* requests that were sent, and their answers not taken */
    uint8_t may_come_twice[SERVERS][RECORDS];
    struct builder_lane lane[LANES];
    uint64_t random, cycles;
    uint32_t put;
    uint32_t finished;
    uint64_t twice, requests;
};

struct server {
    uint32_t number;
    struct sink *sink;
    struct sink_request *held[HELD_MAX];
    uint32_t held_count;
    uint32_t acked[ACKED_MAX], acked_count; /* records whose answers were given */
    uint32_t answers; /* in this turn */
};

static struct world *w;
static struct segment_builder ring;
static char dir[64];
static unsigned worlds = 12;

/* the collector of this life */
static struct server server[SERVERS];
static struct sink *writer; /* of a write that goes on */
static struct pipeline pipeline;
static struct drain drain;
static uint64_t skew_ns;

static uint64_t draw(uint64_t below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (w->random >> 33) % below;
}

/* ---- sinks ---- */

struct cfg {
    const char *name;
};
static const struct opt cfg_opts[] = { OPT_TEXT_(struct cfg, name, "path", NULL, 0, "Which one it is."), OPT_END };

static struct server *server_of(const struct sink *s)
{
    return s == server[0].sink ? &server[0] : &server[1];
}

static uint32_t number_in(const struct entry_head *h)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "%.*s", (int)h->payload_len, entry_payload(h));
    const char *at = strstr(text, "\"n\":");
    CHECK(at);
    const uint32_t n = (uint32_t)strtoul(at + 4, NULL, 10);
    CHECK(n < RECORDS);
    return n;
}

/* Some of it is to be sent again, now and then. */
static void answer(struct server *v, struct sink_request *q, bool is_failure)
{
    static uint32_t again[4096];
    struct sink_result a = { .outcome = is_failure ? SINK_RETRY : SINK_DELIVERED, .retry = again };
    const bool is_partial = draw(4) == 0;
    for (uint32_t i = 0; i < q->count; i++) {
        const uint32_t n = number_in(q->entry[i]);
        if (is_partial && !is_failure && draw(3) == 0)
            again[a.retry_count++] = i;
        else if (!is_failure)
            w->delivered[v->number][n]++;
        CHECK(v->acked_count < ACKED_MAX);
        v->acked[v->acked_count++] = n;
    }
    v->answers++;
    sink_request_done(v->sink, q, &a);
}

static void on_send(struct sink *s, struct sink_request *q)
{
    struct server *v = server_of(s);
    w->requests++;
    for (uint32_t i = 0; i < q->count; i++)
        w->under_way[v->number][number_in(q->entry[i])]++;
    if (draw(3) == 0 || v->held_count == HELD_MAX) {
        answer(v, q, draw(8) == 0);
        return;
    }
    v->held[v->held_count++] = q;
}

static void answer_held(struct server *v, uint32_t i, bool is_failure)
{
    struct sink_request *q = v->held[i];
    memmove(&v->held[i], &v->held[i + 1], (--v->held_count - i) * sizeof q);
    answer(v, q, is_failure);
}

static void on_cancel(struct sink *s, struct sink_request *q)
{
    struct server *v = server_of(s);
    for (uint32_t i = 0; i < v->held_count; i++)
        if (v->held[i] == q) {
            answer_held(v, i, true);
            return;
        }
}

static void on_limits(struct sink *s, struct sink_limits *ret)
{
    (void)s;
    *ret = (struct sink_limits){ .in_flight = 0 };
}

static void on_write(struct sink *s, const struct sink_batch *b)
{
    (void)b;
    CHECK(!writer);
    writer = s;
}

static const struct sink_remote_ops far_remote = { .limits = on_limits, .send = on_send, .cancel = on_cancel };
static const struct sink_ops far_ops = {
    .abi = SINK_ABI, .scheme = "far", .summary = "for tests", .format_default = "json", .opts = cfg_opts,
    .cfg_size = sizeof(struct cfg), .state_size = 8, .remote = &far_remote,
};
static const struct sink_ops slow_ops = {
    .abi = SINK_ABI, .scheme = "slow", .summary = "for tests", .format_default = "json", .opts = cfg_opts,
    .cfg_size = sizeof(struct cfg), .state_size = 8, .write = on_write,
};

static struct sink *sink_make(const struct sink_ops *ops, const char *name)
{
    struct err e = { 0 };
    struct sink *s;
    CHECK(sink_new_empty(ops, &s, &e) == 0);
    s->common.name = strdup(name);
    CHECK(sink_finish(s, &e) == 0);
    return s;
}

static struct sink *server_make(uint32_t i)
{
    struct sink *s = sink_make(&far_ops, i == WITH_SPOOL ? "spool" : "block");
    struct sink_delivery *d = &s->delivery;
    d->on_full = i == WITH_SPOOL ? SINK_FULL_SPOOL : SINK_FULL_BLOCK;
    d->batch_size = 1 + draw(30);
    d->queue_records = 50 + draw(400);
    d->max_in_flight = 1 + draw(8);
    d->batch_interval_ns = NS_PER_MS;
    d->spool_sync = (uint32_t)draw(3);
    server[i] = (struct server){ .number = i, .sink = s };
    return s;
}

/* ---- a collector ---- */

static void open_collector(void)
{
    static struct segments segments;
    static const struct ingest_settings settings = { .lane_budget_bytes = 4096, .segments_max = 10, .lanes_max = 100,
                                                     .bytes_max = 1ull << 30 };
    struct sink *sink[] = { sink_make(&slow_ops, "file"), server_make(0), server_make(1) };
    struct err e = { 0 };
    struct io *io;
    struct commit *commit;
    struct commit_state last;
    CHECK(io_new(&(struct io_config){ .kind = IO_PLAIN, .queue_depth = 16 }, &io, &e) == 0);
    CHECK(commit_open(dir, NULL, &commit, &e) == 0);
    commit_last(commit, &last);
    segments.redo = calloc(last.positions_count + 1, sizeof *segments.redo);
    CHECK(segments.redo);
    if (last.positions_count)
        memcpy(segments.redo, last.position, last.positions_count * sizeof *last.position);
    segments.redo_count = last.positions_count;
    CHECK(segments_open(&segments, dir, io, &settings, &e) == 0);
    segments_look_begin(&segments);
    CHECK(segments_attach(&segments, "a.ring") == 0);
    segments_look_end(&segments);
    pipeline = (struct pipeline){ .segments = &segments, .settings = { .window = WINDOW_MIN + draw(6), .state_dir = dir,
                                                                       .ring_dir = dir } };
    if (pipeline_open(&pipeline, io, commit, sink, ARRAY_COUNT(sink), &e) < 0) {
        (void)fprintf(stderr, "%s\n", e.text);
        abort();
    }
    CHECK(pipeline.acked);
    CHECK(drain_init(&drain, &segments, UINT32_MAX, false, &e) == 0);
    drain_set_fences(&drain, pipeline.fences, pipeline.fences_count);
}

static void put(void)
{
    static struct payload payload;
    const uint32_t lane = (uint32_t)draw(LANES);
    const uint64_t cap = UINT64_C(1) << ring.opt.cap_log2;
    if (w->put == RECORDS || builder_lane(&ring, lane)->tail + 8192 > builder_slot(&ring, lane)->head + cap)
        return;
    payload_init(&payload);
    payload_dynamic(&payload, 1, "m");
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&payload, w->put);
    ring.cycles = w->cycles;
    builder_put(&ring, lane, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &payload);
    w->cycles = ring.cycles;
    w->put++; /* nobody kills us in here */
}

static void turn(void)
{
    if (!drain.is_open) {
        pump_turn_begins(&pipeline, &drain);
        CHECK(drain_begin(&drain, clock_mono_ns(), DRAIN_ALL, NULL) == 0);
    }
    CHECK(pump_run(&pipeline, &drain, NULL) == 0);
}

/* Answers that were there when the turn began are taken when it ends, but for those of requests that are being
 * written to the spool. */
static void take_answers(struct server *v, const struct remote *r, uint32_t given)
{
    struct remote_stats s;
    remote_stats(r, &s);
    CHECK(s.taken == s.delivered + s.queued_records + s.spooled_records);
    if (s.in_flight - v->held_count > v->answers)
        return;
    for (uint32_t k = 0; k < given; k++)
        w->under_way[v->number][v->acked[k]]--;
    v->acked_count -= given;
    memmove(v->acked, v->acked + given, v->acked_count * sizeof *v->acked);
}

static void run(void)
{
    uint32_t given[SERVERS];
    for (uint32_t i = 0; i < SERVERS; i++) {
        given[i] = server[i].acked_count;
        server[i].answers = 0;
    }
    CHECK(io_turn(pipeline.io, io_inflight(pipeline.io) ? clock_mono_ns() + NS_PER_MS : 0) >= 0);
    skew_ns += draw(20) * NS_PER_MS;
    pipeline_run(&pipeline, clock_mono_ns() + skew_ns);
    for (uint32_t i = 0; i < SERVERS; i++)
        take_answers(&server[i], pipeline.target[1 + i].remote, given[i]);
}

static void step(void)
{
    struct server *v = &server[draw(SERVERS)];
    switch (draw(5)) {
    case 0:
        for (uint64_t i = draw(40); i; i--)
            put();
        break;
    case 1:
        turn();
        break;
    case 2:
        if (writer) {
            struct sink *s = writer;
            writer = NULL;
            sink_done(s, 0);
        }
        break;
    case 3:
        if (v->held_count)
            answer_held(v, (uint32_t)draw(v->held_count), draw(10) == 0);
        break;
    default:
        run();
        break;
    }
}

static void live(uint64_t steps)
{
    CHECK(fault_init() == 0);
    open_collector();
    for (uint64_t i = 0; i < steps; i++)
        step();
    (void)raise(SIGKILL);
}

static bool is_all_done(void)
{
    return w->put == RECORDS && pipeline_is_idle(&pipeline, true) && !segments_pending_bytes(pipeline.segments) &&
           pipeline_is_drained(&pipeline);
}

static void live_to_the_end(void)
{
    CHECK(fault_init() == 0);
    open_collector();
    const uint64_t until_ns = clock_mono_ns() + 30 * NS_PER_S;
    pipeline_drain(&pipeline);
    while (!is_all_done()) {
        CHECK(clock_mono_ns() < until_ns);
        step();
    }
    CHECK(acked_count(pipeline.acked) == 0); /* all is released */
    w->finished = 1;
    _exit(0);
}

/* ---- the world ---- */

static const char *const points[] = {
    "answered", "remote-settled", "note-torn", "note-clear", "request-sent", "batch-closed", "written", "released",
    "persist-before", "persist-torn", "persist-unhashed", "persist-after", "settled", "release-counters",
    "release-head",
};
/* Few of them are passed in a life. */
static const char *const spool_points[] = { "spool-write", "spool-written", "cursor-noted", "cursor-base" };

static void fault_draw(char *ret, size_t size)
{
    const bool is_spool = draw(2);
    const char *const point = is_spool ? spool_points[draw(ARRAY_COUNT(spool_points))]
                                       : points[draw(ARRAY_COUNT(points))];
    (void)snprintf(ret, size, "%s:%u", point, 1 + (unsigned)draw(is_spool ? 6 : 60));
}

static void life(bool is_last)
{
    char fault[64] = "";
    int status;
    if (!is_last && draw(2))
        fault_draw(fault, sizeof fault);
    (void)setenv("FAPILOG_FAULT", fault, 1);
    const uint64_t steps = 50 + draw(1500);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (is_last)
            live_to_the_end();
        live(steps);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (is_last ? !WIFEXITED(status) || WEXITSTATUS(status) : !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("a life with '%s' ended with status %x", fault, (unsigned)status);
    for (uint32_t i = 0; i < SERVERS; i++)
        for (uint32_t n = 0; n < RECORDS; n++)
            w->may_come_twice[i][n] |= w->under_way[i][n];
    memset(w->under_way, 0, sizeof w->under_way);
}

static void check_all(uint64_t seed)
{
    for (uint32_t i = 0; i < SERVERS; i++) {
        for (uint32_t n = 0; n < RECORDS; n++) {
            const unsigned times = w->delivered[i][n];
            if (!times)
                fail_msg("seed %" PRIu64 ", server %u: record %u never came", seed, i, n);
            if (times > 1 && !w->may_come_twice[i][n])
                fail_msg("seed %" PRIu64 ", server %u: record %u came %u times, and was under way at no kill", seed, i,
                         n, times);
            w->twice += times > 1;
        }
    }
}

static int on_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static void ring_make(void)
{
    char path[128];
    (void)snprintf(dir, sizeof dir, "/dev/shm/test-acked-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/a.ring", dir);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    builder_init(&ring, fd, &(struct builder_options){ .lanes = LANES, .cap_log2 = 16 });
    memcpy(w->lane, ring.lanes, sizeof w->lane);
    free(ring.lanes);
    ring.lanes = w->lane; /* of whoever lives */
    w->cycles = ring.cycles;
}

static void world_run(uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->random = seed;
    ring_make();
    for (int i = 0; i < KILLS; i++)
        life(false);
    life(true);
    assert_true(w->finished);
    check_all(seed);
    print_message("%" PRIu64 " of %u came twice, %" PRIu64 " requests\n", w->twice, SERVERS * RECORDS, w->requests);
    ring.lanes = NULL;
    builder_done(&ring);
    (void)close(ring.fd);
    (void)nftw(dir, on_file, 16, FTW_DEPTH | FTW_PHYS);
}

static void what_comes_twice_was_in_a_request_under_way_at_a_kill(void **state)
{
    (void)state;
    const char *given = getenv("ACKED_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 10) : clock_mono_ns();
    w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(w != MAP_FAILED);
    for (unsigned i = 0; i < (given ? 1 : worlds); i++) {
        print_message("ACKED_SEED=%" PRIu64 "\n", seed + i);
        world_run(seed + i);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        worlds = (unsigned)strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_twice_was_in_a_request_under_way_at_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
