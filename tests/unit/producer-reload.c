/* Loads shared objects one after the other into the same place, for producer-reload.sh: A, B, A again, and what comes
 * after a change of A's file; each logs. 77: the system gives them different places. */
#include <fapilog/fapilog.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static const void *place;

static void load(fapilog_t *log, const char *path, int i)
{
    void *so = dlopen(path, RTLD_NOW);
    Dl_info info;
    if (!so) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    void (*plugin_log)(fapilog_t *, int) = (void (*)(fapilog_t *, int))(uintptr_t)dlsym(so, "plugin_log");
    if (!plugin_log || !dladdr((const void *)(uintptr_t)plugin_log, &info) || (place && place != info.dli_fbase)) {
        (void)fprintf(stderr, "%s: not where the first one was\n", path);
        exit(77);
    }
    place = info.dli_fbase;
    plugin_log(log, i);
    if (dlclose(so) != 0 || dlopen(path, RTLD_NOW | RTLD_NOLOAD))
        exit(2); /* it must be gone */
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    fapilog_t *log = fapilog_open("reload", NULL);
    load(log, argv[1], 1);
    load(log, argv[2], 2);
    load(log, argv[1], 3);
    if (rename(argv[2], argv[1]) != 0)
        return 3;
    load(log, argv[1], 4);
    fapilog_close(log);
    return 0;
}
