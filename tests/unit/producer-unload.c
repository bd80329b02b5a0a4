/* Loads a plug-in that logs, lets two threads log from it, and unloads it while one of them is alive; three times. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void (*plugin_run)(const char *text);
static sem_t logged, unloaded;

static void *log_and_stay(void *arg)
{
    plugin_run("thread");
    (void)sem_post(&logged);
    (void)sem_wait(&unloaded);
    return arg;
}

static void *load(const char *path)
{
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    plugin_run = (void (*)(const char *))(uintptr_t)dlsym(so, "plugin_run");
    if (!plugin_run)
        exit(2);
    return so;
}

int main(int argc, char **argv)
{
    if (argc != 2 || sem_init(&logged, 0, 0) != 0 || sem_init(&unloaded, 0, 0) != 0)
        return 3;
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *so = load(argv[1]);
        if (pthread_create(&thread, NULL, log_and_stay, NULL) != 0)
            return 4;
        (void)sem_wait(&logged);
        plugin_run("main");
        if (dlclose(so) != 0 || dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD))
            return 5; /* it must be gone */
        (void)sem_post(&unloaded);
        (void)pthread_join(thread, NULL);
    }
    return 0;
}
