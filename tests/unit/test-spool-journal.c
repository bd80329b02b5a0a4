/* The journal of a spool: what is in it survives the process at any store, whatever has become of the file's bytes, and
 * what cannot be in it takes the way without. */
#include "tests/unit/journal-fixture.h"

#include "collector/delivery/spool/internal.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"
#include "lib/reader/guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct spool_file_head whose = { .sink = "fake", .format = "fake/own" };
static char dir[] = "/dev/shm/fapilog-journal-XXXXXX";
static _Alignas(8) char raw[JOURNAL_BLOCK_MAX];

static int directory_make(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/fapilog-journal-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void path_make(char ret[64])
{
    (void)snprintf(ret, 64, "%s/" JOURNAL_FILE, dir);
}

static int directory_remove(void **state)
{
    char path[64];
    (void)state;
    path_make(path);
    (void)unlink(path);
    return rmdir(dir);
}

static void create(struct journal *j)
{
    struct err e;
    assert_int_equal(journal_create(j, dir, &whose, &e), 0);
}

/* As after a kill: what is mapped is forgotten, the file is as it is. */
static uint32_t open_again(struct journal *j, uint64_t found)
{
    struct err e;
    uint32_t lost;
    if (j->map) {
        assert_int_equal(munmap(j->map, JOURNAL_BYTES), 0);
        guard_remove(j->guard);
    }
    assert_int_equal(journal_open(j, dir, &whose, found, &lost, &e), 0);
    return lost;
}

/* The block holds its own sequence, again and again. */
static int add(struct journal *j, uint64_t sequence, uint32_t len)
{
    const uint32_t records = 1 + (uint32_t)(sequence % 100);
    struct spool_block_head h = { .kind = SPOOL_IMAGE, .records = records, .sequence = sequence };
    for (uint32_t i = 0; i + 8 <= len; i += 8)
        memcpy(raw + i, &sequence, 8);
    return journal_add(j, &h, &(struct iovec){ raw, len }, 1);
}

/* The blocks that wait are those from `first` to `next`, each whole. */
static void assert_waiting(struct journal *j, uint64_t first, uint64_t next)
{
    uint64_t at = first;
    struct journal copy = *j;
    if (first == next) {
        assert_true(journal_is_empty(j));
        return;
    }
    assert_int_equal(j->first, first);
    assert_int_equal(j->next, next);
    while (copy.first < copy.next) {
        const char *blocks;
        size_t len, to = 0;
        uint64_t records;
        const uint32_t n = journal_peek(&copy, 100000, &blocks, &len, &records);
        for (uint32_t i = 0; i < n; i++, at++) {
            struct spool_block_head h;
            assert_true(spool_block_find(blocks, len, SPOOL_ENTRIES, &to, &h));
            assert_int_equal(h.sequence, at);
            assert_int_equal(spool_block_unpack(&h, blocks + to + sizeof h, raw), 0);
            for (uint32_t k = 0; k + 8 <= h.raw_bytes; k += 8)
                assert_memory_equal(raw + k, &at, 8);
            to += spool_block_bytes(&h);
        }
        assert_int_equal(to, len);
        copy.first += n;
    }
    assert_int_equal(at, next);
}

static void it_is_a_ring_that_loses_nothing_whenever_its_process_dies(void **state)
{
    struct journal j = { .guard = -1 };
    uint64_t random = 1, first = 1, next = 1, refused = 0, laps = 0;
    (void)state;
    create(&j);
    for (unsigned step = 0; step < 3000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const uint32_t draw = (uint32_t)(random >> 33);
        const uint64_t before = first == next ? 0 : journal_at(&j, next - 1)->offset;
        if (draw % 8 < 5) {
            const int r = add(&j, next, draw / 8 % 3 ? draw % 3000 : draw % 900000);
            assert_true(r == 0 || r == -EAGAIN);
            next += r == 0;
            refused += r < 0;
            laps += r == 0 && journal_at(&j, next - 1)->offset < before;
        } else if (first < next && draw % 8 < 7) {
            const uint32_t n = 1 + draw / 8 % (uint32_t)(next - first < 5 ? next - first : 5);
            journal_release(&j, n);
            first += n;
        } else {
            assert_int_equal(open_again(&j, 0), 0);
            assert_waiting(&j, first, next);
        }
    }
    assert_true(refused > 0 && laps > 5);
    journal_release(&j, (uint32_t)(next - first));
    journal_close(&j, dir);
    assert_int_equal(access(dir, F_OK), 0);
}

static void it_is_full_where_its_bytes_or_its_slots_are_used_up(void **state)
{
    struct journal j;
    const uint32_t most = JOURNAL_BLOCK_MAX - 64 - 8; /* without codec, what spool_block_bound() says */
    uint64_t n = 1;
    (void)state;
    create(&j);
    assert_int_equal(add(&j, 1, most + 1), -ENOTSUP);
    while (add(&j, n, most) == 0)
        n++;
    assert_int_equal(n - 1, 4);
    assert_int_equal(add(&j, n, most), -EAGAIN);
    journal_release(&j, 1);
    assert_int_equal(add(&j, n, most), -EAGAIN); /* its end would meet the oldest */
    assert_int_equal(add(&j, n, most - 16), 0);
    assert_int_equal(open_again(&j, 0), 0);
    assert_waiting(&j, 2, n + 1);
    journal_release(&j, 4);
    for (n = 6; n < 6 + JOURNAL_SLOTS; n++)
        assert_int_equal(add(&j, n, 8), 0);
    assert_int_equal(add(&j, n, 8), -EAGAIN);
    assert_int_equal(open_again(&j, 0), 0);
    assert_waiting(&j, 6, 6 + JOURNAL_SLOTS);
    journal_discard(&j, dir);
}

static const char *const points[] = { "journal-block", "journal-slot", "journal-release" };

static void killed_between_two_stores_it_holds_what_was_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * 12; i++) {
        struct journal j = { .guard = -1 };
        uint64_t *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        char fault[64];
        int status;
        assert_true(told != MAP_FAILED);
        (void)snprintf(fault, sizeof fault, "%s:%u", points[i % 3], 1 + i / 3);
        const pid_t pid = fork();
        if (pid == 0) {
            (void)setenv("FAPILOG_FAULT", fault, 1);
            CHECK(fault_init() == 0);
            create(&j);
            for (told[1] = 1;; told[1]++) {
                CHECK(add(&j, told[1], 3000 * (uint32_t)told[1]) == 0);
                if (told[1] % 4 != 0)
                    continue;
                told[0] = told[1] - 2; /* which are in a file from now on */
                journal_release(&j, told[1] == 4 ? 2 : 4);
            }
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(open_again(&j, told[0]), 0);
        /* Of the one that was under way nobody has been told: it may be there. */
        const uint64_t next = journal_is_empty(&j) ? told[0] + 1 : j.next;
        assert_true(next == told[1] || next == told[1] + 1);
        assert_waiting(&j, told[0] + 1, next);
        journal_discard(&j, dir);
        assert_int_equal(munmap(told, 4096), 0);
    }
}

