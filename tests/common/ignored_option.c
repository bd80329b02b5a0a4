/* Whether a test would notice that an option has no effect: the linker puts this in front of opt_set() in every test
 * program (--wrap). TEST_IGNORED_OPTION=name in the environment lets all options of this name be accepted and
 * forgotten, TEST_IGNORED_VARIABLE=name makes a variable be unset, and TEST_ONLY=name runs one test of the program.
 * tests/effects/prove.py does so with each test that claims to show an effect. Options that are ignored are those that
 * are set; a default is still there. */
#include "lib/base/opt.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Weak: there are test programs without options, and the collector is none. */
__attribute__((weak)) int __real_opt_set(const struct opt *row, void *cfg, const char *value, struct err *e);
int __wrap_opt_set(const struct opt *row, void *cfg, const char *value, struct err *e);
__attribute__((weak)) void cmocka_set_test_filter(const char *pattern);
int __wrap_opt_set(const struct opt *row, void *cfg, const char *value, struct err *e)
{
    const char *const ignored = getenv("TEST_IGNORED_OPTION");
    return ignored && strcmp(ignored, row->name) == 0 ? 0 : __real_opt_set(row, cfg, value, e);
}

static char *variable(const char *name)
{
    const size_t len = strlen(name);
    for (char **p = environ; p && *p; p++)
        if (strncmp(*p, name, len) == 0 && (*p)[len] == '=')
            return *p + len + 1;
    return NULL;
}

/* These two in front of the C library's, for libfapilog.so as well. */
__attribute__((visibility("default"))) char *getenv(const char *name)
{
    const char *const ignored = variable("TEST_IGNORED_VARIABLE");
    return ignored && strcmp(ignored, name) == 0 ? NULL : variable(name);
}

__attribute__((visibility("default"))) char *secure_getenv(const char *name)
{
    return getauxval(AT_SECURE) ? NULL : getenv(name);
}

__attribute__((constructor)) static void run_only(void)
{
    const char *const only = getenv("TEST_ONLY");
    if (only && cmocka_set_test_filter)
        cmocka_set_test_filter(only);
}
