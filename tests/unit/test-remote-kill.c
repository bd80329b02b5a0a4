/* Random answers, a random disk policy, and a collector that is killed again and again at a named step: in the
 * end every record is delivered or a dead letter, nothing is lost, what came twice was under way at a kill, and
 * where one request is allowed the order of each producer is kept. REMOTE_SEED repeats a run; an argument
 * says how many there are. */
#include "tests/unit/io-probe.h"

#include "collector/delivery/deadletter.h"
#include "lib/base/check.h"
#include "lib/base/fault.h"
#include "tests/common/fake_remote.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PARCELS = 120, PER_PARCEL = 8, RECORDS = PARCELS * PER_PARCEL, WINDOW = 8, KILLS = 25 };
enum { TURNS_OF_AN_ANSWER = 4 }; /* until the engine has taken it, also when it is being spooled */

/* What survives a kill: the ring, and what the server has. */
struct world {
    uint8_t delivered[RECORDS + 1];
    uint64_t turn, sent[RECORDS];  /* of this life: the turn in which it was sent, 0 not at all */
    uint8_t under_way[RECORDS];    /* when the collector was killed, some time */
    uint8_t settled[PARCELS];
    uint64_t last[FAKE_LANES];
    uint64_t random;
    uint32_t finished;
};

static struct world *w;
static struct fake fake;
static struct fake *const f = &fake;
static bool is_strict, has_images;
static unsigned twice;
static unsigned worlds = 10;

static uint64_t draw(uint64_t below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (w->random >> 33) % below;
}

static bool is_poison(uint64_t n)
{
    return n % 97 == 13;
}

static bool whole_poison(const struct sink_request *q)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (is_poison(fake_number(q->entry[i])))
            return true;
    return false;
}

static void partial(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    for (uint32_t i = 0; i < q->count; i++) {
        if (is_poison(fake_number(q->entry[i])))
            g->rejected[a->rejected_count++] = i;
        else if (!is_strict && draw(4) == 0)
            g->retry[a->retry_count++] = i;
    }
    a->rejected = g->rejected;
    a->retry = g->retry;
}

static bool script(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    for (uint32_t i = 0; i < q->count; i++)
        w->sent[fake_number(q->entry[i])] = w->turn;
    switch (draw(8)) {
    case 0: a->outcome = SINK_RETRY; return true;
    case 1: return false;
    case 2: a->outcome = draw(4) ? SINK_RETRY : SINK_BROKEN; return true;
    case 3:
        if (whole_poison(q)) {
            a->outcome = SINK_REFUSED;
            return true;
        }
        break;
    default: break;
    }
    partial(g, q, a);
    return true;
}

static struct fake_ticket ticket[PARCELS];

static void on_settled(struct remote_ticket *t)
{
    const uint64_t n = (uint64_t)((struct fake_ticket *)(void *)t - ticket);
    CHECK(!w->settled[n]);
    w->settled[n] = 1;
}

static void put(unsigned n)
{
    f->next = (uint64_t)n * PER_PARCEL;
    if (has_images && n % 3 == 1 && fake_take_image(f, PER_PARCEL, 30 + n % 100, true)) {
        w->settled[n] = 1;
        return;
    }
    f->next = (uint64_t)n * PER_PARCEL;
    struct parcel *p = has_images && n % 3 ? fake_image(f, PER_PARCEL, 30 + n % 100)
                                           : fake_parcel(f, PER_PARCEL, 30 + n % 100);
    ticket[n].t.settled = on_settled;
    remote_put(f->r, p, &ticket[n].t);
    parcel_unref(p);
}

static void turn(void)
{
    w->turn++;
    fake_run(f, draw(3) ? draw(NS_PER_S) : draw(10 * NS_PER_S));
    CHECK(fake_is_balanced(f));
    CHECK(!is_strict || f->order_breaks == 0);
}

static unsigned open_parcels(unsigned next)
{
    unsigned open = 0;
    for (unsigned n = 0; n < next; n++)
        open += !w->settled[n];
    return open;
}