static void a_flipped_bit_costs_one_block_at_most(void **state)
{
    char path[64];
    (void)state;
    path_make(path);
    for (uint64_t at = 0; at < 160 + 6 * 16 + 3000; at += at < 300 ? 3 : 397) {
        struct journal j = { .guard = -1 };
        struct err e;
        uint32_t lost, found = 0;
        create(&j);
        for (uint64_t n = 1; n <= 5; n++)
            assert_int_equal(add(&j, n, 400), 0);
        const uint64_t byte = at < 160 + 6 * 16 ? at : JOURNAL_AREA_OFFSET + at - (160 + 6 * 16);
        ((char *)j.map)[byte] ^= 0x10;
        (void)munmap(j.map, JOURNAL_BYTES);
        guard_remove(j.guard);
        j = (struct journal){ .guard = -1 };
        const int r = journal_open(&j, dir, &whose, 0, &lost, &e);
        if (at < 8) { /* it might be of another version */
            assert_int_equal(r, -EBADMSG);
            assert_non_null(strstr(e.text, "another version"));
            (void)unlink(path);
            continue;
        }
        assert_int_equal(r, 0);
        for (uint64_t n = j.first; n < j.next; n++)
            found += journal_at(&j, n)->bytes > 0;
        assert_true(found >= 4 && lost <= 1);
        assert_true(journal_head_is_valid(j.map));
        journal_discard(&j, dir);
    }
}

