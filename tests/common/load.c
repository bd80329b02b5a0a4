/* load - a producer for end-to-end tests: threads that log numbered records.
 *
 *     load [--id N] [--threads N] [--records N] [--burst N --pause-us N] [--payload BYTES] [--block]
 *          [--overwrite] [--lane-bytes N] [--lanes N] [--errors N] [--contexts N] [--flush-ms N] [--forks N]
 *          [--wait] RINGS
 *
 * Each record carries its producer's number (--id), thread and sequence number, and a payload that follows from
 * these three as load_lines.py has it, so that a reader can tell each byte of it. --contexts N binds a request
 * id for each N records, which follows from them too. --records 0 goes on
 * until SIGTERM. At the end it prints "written N", what the books of the collector must balance with;
 * --wait keeps the segment open until a byte or the end of stdin. --errors N makes every Nth record an
 * ERROR; --flush-ms waits at the end for the collector's acknowledgement; --forks N does all this in N
 * processes one after the other, the --id being their number. */
#include <fapilog/fapilog.h>

#include "lib/base/check.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD = 4093 }; /* a prime: no power of two of records has the same payload */

struct load {
    fapilog_t *log;
    long id, threads, records, pause_us, payload, burst, errors, contexts, forks, flush_ms;
    char *text; /* PERIOD + payload bytes: a text that repeats itself */
};

struct worker {
    const struct load *load;
    long index;
    long written;
};

static volatile sig_atomic_t is_stopped;

static void on_stop(int signo)
{
    (void)signo;
    is_stopped = 1;
}

static void pause_us(long us)
{
    const struct timespec t = { us / 1000000, us % 1000000 * 1000 };
    (void)nanosleep(&t, NULL);
}

static void log_one(const struct load *l, const struct worker *w, long n)
{
    const bool is_error = l->errors && n % l->errors == 0;
    const char *const payload = l->text + (l->id * 1009 + w->index * 101 + n) % PERIOD;
    FAPILOG_LOG(l->log, is_error ? FAPILOG_LEVEL_ERROR : FAPILOG_LEVEL_INFO, "load", FL("producer", (int)l->id),
                FL("thread", (int)w->index), FL("n", n), FL_STRN("payload", payload, (size_t)l->payload));
}

static struct fapilog_scope bind(const struct load *l, const struct worker *w, long n)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%ld-%ld-%ld", l->id, w->index, n / l->contexts);
    return fapilog_context_push(FAPILOG_FIELDS(FL_REQUEST_ID(text)));
}

static void *work(void *arg)
{
    struct worker *w = arg;
    const struct load *l = w->load;
    struct fapilog_scope scope = {0};
    for (long i = 0; !is_stopped && (l->records == 0 || i < l->records); i++) {
        if (l->contexts && i % l->contexts == 0) {
            if (i)
                fapilog_context_pop(&scope);
            scope = bind(l, w, i);
        }
        log_one(l, w, i);
        w->written++;
        if (l->pause_us && i % l->burst == 0)
            pause_us(l->pause_us);
    }
    return NULL;
}

static const struct option long_options[] = {
    { "threads", required_argument, NULL, 't' },  { "records", required_argument, NULL, 'r' },
    { "pause-us", required_argument, NULL, 'p' }, { "payload", required_argument, NULL, 's' },
    { "id", required_argument, NULL, 'i' },       { "burst", required_argument, NULL, 'b' },
    { "block", no_argument, NULL, 'B' },          { "overwrite", no_argument, NULL, 'O' },
    { "lane-bytes", required_argument, NULL, 'l' }, { "lanes", required_argument, NULL, 'L' },
    { "wait", no_argument, NULL, 'w' },           { "errors", required_argument, NULL, 'e' },
    { "forks", required_argument, NULL, 'f' },    { "flush-ms", required_argument, NULL, 'F' },
    { "contexts", required_argument, NULL, 'c' },
    { NULL, 0, NULL, 0 },
};

