/* producer - a service of a chaos world: threads, and forked children, that log records and note what became of each.
 *
 *     chaos-producer --id N --threads N --records N --seed N --notes DIR [--children N] [--burst N --pause-us N]
 *                    [--on-full discard|overwrite|block] [--lane-bytes N] [--lanes N] [--long] RINGS
 *
 * Goes on until each thread has logged --records, or until SIGTERM. DIR/N is a file that this process has mapped, so it
 * is as true after a SIGKILL as before: a header of four 64-bit words (pid, threads, records, whether it has a ring),
 * then for each record of each thread a byte, its outcome. tests/chaos/notes.py reads it, and knows how level and text
 * of a record follow from seed, id, thread and number. Child K of N has the id N * 16 + K + 1 and a file of its own. */
#include <fapilog/fapilog.h>

#include "lib/base/check.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN_MAX = 8, TEXT_MAX = 100000 };

/* A macro returns nothing, so what it logs may have been refused; the reports of drops have to tell how many were. */
enum outcome { NOT_BEGUN, BEGUN, ACCEPTED, REFUSED, LOGGED };

struct notes {
    uint64_t pid, threads, records, has_ring;
    volatile uint8_t outcome[];
};

struct service {
    fapilog_t *log, *child;
    struct notes *notes;
    const char *notes_dir;
    long id, threads, records, pause_us, burst, children;
    uint64_t seed;
    bool is_long;
    char *text[26]; /* TEXT_MAX of one letter each */
};

struct worker {
    const struct service *service;
    long index;
};

static volatile sig_atomic_t is_stopped;

static void on_stop(int signo)
{
    (void)signo;
    is_stopped = 1;
}

/* splitmix64; notes.py has the same. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t text_len(const struct service *s, uint64_t hash)
{
    const uint64_t size = hash >> 24;
    if (s->is_long && (hash >> 16) % 256 == 0)
        return (uint32_t)(size % TEXT_MAX);
    return (uint32_t)((hash >> 16) % 256 < 4 ? size % 6000 : size % 200);
}

/* Every shape of a record that the transport knows: macro, bound fields, context, no macro, many fields. */
static enum outcome log_one(const struct service *s, int thread, long n, uint64_t hash)
{
    const uint32_t level = hash % 8 == 0 ? FAPILOG_LEVEL_ERROR : FAPILOG_LEVEL_INFO;
    const char *text = s->text[n % 26];
    const uint32_t len = text_len(s, hash);
    const int id = (int)s->id;
    switch (hash >> 8 & 7) {
    case 0:
    case 1:
    case 2:
        FAPILOG_LOG(s->log, level, "chaos", FL("p", id), FL("t", thread), FL("n", n), FL("len", len),
                    FL_STRN("text", text, len));
        return LOGGED;
    case 3: {
        FAPILOG_SCOPE(FL_REQUEST_ID("r-1"), FL("shard", n % 7));
        FAPILOG_LOG(s->log, level, "chaos", FL("p", id), FL("t", thread), FL("n", n), FL("len", len),
                    FL_STRN("text", text, len));
        return LOGGED;
    }
    case 4:
        FAPILOG_LOG(s->child, level, "chaos", FL("p", id), FL("t", thread), FL("n", n), FL("len", len),
                    FL_STRN("text", text, len), FL_ERRNO("why", 2), FL("ratio", 0.5));
        return LOGGED;
    default:
        return fapilog_log(hash & 64 ? s->child : s->log, level, "chaos", 5,
                           FAPILOG_FIELDS(FL("p", id), FL("t", thread), FL("n", n), FL("len", len),
                                          FL_STRN("text", text, len))) == 0
                   ? ACCEPTED
                   : REFUSED;
    }
}

