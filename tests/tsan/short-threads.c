/* A program that is built with -fsanitize=thread while the library is not, as those of others are: its threads live
 * for a moment, and each has the lane of one before it. ThreadSanitizer ends it with 66 where it sees a race. */
#include <fapilog/fapilog.h>

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUNDS = 30, THREADS = 4, RECORDS = 500 };

static fapilog_t *root;

static void *log_some(void *arg)
{
    for (int i = 0; i < RECORDS; i++)
        FAPILOG_INFO(root, "short", FL("n", i), FL("of", (const char *)arg));
    return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* With fewer lanes than threads some share one; with more, whose lane it becomes is told by nothing but the library. */
static void run(const char *lanes)
{
    char dir[] = "/dev/shm/fapilog-tsan-XXXXXX";
    if (!mkdtemp(dir))
        abort();
    setenv("FAPILOG_LANES", lanes, 1);
    setenv("FAPILOG_LANE_SIZE", "64KB", 1);
    setenv("FAPILOG_RING_DIR", dir, 1);
    root = fapilog_open("short-threads", NULL);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread[THREADS];
        for (int i = 0; i < THREADS; i++)
            if (pthread_create(&thread[i], NULL, log_some, dir) != 0)
                abort();
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
    }
    struct fapilog_counters counters;
    fapilog_get_counters(root, &counters);
    if (!counters.written)
        abort();
    fapilog_close(root);
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    run("64");
    run("2");
    return 0;
}
