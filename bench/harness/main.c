/* fapilog-bench: measures peers across processes. See docs/benchmarks.md. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "bench/harness/report.h"
#include "bench/harness/run.h"
#include "lib/base/check.h"

static const char usage_text[] =
    "usage: fapilog-bench [options] PEER...\n"
    "  --mode batch|burst|sustained|kill|idle   what to measure (sustained)\n"
    "  --shape none|three|text|ten   fields of a record (three: int, int, double)\n"
    "  --producers N      number of producers (1)\n"
    "  --processes        producers are processes instead of threads of one process\n"
    "  --records N        sustained, kill: records of each producer (1000000)\n"
    "  --batches N        batch, burst: batches of each producer (1000)\n"
    "  --batch-calls N    calls in a batch (20) or burst (1000)\n"
    "  --pause-us N       pause before each batch or burst (2000)\n"
    "  --spin             pause by spinning instead of sleeping\n"
    "  --idle-ms N        idle: how long (2000)\n"
    "  --on-full block|discard   what producers do without room, where a peer knows the difference (block)\n"
    "  --first-cpu N      producer k runs on CPU N + k only (default: anywhere)\n"
    "  --repeat N         rounds over all peers (1)\n"
    "  --tmp DIR          where outputs are written meanwhile ($TMPDIR or /var/tmp)\n"
    "  --out DIR          write one JSON object for each run there\n"
    "  --peers-dir DIR    take the programs bench-producer-NAME in DIR as peers, too\n"
    "  --list             peers of this build and why others are missing\n"
    "  --ping             time of a cache line between two cores, ns\n";

struct options {
    struct run_config cfg;
    int repeat;
    const char *out;
    bool list;
};

/* Index of text in names, or -1. */
static int word_index(const char *text, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    return -1;
}

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || n < min || n > max) {
        fprintf(stderr, "fapilog-bench: --%s: '%s' is not a number from %llu to %llu\n", option, text,
                (unsigned long long)min, (unsigned long long)max);
        exit(2);
    }
    return n;
}

static int word(const char *option, const char *text, const char *const *names, int count)
{
    const int i = word_index(text, names, count);
    if (i < 0) {
        fprintf(stderr, "fapilog-bench: --%s: '%s' is not one of:", option, text);
        for (int k = 0; k < count; k++)
            fprintf(stderr, " %s", names[k]);
        fputc('\n', stderr);
        exit(2);
    }
    return i;
}

static void list_peers(void)
{
    for (int i = 0; i < peer_count; i++)
        printf("%-16s %s%s\n", peers[i].name, peers[i].absent ? "left out: " : "available",
               peers[i].absent ? peers[i].absent : "");
}

static void add_peers(const char *dir)
{
    struct err e = {0};
    if (peers_add(dir, &e) < 0) {
        fprintf(stderr, "fapilog-bench: --peers-dir: %s\n", e.text);
        exit(2);
    }
}

static void set_option(struct options *o, int key, const char *name, const char *arg)
{
    static const char *const on_full[] = {"block", "discard"};
    struct run_config *c = &o->cfg;
    switch (key) {
    case 'm': c->mode = (enum mode)word(name, arg, mode_names, MODE_COUNT); break;
    case 's': c->shape = (enum shape)word(name, arg, shape_names, SHAPE_COUNT); break;
    case 'n': c->producers = (uint32_t)number(name, arg, 1, PRODUCERS_MAX); break;
    case 'p': c->processes = true; break;
    case 'r': c->records = number(name, arg, 1, 1000000000); break;
    case 'b': c->batches = number(name, arg, 1, 10000000); break;
    case 'c': c->batch_calls = (uint32_t)number(name, arg, 1, 1000000); break;
    case 'u': c->pause_ns = number(name, arg, 0, 10000000) * 1000; break;
    case 'S': c->spin = true; break;
    case 'i': c->idle_ns = number(name, arg, 1, 600000) * 1000000; break;
    case 'f': c->block = word(name, arg, on_full, 2) == 0; break;
    case 'C': c->first_cpu = (int)number(name, arg, 0, 4095); break;
    case 'R': o->repeat = (int)number(name, arg, 1, 1000); break;
    case 't': c->tmp = arg; break;
    case 'o': o->out = arg; break;
    case 'd': add_peers(arg); break;
    case 'l': o->list = true; break;
    case 'P': printf("%.1f\n", machine_ping_ns()); exit(0);
    case 'h': fputs(usage_text, stdout); exit(0);
    default: fputs(usage_text, stderr); exit(2);
    }
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option table[] = {
        {"mode", 1, NULL, 'm'},      {"shape", 1, NULL, 's'},       {"producers", 1, NULL, 'n'},
        {"processes", 0, NULL, 'p'}, {"records", 1, NULL, 'r'},     {"batches", 1, NULL, 'b'},
        {"pause-us", 1, NULL, 'u'},  {"batch-calls", 1, NULL, 'c'}, {"spin", 0, NULL, 'S'},
        {"idle-ms", 1, NULL, 'i'},   {"on-full", 1, NULL, 'f'},     {"first-cpu", 1, NULL, 'C'},
        {"repeat", 1, NULL, 'R'},    {"tmp", 1, NULL, 't'},         {"out", 1, NULL, 'o'},
        {"list", 0, NULL, 'l'},      {"ping", 0, NULL, 'P'},        {"help", 0, NULL, 'h'},
        {"peers-dir", 1, NULL, 'd'}, {NULL, 0, NULL, 0}};
    int key, index = 0;
    while ((key = getopt_long(argc, argv, "h", table, &index)) != -1)
        set_option(o, key, table[index].name, optarg);
    if (o->cfg.batch_calls == 0)
        o->cfg.batch_calls = o->cfg.mode == MODE_BURST ? 1000 : 20;
}

static int run_one(const struct peer *peer, const struct options *o, int argc, char **argv)
{
    struct run_result res;
    struct err e = {0};
    int r = run_peer(peer, &o->cfg, &res, &e);
    if (r == 0) {
        report_line(peer->name, &o->cfg, &res);
        fflush(stdout);
        r = o->out ? report_json(o->out, peer->name, &o->cfg, &res, argc, argv, &e) : 0;
    }
    if (r < 0)
        fprintf(stderr, "fapilog-bench: %s: %s\n", peer->name, e.text);
    return r;
}

/* An interrupt ends the children, so the run at hand fails and is cleaned up; no further one starts. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    interrupted = sig;
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    struct options o = {.repeat = 1,
                        .cfg = {.mode = MODE_SUSTAINED,
                                .shape = SHAPE_THREE,
                                .producers = 1,
                                .records = 1000000,
                                .batches = 1000,
                                .pause_ns = 2000000,
                                .idle_ns = 2000000000,
                                .block = true,
                                .first_cpu = -1,
                                .tmp = tmp && *tmp ? tmp : "/var/tmp"}};
    read_options(&o, argc, argv);
    if (o.list) {
        list_peers();
        return 0;
    }
    if (optind == argc) {
        fputs(usage_text, stderr);
        return 2;
    }
    struct err e = {0};
    for (int i = optind; i < argc; i++)
        if (!peer_find(argv[i], &e)) {
            fprintf(stderr, "fapilog-bench: %s\n", e.text);
            return 2;
        }
    /* Consumers that outlive the process that started them are still ours to wait for. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int failed = 0;
    const struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (int round = 0; round < o.repeat; round++)
        for (int i = optind; i < argc && !interrupted; i++)
            failed |= run_one(peer_find(argv[i], NULL), &o, argc, argv) < 0;
    return interrupted ? 128 + interrupted : failed;
}
