/* fapilog-demo: a service that logs from several processes and threads, and its own witness. After a
 * log call has returned, the thread raises its counter in a separate shared file; when the service is
 * killed, those counters say how many calls had returned, independently of the ring. */
#include "tools/demo/demo.h"

#include <fapilog/fapilog.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct worker {
    fapilog_t *log;
    const struct demo_options *options;
    uint64_t *returned;
    unsigned process, thread;
};

static volatile sig_atomic_t stop;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void log_one(const struct worker *w, uint64_t n)
{
    static const char *const symbols[] = {"ACME", "GLOBEX", "INITECH", "UMBRELLA"};
    const double price = 100.0 + (double)(n % 997) / 8;

    if (n % 50000 == 49999)
        FAPILOG_WARNING(w->log, "order book is deep", FL("process", w->process), FL("thread", w->thread),
                        FL("n", n), FL("depth", n % 1000));
    else
        FAPILOG_INFO(w->log, "order accepted", FL("process", w->process), FL("thread", w->thread), FL("n", n),
                     FL("price", price), FL("symbol", symbols[n % 4]));
}

static void *worker_main(void *arg)
{
    const struct worker *w = arg;
    const uint64_t start = now_ns();
    const uint64_t rate = w->options->rate;

    for (uint64_t n = 0; !stop && (!w->options->records || n < w->options->records); n++) {
        log_one(w, n);
        /* order: release, pairs with the acquire in demo_verify() - the call above has returned */
        __atomic_store_n(w->returned, n + 1, __ATOMIC_RELEASE);
        if (rate && n % 64 == 63) {
            const uint64_t due = start + (n + 1) * 1000000000u / rate;
            const uint64_t now = now_ns();
            if (due > now) {
                const struct timespec pause = {(time_t)((due - now) / 1000000000u), (long)((due - now) % 1000000000u)};
                (void)nanosleep(&pause, NULL);
            }
        }
    }
    return NULL;
}

static int run_process(const struct demo_options *o, struct demo_witness *witness, unsigned process)
{
    pthread_t threads[DEMO_THREADS_MAX];
    struct worker workers[DEMO_THREADS_MAX];
    fapilog_t *log = fapilog_open("demo", NULL);

    for (unsigned t = 0; t < o->threads; t++) {
        workers[t] = (struct worker){log, o, &witness->returned[process][t], process, t};
        const int r = pthread_create(&threads[t], NULL, worker_main, &workers[t]);
        if (r != 0) {
            fprintf(stderr, "fapilog-demo: cannot start thread %u: %s\n", t, strerror(r));
            return 1;
        }
    }
    for (unsigned t = 0; t < o->threads; t++)
        (void)pthread_join(threads[t], NULL);
    fapilog_close(log);
    return 0;
}

int demo_serve(const struct demo_options *o, struct demo_witness *witness)
{
    struct sigaction action = {.sa_handler = on_stop};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);

    witness->processes = o->processes;
    witness->threads = o->threads;
    for (unsigned p = 1; p < o->processes; p++) {
        const pid_t pid = fork();
        if (pid < 0) {
            fprintf(stderr, "fapilog-demo: fork: %s\n", strerror(errno));
            return 1;
        }
        if (pid == 0)
            _exit(run_process(o, witness, p));
    }
    int failed = run_process(o, witness, 0);
    for (int status; wait(&status) > 0;)
        failed |= status != 0;
    return failed;
}