/* Whatever has written it: nothing outside is read, and what is taken are whole blocks side by side. */
static void any_bytes_are_read_as_far_as_they_make_sense(void **state)
{
    uint64_t random = 88172645463325252u, taken = 0;
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        struct journal j = { .guard = -1 };
        create(&j);
        for (uint64_t n = 250; n < 260; n++)
            assert_int_equal(add(&j, n, 400), 0);
        for (unsigned i = 0; i < 1 + round % 20; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            struct journal_slot *s = &j.map->slot[(random >> 40) % (round % 2 ? 4 : JOURNAL_SLOTS)];
            *s = (struct journal_slot){ random >> 33 & (round % 3 ? 0x1ff : ~UINT64_C(0)),
                                        round % 5 ? (random >> 20 & 15) * 464 : random >> 8 };
        }
        (void)open_again(&j, 0);
        for (uint64_t n = j.first; n < j.next; n++) {
            const struct journal_block *b = journal_at(&j, n);
            assert_true(b->bytes == 0 || b->bytes == 464);
            assert_true(journal_end_of(b) <= JOURNAL_AREA);
            taken += b->bytes > 0;
        }
        while (!journal_is_empty(&j)) {
            const char *blocks;
            size_t len;
            uint64_t records;
            const uint32_t n = journal_peek(&j, 1000, &blocks, &len, &records);
            assert_true(n > 0 && len > 0 && len <= 1000);
            journal_release(&j, n);
        }
        assert_int_equal(j.records, 0);
        journal_discard(&j, dir);
    }
    assert_true(taken > 100);
}

static void what_lies_in_a_file_already_is_not_in_it_any_more(void **state)
{
    struct journal j;
    (void)state;
    create(&j);
    for (uint64_t n = 7; n < 12; n++)
        assert_int_equal(add(&j, n, 400), 0);
    assert_int_equal(open_again(&j, 9), 0);
    assert_waiting(&j, 10, 12);
    assert_int_equal(open_again(&j, 11), 0);
    assert_true(journal_is_empty(&j));
    journal_close(&j, dir);
}

static void that_of_another_sink_is_left_alone(void **state)
{
    struct journal j;
    const struct spool_file_head other = { .sink = "fake", .format = "other/own" };
    struct err e;
    uint32_t lost;
    (void)state;
    create(&j);
    assert_int_equal(add(&j, 1, 400), 0);
    journal_close(&j, dir);
    assert_int_equal(journal_open(&j, dir, &other, 0, &lost, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "other/own"));
    assert_int_equal(open_again(&j, 0), 0);
    assert_waiting(&j, 1, 2);
    journal_discard(&j, dir);
    assert_int_equal(journal_open(&j, dir, &whose, 0, &lost, &e), -ENOENT);
}

