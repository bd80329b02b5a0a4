/* Mutation of files made of a head and of blocks with checksums, for targets that read them: a valid one is made,
 * changed where lengths and counts stand, given right checksums again for the most part, cut at times, and walked. */
#ifndef TESTS_FUZZ_FUZZ_FILE_H
#define TESTS_FUZZ_FUZZ_FILE_H

#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; /* keeps the reads */

static inline void touch(const void *data, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        sink += ((const uint8_t *)data)[i];
}

#ifndef FUZZ_WITHOUT_MAIN
enum { FILE_MAX = 16384, BLOCKS_MAX = 8 };

static uint8_t valid[FILE_MAX], image[FILE_MAX];
static size_t valid_bytes;
static size_t block_at[BLOCKS_MAX];
static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Mostly into heads and the begin of what is stored. */
static void mutate(unsigned blocks)
{
    static const uint64_t values[] = {
        0, 1, 7, 8, 47, 48, 55, 56, 64, 96, 4095, INT32_MAX, 1u << 30, UINT32_MAX, UINT64_MAX,
    };
    const uint64_t v = next_random() % 2 ? values[next_random() % ARRAY_COUNT(values)] : next_random();
    const bool anywhere = next_random() % 4 == 0;
    size_t at = anywhere ? next_random() % valid_bytes : block_at[next_random() % blocks] + next_random() % 160;
    at = at < valid_bytes - 8 ? at : valid_bytes - 8;
    switch (next_random() % 4) {
    case 0: image[at] ^= (uint8_t)(1u << next_random() % 8); break;
    case 1: memcpy(image + (at & ~3ul), &v, 4); break;
    case 2: memcpy(image + (at & ~7ul), &v, 8); break;
    default: memmove(image + (at & ~7ul), image + (next_random() % (valid_bytes - 64) & ~7ul), 48); break;
    }
}

/* fd: a file that may be written. reseal() makes checksums right, walk() is given the number of the mutant. At most
 * 8 s. */
static void mutations_run(int fd, unsigned blocks, unsigned count, uint64_t seed, void (*reseal)(void),
                          void (*walk)(int fd, unsigned i))
{
    const time_t start = time(NULL);
    CHECK(blocks <= BLOCKS_MAX);
    printf("seed %" PRIu64 "\n", seed);
    random_state = seed;
    for (unsigned i = 0; i < count && time(NULL) - start < 8; i++) {
        memcpy(image, valid, valid_bytes);
        for (uint64_t n = 1 + next_random() % 4; n; n--)
            mutate(blocks);
        reseal();
        const size_t len = next_random() % 8 ? valid_bytes : next_random() % valid_bytes;
        CHECK(ftruncate(fd, 0) == 0);
        CHECK(pwrite(fd, image, len, 0) == (ssize_t)len);
        walk(fd, i);
    }
}

/* FUZZ_SEED, or always the same. */
static uint64_t seed_given(void)
{
    const char *given = getenv("FUZZ_SEED");
    return given ? strtoull(given, NULL, 10) | 1 : 88172645463325252u;
}

static void replay(const char *path)
{
    struct stat st;
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    auto_free uint8_t *data = malloc((size_t)st.st_size + 1);
    CHECK(data != NULL);
    CHECK(read(fd, data, (size_t)st.st_size) == st.st_size);
    (void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
}
#endif

#endif