/* One life of the collector. */
static void live(bool is_last)
{
    struct err e;
    unsigned next = 0;
    CHECK(fault_init() == 0);
    CHECK(fake_start(f, &e) == 0);
    for (;;) {
        while (next < PARCELS && w->settled[next])
            next++;
        if (next < PARCELS && open_parcels(next) < WINDOW && draw(2))
            put(next++);
        if (draw(20) == 0)
            remote_relieve(f->r);
        if (f->held_count && draw(2))
            fake_answer(f, (unsigned)draw(f->held_count), &(struct sink_result){ .outcome = SINK_RETRY });
        turn();
        if (next == PARCELS && (!is_last || remote_is_idle(f->r, true)) && open_parcels(PARCELS) == 0)
            break;
    }
    w->finished = is_last;
    _exit(0);
}

static const char *const points[] = {
    "spool-write", "cursor-base", "cursor-slot", "cursor-settle", "dead-written", "request-sent", "answered",
    "spool-written", "journal-block", "journal-slot", "journal-release", "cursor-group", "cursor-whole",
};

static void life(bool is_last)
{
    char fault[64];
    int status;
    (void)snprintf(fault, sizeof fault, "%s:%u", points[draw(ARRAY_COUNT(points))], 1 + (unsigned)draw(40));
    (void)setenv("FAPILOG_FAULT", is_last ? "" : fault, 1);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        const struct io_config io = { .kind = IO_PLAIN, .queue_depth = 16 };
        struct err e;
        CHECK(io_new(&io, &f->io, &e) == 0);
        f->sink->io = f->io;
        live(is_last);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        fail_msg("a life with %s ended with status %x", fault, (unsigned)status);
    for (unsigned n = 0; n < RECORDS; n++) {
        w->under_way[n] |= !w->settled[n / PER_PARCEL] || (w->sent[n] && w->turn - w->sent[n] <= TURNS_OF_AN_ANSWER);
        w->sent[n] = 0;
    }
    w->turn = 0;
}

static uint8_t dead[RECORDS];

static int on_dead(void *arg, const struct spool_file_head *file, const struct spool_item *i)
{
    (void)arg, (void)file;
    dead[fake_number(i->entry)]++;
    return 0;
}

static void check_all(void)
{
    char path[FAKE_PATH + 32];
    struct err e;
    uint64_t damaged;
    memset(dead, 0, sizeof dead);
    (void)snprintf(path, sizeof path, "%s/dead/fake", f->state);
    assert_int_equal(deadletter_replay(path, on_dead, NULL, &damaged, &e), 0);
    for (unsigned n = 0; n < RECORDS; n++) {
        if (is_poison(n) ? !dead[n] || w->delivered[n] : !w->delivered[n] || dead[n])
            fail_msg("record %u: delivered %u times, %u dead letters", n, w->delivered[n], dead[n]);
        twice += w->delivered[n] > 1;
        if (w->delivered[n] > 1 && !w->under_way[n])
            fail_msg("record %u: delivered %u times, and was never under way at a kill", n, w->delivered[n]);
    }
}

static void world_run(uint64_t seed)
{
    const struct io_config io = { .kind = IO_PLAIN, .queue_depth = 16 };
    memset(w, 0, sizeof *w);
    w->random = seed;
    twice = 0;
    is_strict = seed % 2;
    has_images = seed / 2 % 2;
    fake_init(f, &io);
    io_free(f->io);
    f->io = NULL;
    f->script = script;
    f->delivered = w->delivered;
    f->delivered_cap = RECORDS + 1;
    f->is_shared = true;
    f->last = w->last;
    f->limits.in_flight = is_strict ? 1 : 0;
    f->sink->delivery.batch_size = 1 + draw(20);
    f->sink->delivery.queue_records = 1 + draw(60);
    f->sink->delivery.spool_sync = (uint32_t)draw(3);
    f->sink->delivery.breaker_recovery_ns = NS_PER_S;
    for (int i = 0; i < KILLS; i++)
        life(false);
    life(true);
    assert_true(w->finished);
    check_all();
    f->r = NULL;
    fake_done(f);
}

static void nothing_is_lost_and_only_what_was_under_way_comes_twice(void **state)
{
    (void)state;
    const char *given = getenv("REMOTE_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 10) : clock_mono_ns();
    w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(w != MAP_FAILED);
    for (unsigned i = 0; i < (given ? 1 : worlds); i++) {
        print_message("REMOTE_SEED=%" PRIu64 "\n", seed + i);
        world_run(seed + i);
        print_message("%u of %u came twice\n", twice, RECORDS);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        worlds = (unsigned)strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_and_only_what_was_under_way_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