static void without_room_on_the_disk_there_is_none(void **state)
{
    struct rlimit old;
    struct journal j;
    struct err e;
    char path[64];
    (void)state;
    path_make(path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit little = { JOURNAL_BYTES - 1, old.rlim_max };
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    const int r = journal_create(&j, dir, &whose, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(r, -EFBIG);
    assert_non_null(strstr(e.text, path));
    assert_int_equal(access(path, F_OK), -1);
}

/* Each that is not costs the thread that stores there a page fault in the file system. */
static void its_pages_are_in_the_page_cache_before_the_first_block(void **state)
{
    enum { PAGES = JOURNAL_BYTES / 4096 };
    static unsigned char is_there[PAGES];
    const char *tmp = getenv("TMPDIR");
    char on_disk[256];
    struct journal j = { .guard = -1 };
    struct err e;
    (void)state;
    (void)snprintf(on_disk, sizeof on_disk, "%s/fapilog-journal-XXXXXX", tmp ? tmp : "/var/tmp");
    if (sysconf(_SC_PAGESIZE) != 4096 || !mkdtemp(on_disk))
        skip();
    const int r = journal_create(&j, on_disk, &whose, &e);
    if (r == 0)
        assert_int_equal(mincore(j.map, JOURNAL_BYTES, is_there), 0);
    journal_discard(&j, on_disk);
    assert_int_equal(rmdir(on_disk), 0);
    if (r == -EOPNOTSUPP)
        skip(); /* a network file system, or one that cannot reserve */
    assert_int_equal(r, 0);
    for (uint32_t i = 0; i < PAGES; i++)
        assert_true(is_there[i] & 1);
}

static void one_that_was_cut_is_seen_and_does_not_kill(void **state)
{
    struct journal j;
    char path[64];
    (void)state;
    path_make(path);
    create(&j);
    assert_int_equal(add(&j, 1, 400), 0);
    assert_false(journal_is_damaged(&j));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(add(&j, 2, 100000), -EAGAIN);
    assert_true(journal_is_damaged(&j));
    journal_discard(&j, dir);
}

/* ---- into a file ---- */

static struct io *io_make(uint64_t seed)
{
    struct io *io;
    struct err e;
    assert_int_equal(io_new(&(struct io_config){ .kind = IO_SIM, .queue_depth = 16, .sim_seed = seed }, &io, &e), 0);
    return io;
}

static const char *log_open(struct seglog *l, struct io *io)
{
    static char path[64];
    struct err e;
    const struct seglog_config cfg = { .io = io, .dir = dir, .suffix = SPOOL_SUFFIX, .kind = SPOOL_ENTRIES,
        .sink = whose.sink, .format = whose.format, .segment_bytes = 1 << 20 };
    assert_int_equal(seglog_open(l, &cfg, &e), 0);
    (void)snprintf(path, sizeof path, "%s/0000000000000001" SPOOL_SUFFIX, dir);
    return path;
}

static void log_close(struct seglog *l, const char *path)
{
    struct io *io = l->io;
    seglog_close(l);
    io_free(io);
    assert_int_equal(unlink(path), 0);
}

static void write_sealed(struct seglog *l, uint64_t sequence, const char *blocks, size_t len)
{
    int r;
    assert_int_equal(seglog_add_sealed(l, blocks, len, sequence, 1), 0);
    assert_int_equal(seglog_start(l), 0);
    while ((r = seglog_poll(l)) == -EAGAIN)
        assert_true(io_turn(l->io, clock_mono_ns() + NS_PER_S) >= 0);
    assert_int_equal(r, 0);
}

static void a_file_system_that_cannot_but_cache_is_asked_once(void **state)
{
    static char blocks[2][4096], got[16384];
    (void)state;
    memset(blocks[0], 'a', sizeof blocks[0]);
    memset(blocks[1], 'b', sizeof blocks[1]);
    for (uint64_t seed = 7; seed < 9; seed++) { /* the odd one refuses */
        struct seglog l = {0};
        const char *path = log_open(&l, io_make(seed));
        l.is_uncached = true;
        for (uint64_t n = 0; n < ARRAY_COUNT(blocks); n++) {
            write_sealed(&l, n + 1, blocks[n], sizeof blocks[n]);
            assert_int_equal(l.req.is_uncached, seed % 2 == 0);
            assert_int_equal(l.is_uncached_refused, seed % 2);
        }
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, got, sizeof got), sizeof(struct spool_file_head) + sizeof blocks);
        assert_memory_equal(got + sizeof(struct spool_file_head), blocks, sizeof blocks);
        log_close(&l, path);
    }
}

