/* Processes are made by fork() and by a bare clone() from several threads at once, while others of their threads log,
 * take lanes and make loggers; the children log, make children of their own, and end or are killed. Each process has
 * books of its own, and all of them are exact. FAPILOG_TEST_FORKS: children of each thread that makes some (default
 * 40). */
#include <fapilog/fapilog.h>

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BOOKS_MAX = 8000, MAKERS = 4, LOGGERS = 3, AT_ONCE = 3, PATIENCE_S = 20 };

enum fate { ENDS, KILLS_ITSELF, IS_KILLED, FATES };

/* Of one process. */
struct book {
    uint32_t pid, parent;
    uint32_t begun, finished; /* calls, of all its threads */
    uint32_t threads;
};

struct shared {
    uint32_t books;
    struct book book[BOOKS_MAX]; /* [0] is of the process that all come from */
};

/* One child of a maker. */
struct birth {
    pid_t (*make)(void);
    struct book *parent;
    uint32_t number;
    bool is_last; /* makes none itself */
};

static struct shared *shared;
static fapilog_t *the_log, *kept;
static uint32_t forks, is_over;

static void count(uint32_t *n)
{
    /* order: relaxed - read when the process is gone */
    __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

static void call(struct book *b, uint32_t i)
{
    static const char text[3000];
    count(&b->begun);
    if (i % 16 == 15)
        FAPILOG_WARNING(the_log, "text", FL_BYTES("bytes", text, i % sizeof text));
    else
        FAPILOG_INFO(the_log, "number", FL("i", i));
    count(&b->finished);
}

static void rest(long us)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static pid_t raw_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static struct book *book_new(void)
{
    /* order: relaxed - a number */
    const uint32_t i = __atomic_fetch_add(&shared->books, 1, __ATOMIC_RELAXED);
    if (i >= BOOKS_MAX)
        _exit(7);
    return &shared->book[i];
}

static enum fate fate_of(const struct birth *birth)
{
    return (enum fate)(birth->number % FATES);
}

static void see_off(pid_t pid, enum fate fate)
{
    int status = 0;
    const bool is_there = pid > 0 && waitpid(pid, &status, 0) == pid;
    if (!is_there || (fate == ENDS ? status != 0 : !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)) {
        (void)fprintf(stderr, "a child that should end by fate %d has status %x\n", (int)fate, (unsigned)status);
        _exit(8);
    }
}

static void *log_some(void *arg)
{
    for (uint32_t i = 0; i < 20; i++)
        call(arg, i);
    return arg;
}

/* Not after a bare clone(), of which the C library knows nothing, nor where a sanitizer's locks may be taken. */
static void log_in_a_thread(struct book *b)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    pthread_t t;
    b->threads++;
    if (pthread_create(&t, NULL, log_some, b) != 0 || pthread_join(t, NULL) != 0)
        _exit(6);
#else
    (void)log_some(b);
#endif
}

/* A thread of the parent may have held the library's lock when we were made. */
static void log_by_name(struct book *b)
{
    if (fapilog_logger(the_log, "kept") != kept)
        _exit(3);
    count(&b->begun);
    FAPILOG_INFO(kept, "by name");
    count(&b->finished);
}

static pid_t give_birth(const struct birth *birth);

__attribute__((noreturn)) static void live(const struct birth *birth, struct book *b)
{
    const enum fate fate = fate_of(birth);
    (void)alarm(PATIENCE_S); /* who hangs is killed by another signal than it should */
    b->pid = (uint32_t)getpid();
    b->parent = birth->parent->pid;
    b->threads = 1;
    for (uint32_t i = 0; i < birth->number % 40; i++)
        call(b, i);
    if (birth->make == fork && birth->number % 5 == 0)
        log_in_a_thread(b);
    if (birth->number % 3 == 0)
        log_by_name(b);
    if (!birth->is_last && birth->number % 4 == 1 && fate != IS_KILLED) { /* who would see it off? */
        const struct birth more = {birth->make, b, birth->number / 4 * FATES + ENDS, true};
        call(b, 0);
        see_off(give_birth(&more), fate_of(&more));
        call(b, 1);
    }
    if (fate == KILLS_ITSELF)
        (void)kill(getpid(), SIGKILL);
    for (uint32_t i = 0; fate == IS_KILLED; i++)
        call(b, i);
    _exit(0);
}

static pid_t give_birth(const struct birth *birth)
{
    struct book *const b = book_new();
    const pid_t pid = birth->make();
    if (pid == 0)
        live(birth, b);
    return pid;
}

/* ---- the process that all come from ---- */

