#include "tools/demo/demo.h"

#include "lib/base/cleanup.h"


#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

static const char usage[] =
    "Usage: fapilog-demo --witness FILE [--processes N] [--threads N] [--records N] [--rate N]\n"
    "       fapilog-demo --witness FILE --verify OUTPUT.jsonl\n"
    "\n"
    "A service that logs until it is stopped, and the check of what arrived.\n"
    "\n"
    "  --witness FILE   shared file with the log calls that returned\n"
    "  --processes N    1..16, default 1\n"
    "  --threads N      1..64 per process, default 1\n"
    "  --records N      per thread, default: until SIGTERM\n"
    "  --rate N         records per second and thread, default: as fast as possible\n"
    "  --verify FILE    compare JSON lines of the collector with the witness\n";

static struct demo_witness *witness_map(const char *path, bool create)
{
    auto_fd fd = open(path, create ? O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || (create && ftruncate(fd, sizeof(struct demo_witness)) < 0)) {
        fprintf(stderr, "fapilog-demo: open %s: %s\n", path, strerror(errno));
        return NULL;
    }
    void *map = mmap(NULL, sizeof(struct demo_witness), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fprintf(stderr, "fapilog-demo: map %s: %s\n", path, strerror(errno));
        return NULL;
    }
    return map;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || value < min || value > max) {
        fprintf(stderr, "fapilog-demo: '%s' is outside %llu..%llu\n", text, (unsigned long long)min,
                (unsigned long long)max);
        return false;
    }
    *ret = value;
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"witness", required_argument, NULL, 'w'}, {"processes", required_argument, NULL, 'p'},
        {"threads", required_argument, NULL, 't'}, {"records", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'r'},    {"verify", required_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},          {0},
    };
    struct demo_options o = {.processes = 1, .threads = 1};
    const char *witness_path = NULL, *verify_path = NULL;
    uint64_t value = 0;

    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'w': witness_path = optarg; break;
        case 'v': verify_path = optarg; break;
        case 'p':
            if (!number(optarg, 1, DEMO_PROCESSES_MAX, &value))
                return 2;
            o.processes = (unsigned)value;
            break;
        case 't':
            if (!number(optarg, 1, DEMO_THREADS_MAX, &value))
                return 2;
            o.threads = (unsigned)value;
            break;
        case 'n':
            if (!number(optarg, 1, UINT64_MAX, &o.records))
                return 2;
            break;
        case 'r':
            if (!number(optarg, 1, 1000000000, &o.rate))
                return 2;
            break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (!witness_path || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    struct demo_witness *witness = witness_map(witness_path, !verify_path);
    if (!witness)
        return 1;
    return verify_path ? demo_verify(witness, verify_path) : demo_serve(&o, witness);
}