/* Through the journal into a file. Whether it was to leave the page cache. */
static bool image_is_uncached(struct spool *s, uint32_t len, uint64_t now_ns)
{
    spool_tick(s, now_ns); /* for its options */
    assert_true(spool_take_image(s, &(struct iovec){ raw, len }, 1, 1, 0, true));
    spool_tick(s, now_ns);
    spool_tick(s, now_ns + 10 * NS_PER_MS);
    assert_true(spool_is_busy(s));
    const bool ret = s->log.is_uncached;
    while (spool_is_busy(s)) {
        assert_true(io_turn(s->cfg.io, clock_mono_ns() + NS_PER_S) >= 0);
        spool_tick(s, now_ns);
    }
    assert_false(spool_journal_waits(s));
    return ret;
}

static int rmdir_with(const char *where, const char *a, const char *b)
{
    auto_fd fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return unlinkat(fd, a, 0) < 0 || unlinkat(fd, b, 0) < 0 ? -1 : rmdir(where);
}

static void what_comes_fast_does_not_stay_in_the_page_cache(void **state)
{
    struct sink_delivery d = { .spool_max_bytes = 64 << 20, .spool_segment_bytes = 1 << 20,
        .spool_sync = SINK_SYNC_INTERVAL, .spool_sync_interval_ns = 3600 * NS_PER_S, .spool_max_age_ns = OPT_UNSET };
    const uint32_t much = (256 << 10) - 64; /* with the head of its block a write as it is made at once */
    uint64_t now = clock_mono_ns();
    char path[64];
    struct spool *s;
    struct err e;
    (void)state;
    (void)snprintf(path, sizeof path, "%s/spool", dir);
    const struct spool_config cfg = { .io = io_make(8), .dir = path, .sink = whose.sink, .format = whose.format,
                                      .delivery = &d };
    assert_int_equal(spool_open(&cfg, &s, &e), 0);
    assert_false(image_is_uncached(s, much - 8, now));
    assert_true(image_is_uncached(s, much, now += NS_PER_S));
    d.spool_sync = SINK_SYNC_NEVER; /* all is left to the kernel */
    assert_false(image_is_uncached(s, much, now += 2 * NS_PER_S));
    spool_close(s);
    io_free(cfg.io);
    assert_int_equal(rmdir_with(path, "0000000000000001" SPOOL_SUFFIX, "cursor"), 0);
}

/* ---- in a spool ---- */

static void an_image_is_safe_before_a_file_can_be_written(void **state)
{
    struct fake_ticket t[3];
    (void)state;
    f->script = always_fail;
    start();
    obstacle(1, true);
    put_image(20, &t[0]);
    fake_until(f, 0, t[0].settled);
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    assert_int_equal(fake_stats(f).spooled_records, 20);
    put_image(20, &t[1]); /* it is not told to be safe while the disk takes nothing */
    fake_run(f, 0);
    assert_false(t[1].settled);
    obstacle(1, false);
    fake_until(f, NS_PER_S, t[1].settled);
    assert_string_equal(f->message, "sink fake: spool: it can be written again");
    assert_true(fake_is_balanced(f));
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 40);
    assert_true(fake_is_balanced(f));
    fake_stop(f);
    assert_false(has_journal());
}

static void what_no_file_has_got_the_next_run_delivers(void **state)
{
    struct fake_ticket t[4];
    (void)state;
    f->script = always_fail;
    f->limits.in_flight = 1;
    start();
    fake_put(f, 20, 100, &t[0]);
    put_image(20, &t[1]);
    fake_until(f, 0, t[1].settled);
    assert_int_equal(fake_stats(f).spooled_records, 40);
    const uint64_t since_ns = f->now_ns;
    fake_until(f, NS_PER_MS, f->now_ns - since_ns > 50 * NS_PER_MS); /* the write has begun */
    fake_stop(f);
    assert_false(has_journal());
    start();
    obstacle(3, true);
    put_image(4096, &t[2]);
    fake_until(f, 0, t[2].settled);
    fake_stop(f);
    assert_true(has_journal());
    obstacle(3, false);
    f->script = NULL;
    start();
    assert_int_equal(fake_stats(f).taken, 40 + 4096);
    assert_int_equal(fake_stats(f).spooled_records, 40 + 4096);
    fake_put(f, 20, 100, &t[3]);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 60 + 4096);
    assert_int_equal(f->order_breaks, 0);
    assert_true(fake_is_balanced(f));
}