static long work_all(const struct load *l)
{
    pthread_t *thread = calloc((size_t)l->threads, sizeof *thread);
    struct worker *worker = calloc((size_t)l->threads, sizeof *worker);
    CHECK(thread != NULL && worker != NULL);
    for (long i = 0; i < l->threads; i++) {
        worker[i] = (struct worker){ l, i, 0 };
        CHECK(pthread_create(&thread[i], NULL, work, &worker[i]) == 0);
    }
    long written = 0;
    for (long i = 0; i < l->threads; i++) {
        CHECK(pthread_join(thread[i], NULL) == 0);
        written += worker[i].written;
    }
    free(thread);
    free(worker);
    return written;
}

/* One short process after the other, each with a segment of its own; every second one is killed. */
static void fork_all(struct load *l, const struct fapilog_options *o)
{
    for (long i = 0; i < l->forks; i++) {
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            l->id = i;
            l->log = fapilog_open("load", o);
            (void)work_all(l);
            if (i % 2)
                (void)kill(getpid(), SIGKILL);
            fapilog_close(l->log);
            _exit(0);
        }
        CHECK(waitpid(pid, NULL, 0) == pid);
    }
    (void)printf("written %ld\n", l->forks * l->threads * l->records);
}

static void flush(const struct load *l)
{
    struct timespec from, to;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    const int r = fapilog_flush(l->log, (uint64_t)l->flush_ms * 1000000, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    (void)printf("flush %d after %ld us\n", r,
                 (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
}

static long number(void)
{
    char *end;
    const long n = strtol(optarg, &end, 10);
    CHECK(*optarg && !*end);
    return n;
}

static int parse(struct load *l, struct fapilog_options *o, bool *ret_wait, int argc, char **argv)
{
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 't': l->threads = number(); break;
        case 'r': l->records = number(); break;
        case 'p': l->pause_us = number(); break;
        case 's': l->payload = number(); break;
        case 'i': l->id = number(); break;
        case 'b': l->burst = number(); break;
        case 'B': o->on_full = FAPILOG_ON_FULL_BLOCK; break;
        case 'O': o->on_full = FAPILOG_ON_FULL_OVERWRITE; break;
        case 'l': o->lane_bytes = (uint64_t)number(); break;
        case 'L': o->lanes = (uint32_t)number(); break;
        case 'w': *ret_wait = true; break;
        case 'e': l->errors = number(); break;
        case 'f': l->forks = number(); break;
        case 'c': l->contexts = number(); break;
        case 'F': l->flush_ms = number(); break;
        default: return -1;
        }
    }
    o->ring_dir = argv[optind];
    return optind == argc - 1 ? 0 : -1;
}

/* Printable characters, a quote and a backslash among them, that no short stretch has twice. */
static char *text_new(size_t bytes)
{
    char *text = malloc(bytes + 1);
    uint32_t x = 1;
    CHECK(text != NULL);
    for (size_t i = 0; i < bytes; i++) {
        x = x * 1103515245 + 12345;
        text[i] = i < PERIOD ? (char)(' ' + (x >> 16) % 95) : text[i - PERIOD];
    }
    text[bytes] = '\0';
    return text;
}

int main(int argc, char **argv)
{
    struct load l = { .threads = 1, .records = 1000, .burst = 1 };
    struct fapilog_options o = { .size = sizeof o };
    bool wait = false;
    if (parse(&l, &o, &wait, argc, argv) < 0)
        return 2;
    (void)signal(SIGTERM, on_stop);
    l.text = text_new(PERIOD + (size_t)l.payload);
    if (l.forks) {
        fork_all(&l, &o);
        free(l.text);
        return 0;
    }
    l.log = fapilog_open("load", &o);
    const long written = work_all(&l);
    if (l.flush_ms)
        flush(&l);
    (void)printf("written %ld\n", written);
    (void)fflush(stdout);
    if (wait)
        (void)getchar();
    fapilog_close(l.log);
    free(l.text);
    return 0;
}