static void *make_children(void *arg)
{
    struct { pid_t pid; enum fate fate; } alive[AT_ONCE] = {0};
    const uint32_t maker = (uint32_t)(uintptr_t)arg;
    struct birth birth = {.make = maker % 2 ? raw_clone : fork, .parent = &shared->book[0]};
    for (uint32_t i = 0; i < forks + AT_ONCE; i++) {
        const uint32_t k = i % AT_ONCE;
        if (alive[k].fate == IS_KILLED && alive[k].pid) {
            rest(i * 7919 % 2000);
            (void)kill(alive[k].pid, SIGKILL);
        }
        if (alive[k].pid)
            see_off(alive[k].pid, alive[k].fate);
        alive[k].pid = 0;
        if (i >= forks)
            continue;
        birth.number = i;
        call(birth.parent, i);
        alive[k].fate = fate_of(&birth);
        alive[k].pid = give_birth(&birth);
    }
    return NULL;
}

static void *log_on(void *arg)
{
    for (uint32_t i = 0; !load_rlx(&is_over); i++) { /* order: relaxed - nothing is read behind it */
        FAPILOG_SCOPE(FL("turn", i));
        call(arg, i);
        if (i % 50 == 0)
            rest(50);
    }
    return NULL;
}

/* Whatever the library locks, a child may be made at that moment. */
static void *lock_things(void *arg)
{
    for (uint32_t i = 0; !load_rlx(&is_over); i++) { /* order: relaxed - nothing is read behind it */
        char name[32];
        pthread_t t;
        (void)snprintf(name, sizeof name, "logger-%u", i % 300);
        (void)fapilog_logger(the_log, name);
        if (pthread_create(&t, NULL, log_some, arg) != 0 || pthread_join(t, NULL) != 0)
            _exit(5);
    }
    return NULL;
}

static void start(pthread_t *t, void *(*f)(void *), void *arg)
{
    if (pthread_create(t, NULL, f, arg) != 0)
        _exit(4);
}

static void root(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = 1 << 17, .lanes = 8};
    pthread_t makers[MAKERS], others[LOGGERS + 1];
    struct book *const b = book_new();
    (void)arg;
    b->pid = (uint32_t)getpid();
    b->threads = MAKERS + LOGGERS + 2;
    the_log = fapilog_open("storm", &o);
    kept = fapilog_logger(the_log, "kept");
    for (uintptr_t i = 0; i < MAKERS; i++)
        start(&makers[i], make_children, (void *)i);
    for (int i = 0; i < LOGGERS; i++)
        start(&others[i], log_on, b);
    start(&others[LOGGERS], lock_things, b);
    for (int i = 0; i < MAKERS; i++)
        (void)pthread_join(makers[i], NULL);
    store_rlx(&is_over, 1); /* order: relaxed - nothing is read behind it */
    for (int i = 0; i < LOGGERS + 1; i++)
        (void)pthread_join(others[i], NULL);
}

/* ---- the books ---- */

static const struct book *book_of(uint32_t pid)
{
    for (uint32_t i = 0; i < shared->books; i++)
        if (shared->book[i].pid == pid)
            return &shared->book[i];
    fail_msg("a segment is of process %u, which nobody has made", pid);
    return NULL;
}

static void check_book(struct walk *w)
{
    struct walk_totals t;
    const struct book *const b = book_of(w->sb->pid);
    if (!walk_run(w, NULL, NULL, &t))
        fail_msg("process %u: %s", w->sb->pid, w->error);
    assert_int_equal(w->sb->parent_pid, b->parent);
    assert_true(b->begun - b->finished <= b->threads);
    const uint64_t booked = t.committed + t.dropped + w->sb->orphan_dropped;
    if (booked < b->finished || booked > b->begun)
        fail_msg("process %u has begun %u calls and finished %u, but %llu are in its books", b->pid, b->begun,
                 b->finished, (unsigned long long)booked);
}

static void every_process_of_a_storm_has_exact_books(void **state)
{
    struct scenario *s = *state;
    uint32_t silent = 0;
    scenario_wait(s, scenario_start(root, NULL));
    assert_int_equal(s->status, 0);
    struct walk *const w = calloc(shared->books, sizeof *w);
    assert_non_null(w);
    const unsigned n = walk_open_all(w, shared->books, s->dir);
    for (unsigned i = 0; i < n; i++) {
        check_book(&w[i]);
        walk_close(&w[i]);
    }
    free(w);
    for (uint32_t i = 0; i < shared->books; i++)
        silent += shared->book[i].finished == 0;
    print_message("%u processes, %u of them without a call that returned, %u segments; %u calls beside them\n",
                  shared->books, silent, n, shared->book[0].finished);
    assert_in_range(n, shared->books - silent, shared->books);
}

static int setup(void **state)
{
    const char *const text = getenv("FAPILOG_TEST_FORKS");
    forks = text && *text ? (uint32_t)strtoul(text, NULL, 10) : 40;
    assert_true(forks * MAKERS * 2 < BOOKS_MAX);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    return scenario_setup(state);
}

static int teardown(void **state)
{
    (void)munmap(shared, sizeof *shared);
    return scenario_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_process_of_a_storm_has_exact_books, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