/* The group's file had been made, and was empty or torn, when the process was killed. */
static void a_file_that_was_just_begun_is_begun_again(void **state)
{
    for (int torn = 0; torn <= 200; torn += 100) {
        struct fake_ticket t;
        char path[FAKE_PATH + 64];
        (void)state;
        const uint64_t first = f->next;
        f->script = always_fail;
        start();
        obstacle(1, true);
        put_image(20, &t);
        fake_until(f, 0, t.settled);
        fake_stop(f);
        obstacle(1, false);
        spool_path(path, "0000000000000001" SPOOL_SUFFIX);
        const int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, raw, (size_t)torn), torn);
        (void)close(fd);
        f->script = hold;
        start();
        fake_until(f, NS_PER_MS, f->held_count > 0);
        fake_run(f, NS_PER_S); /* what has been read is not answered: its file stays */
        fake_stop(f);
        f->script = NULL;
        start();
        fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
        assert_each_delivered_once(first, first + 20);
        assert_int_equal(fake_stats(f).dropped_corrupt, 0);
        assert_true(fake_is_balanced(f));
        fake_stop(f);
        fake_done(f);
        (void)set_up(state);
    }
}

/* Killed between the write into the file and the note of it. */
static void what_a_file_has_as_well_is_delivered_once(void **state)
{
    struct fake_ticket t;
    char path[FAKE_PATH + 64];
    char *journal = malloc(JOURNAL_BYTES);
    (void)state;
    f->script = always_fail;
    start();
    put_image(20, &t);
    fake_until(f, 0, t.settled);
    spool_path(path, JOURNAL_FILE);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, journal, JOURNAL_BYTES), JOURNAL_BYTES);
    (void)close(fd);
    const uint64_t since_ns = f->now_ns;
    fake_until(f, NS_PER_MS, f->now_ns - since_ns > 50 * NS_PER_MS);
    fake_stop(f);
    assert_false(has_journal());
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, journal, JOURNAL_BYTES), JOURNAL_BYTES);
    (void)close(fd);
    free(journal);
    f->script = NULL;
    start();
    assert_int_equal(fake_stats(f).taken, 20);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 20);
    assert_int_equal(fake_stats(f).dropped_corrupt, 0);
    assert_true(fake_is_balanced(f));
}

static void a_journal_that_was_cut_costs_what_was_in_it(void **state)
{
    struct fake_ticket t[3];
    char path[FAKE_PATH + 64];
    (void)state;
    f->script = always_fail;
    start();
    obstacle(1, true);
    put_image(20, &t[0]);
    fake_until(f, 0, t[0].settled);
    spool_path(path, JOURNAL_FILE);
    assert_int_equal(truncate(path, 0), 0);
    obstacle(1, false);
    fake_until(f, NS_PER_S, fake_stats(f).dropped_corrupt == 20);
    assert_true(fake_is_balanced(f));
    put_image(20, &t[1]);
    fake_until(f, NS_PER_S, t[1].settled);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(20, 40);
    assert_true(fake_is_balanced(f));
}

static void where_there_can_be_none_images_go_into_files_directly(void **state)
{
    struct fake_ticket t;
    char path[FAKE_PATH + 64];
    (void)state;
    f->script = always_fail;
    start();
    spool_path(path, JOURNAL_FILE);
    assert_int_equal(mkdir(path, 0700), 0);
    put_image(20, &t);
    fake_until(f, 0, t.settled);
    assert_non_null(strstr(f->message, "goes on without a journal"));
    assert_int_equal(fake_stats(f).spooled_records, 20);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 20);
    assert_int_equal(rmdir(path), 0);
}

