/* A configuration file of any bytes: it is accepted or refused with a message; what is accepted can be printed,
 * compared with itself and freed. The first byte chooses a preset to lie below. */
#include "collector/config/config.h"
#include "collector/config/node.h"
#include "lib/base/check.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { INPUT_MAX = 1 << 16, ROUNDS = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct config *c)
{
    static char *text;
    static size_t text_size;
    static struct config_diff d;
    FILE *f = open_memstream(&text, &text_size);
    CHECK(f != NULL);
    config_print(c, f);
    (void)fclose(f);
    free(text);
    text = NULL;
    config_diff(c, c, &d);
    CHECK(!d.settings && !d.levels && !d.routes);
    for (uint32_t i = 0; i < c->sinks_count; i++)
        CHECK(d.sink[i] == CONFIG_SAME && d.sink_from[i] == (int)i);
}

/* The loader reads files: the input lies in memory and has a name in /proc. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const presets[] = {NULL, "dev", "minimal", "none"};
    static struct config c;
    static int fd = -1;
    char path[64];
    struct err e = {0};
    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (fd < 0)
        fd = memfd_create("config", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data + 1, size - 1, 0) == (ssize_t)size - 1);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const struct config_args args = {.file = path, .preset = presets[data[0] % 4]};
    if (config_load(&args, &c, &e) == 0) {
        use(&c);
        config_free(&c);
    } else {
        CHECK(e.code < 0 && e.text[0] != '\0' && strlen(e.text) < ERR_TEXT_MAX);
    }
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
static void run_file(const char *path)
{
    static uint8_t data[INPUT_MAX + 1];
    FILE *in = fopen(path, "re");
    CHECK(in != NULL);
    const size_t size = fread(data, 1, sizeof data, in);
    (void)fclose(in);
    (void)LLVMFuzzerTestOneInput(data, size);
}

static void replay(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        run_file(path);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        run_file(name);
    }
    (void)closedir(dir);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A valid file with a few of its bytes changed, doubled, or replaced by what means something in YAML. */
static size_t mutate(uint8_t *data, uint64_t *state)
{
    static const char *const seeds[] = {
        "\1preset: dev\nrings: /r\nstages:\n  - rate_limit: {capacity: 10}\n  - level: {min: INFO}\nsinks:\n"
        "  a: file:///a?max_bytes=1MB\n  b: {type: console, mode: json, levels: [ERROR]}\nroutes:\n"
        "  - {levels: [ERROR], to: [a]}\n  - {to: [b]}\nrouting: {overlap: false, fallback: [a]}\n",
        "\1level: off\nlevels: &x {a: DEBUG, 'b.c': 3}\nsinks:\n  ? f\n  : type: rotating_file\n    directory: \"/d\"\n"
        "    max_age: 1d\nflush_interval: !!str 1s\n",
    };
    static const char *const words[] = {": ", "- ", "{", "}", "[", "]", "\n", "\n  ", "&a ", "*a", "'", "\"", "|\n",
                                        "? ",
                                        "!!map ", "---\n", "#", "<<: *a\n", "null", "~", ", ", "\t", "\xff",
                                            "env: HOME"};
    const char *seed = seeds[next_random(state) % ARRAY_COUNT(seeds)];
    size_t size = strlen(seed);
    memcpy(data, seed, size);
    for (unsigned n = next_random(state) % 3; n; n--) {
        const char *word = words[next_random(state) % ARRAY_COUNT(words)];
        const size_t at = next_random(state) % size, len = strlen(word);
        const size_t gone = next_random(state) % 8 < size - at ? next_random(state) % 8 : 0;
        const size_t cut = gone < size - at ? gone : 0;
        memmove(data + at + len, data + at + cut, size - at - cut);
        memcpy(data + at, word, len);
        size = size - cut + len;
    }
    return size;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc > 1)
        return 0;
    const char *const given = getenv("FUZZ_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 0) : 20261125;
    printf("FUZZ_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t data[2048];
        uint64_t state = seed + (uint64_t)round;
        const size_t size = mutate(data, &state);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