static void *work(void *arg)
{
    const struct worker *w = arg;
    const struct service *s = w->service;
    volatile uint8_t *outcome = s->notes->outcome + w->index * s->records;
    for (long n = 0; !is_stopped && n < s->records; n++) {
        const uint64_t hash = mix(s->seed ^ (uint64_t)s->id << 48 ^ (uint64_t)w->index << 40 ^ (uint64_t)n);
        outcome[n] = BEGUN;
        outcome[n] = (uint8_t)log_one(s, (int)w->index, n, hash);
        if (s->pause_us && n % s->burst == 0) {
            const struct timespec pause = { s->pause_us / 1000000, s->pause_us % 1000000 * 1000 };
            (void)nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

static void open_notes(struct service *s)
{
    char path[4096];
    const size_t bytes = sizeof *s->notes + (size_t)(s->threads * s->records);
    CHECK(snprintf(path, sizeof path, "%s/%ld", s->notes_dir, s->id) < (int)sizeof path);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    s->notes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(s->notes != MAP_FAILED);
    CHECK(close(fd) == 0);
    s->notes->pid = (uint64_t)getpid();
    s->notes->threads = (uint64_t)s->threads;
    s->notes->records = (uint64_t)s->records;
}

/* All threads from their begin to their end, with notes of our own. */
static void serve(struct service *s)
{
    pthread_t *thread = calloc((size_t)s->threads, sizeof *thread);
    struct worker *worker = calloc((size_t)s->threads, sizeof *worker);
    CHECK(thread != NULL && worker != NULL);
    s->notes->has_ring = fapilog_set_level(s->log, FAPILOG_LEVEL_INFO) == 0;
    for (long i = 0; i < s->threads; i++) {
        worker[i] = (struct worker){ s, i };
        CHECK(pthread_create(&thread[i], NULL, work, &worker[i]) == 0);
    }
    for (long i = 0; i < s->threads; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    free(thread);
    free(worker);
}

static pid_t fork_child(const struct service *s, long k)
{
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    struct service own = *s;
    own.id = s->id * 16 + k + 1;
    open_notes(&own);
    FAPILOG_INFO(own.log, "child", FL("id", (int)own.id)); /* the first call makes its segment */
    serve(&own);
    if (k % 2)
        (void)kill(getpid(), SIGKILL);
    fapilog_close(own.log);
    _exit(0);
}

static const struct option long_options[] = {
    { "id", required_argument, NULL, 'i' },       { "threads", required_argument, NULL, 't' },
    { "records", required_argument, NULL, 'r' },  { "seed", required_argument, NULL, 's' },
    { "notes", required_argument, NULL, 'n' },    { "children", required_argument, NULL, 'c' },
    { "burst", required_argument, NULL, 'b' },    { "pause-us", required_argument, NULL, 'p' },
    { "on-full", required_argument, NULL, 'f' },  { "lane-bytes", required_argument, NULL, 'l' },
    { "lanes", required_argument, NULL, 'L' },    { "long", no_argument, NULL, 'g' },
    { NULL, 0, NULL, 0 },
};

static uint32_t on_full(const char *name)
{
    static const char *const names[] = { "", "discard", "overwrite", "block" };
    for (uint32_t i = 1; i < 4; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    CHECK(!"the name of a policy");
    return 0;
}

static long number(void)
{
    char *end;
    const long n = strtol(optarg, &end, 10);
    CHECK(*optarg && !*end);
    return n;
}

static int parse(struct service *s, struct fapilog_options *o, int argc, char **argv)
{
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'i': s->id = number(); break;
        case 't': s->threads = number(); break;
        case 'r': s->records = number(); break;
        case 's': s->seed = strtoull(optarg, NULL, 10); break;
        case 'n': s->notes_dir = optarg; break;
        case 'c': s->children = number(); break;
        case 'b': s->burst = number(); break;
        case 'p': s->pause_us = number(); break;
        case 'f': o->on_full = on_full(optarg); break;
        case 'l': o->lane_bytes = (uint64_t)number(); break;
        case 'L': o->lanes = (uint32_t)number(); break;
        case 'g': s->is_long = true; break;
        default: return -1;
        }
    }
    o->ring_dir = argv[optind];
    return optind == argc - 1 && s->notes_dir && s->children <= CHILDREN_MAX ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct service s = { .threads = 1, .records = 1000, .burst = 1 };
    struct fapilog_options o = { .size = sizeof o };
    pid_t child[CHILDREN_MAX];
    if (parse(&s, &o, argc, argv) < 0)
        return 2;
    (void)signal(SIGTERM, on_stop);
    for (int i = 0; i < 26; i++) {
        s.text[i] = malloc(TEXT_MAX);
        CHECK(s.text[i] != NULL);
        memset(s.text[i], 'a' + i, TEXT_MAX);
    }
    s.log = fapilog_open("chaos", &o);
    s.child = fapilog_with(fapilog_logger(s.log, "part"), FAPILOG_FIELDS(FL("venue", "XETRA"), FL("gateway", 7)));
    open_notes(&s);
    for (long k = 0; k < s.children; k++)
        child[k] = fork_child(&s, k);
    serve(&s);
    for (long k = 0; k < s.children; k++) {
        if (is_stopped)
            (void)kill(child[k], SIGTERM);
        CHECK(waitpid(child[k], NULL, 0) == child[k]);
    }
    fapilog_close(s.log);
    for (int i = 0; i < 26; i++)
        free(s.text[i]);
    return 0;
}