static void an_image_is_taken_as_it_lies_once_nothing_older_waits(void **state)
{
    struct fake_ticket t;
    (void)state;
    f->script = always_fail;
    f->limits.in_flight = 1;
    start();
    fake_put(f, 10, 100, &t);
    assert_false(fake_take_image(f, 10, 100, true));
    f->next -= 10;
    remote_relieve(f->r);
    fake_until(f, 0, t.settled);
    assert_false(fake_take_image(f, 10, 100, false)); /* there is time to pack it */
    f->next -= 10;
    for (unsigned i = 0; i < 50; i++)
        assert_true(fake_take_image(f, 10, 100, true));
    assert_int_equal(fake_stats(f).spooled_records, 510);
    assert_int_equal(fake_stats(f).taken, 510);
    assert_true(fake_is_balanced(f));
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 510);
    assert_int_equal(f->order_breaks, 0);
    assert_true(fake_is_balanced(f));
    fake_stop(f);
    fake_option(f, "on_full", "block");
    f->script = always_fail;
    start();
    assert_false(fake_take_image(f, 10, 100, true));
}

static void with_spool_sync_always_or_a_small_spool_there_is_none(void **state)
{
    struct fake_ticket t[2];
    (void)state;
    f->script = always_fail;
    fake_option(f, "spool_sync", "always");
    start();
    put_image(20, &t[0]);
    fake_until(f, 0, t[0].settled);
    assert_false(has_journal());
    fake_stop(f);
    fake_option(f, "spool_sync", "interval");
    fake_option(f, "spool_max_bytes", "33554431");
    start();
    put_image(20, &t[1]);
    fake_until(f, 0, t[1].settled);
    assert_false(has_journal());
    fake_stop(f);
    fake_option(f, "spool_max_bytes", "33554432");
    start();
    put_image(20, &t[0]);
    fake_until(f, 0, t[0].settled);
    assert_true(has_journal());
}

int main(void)
{
    struct CMUnitTest spools[] = {
        cmocka_unit_test(an_image_is_safe_before_a_file_can_be_written),
        cmocka_unit_test(what_no_file_has_got_the_next_run_delivers),
        cmocka_unit_test(a_file_that_was_just_begun_is_begun_again),
        cmocka_unit_test(what_a_file_has_as_well_is_delivered_once),
        cmocka_unit_test(a_journal_that_was_cut_costs_what_was_in_it),
        cmocka_unit_test(where_there_can_be_none_images_go_into_files_directly),
        cmocka_unit_test(an_image_is_taken_as_it_lies_once_nothing_older_waits),
        cmocka_unit_test(with_spool_sync_always_or_a_small_spool_there_is_none),
    };
    struct CMUnitTest alone[] = {
        cmocka_unit_test(it_is_a_ring_that_loses_nothing_whenever_its_process_dies),
        cmocka_unit_test(it_is_full_where_its_bytes_or_its_slots_are_used_up),
        cmocka_unit_test(killed_between_two_stores_it_holds_what_was_told),
        cmocka_unit_test(a_flipped_bit_costs_one_block_at_most),
        cmocka_unit_test(any_bytes_are_read_as_far_as_they_make_sense),
        cmocka_unit_test(what_lies_in_a_file_already_is_not_in_it_any_more),
        cmocka_unit_test(that_of_another_sink_is_left_alone),
        cmocka_unit_test(without_room_on_the_disk_there_is_none),
        cmocka_unit_test(its_pages_are_in_the_page_cache_before_the_first_block),
        cmocka_unit_test(one_that_was_cut_is_seen_and_does_not_kill),
        cmocka_unit_test(a_file_system_that_cannot_but_cache_is_asked_once),
        cmocka_unit_test(what_comes_fast_does_not_stay_in_the_page_cache),
    };
    for (size_t i = 0; i < ARRAY_COUNT(alone); i++) {
        alone[i].setup_func = directory_make;
        alone[i].teardown_func = directory_remove;
    }
    const int failed = cmocka_run_group_tests(alone, NULL, NULL);
    return failed + run_on_every_backend(spools, ARRAY_COUNT(spools));
}
