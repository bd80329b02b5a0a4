/* Prints what the environment has made of the ring directory, the threshold and the service, for producer-setuid.sh. */
#include "lib/producer/internal.h"

#include <stdio.h>
#include <sys/auxv.h>

int main(void)
{
    struct ringdir dir;
    struct settings s;
    char service[SERVICE_MAX + 1];
    fapilogi_settings(NULL, &s);
    fapilogi_service_name(NULL, service);
    if (ringdir_choose(&dir, NULL, NULL) != 0)
        return 1;
    (void)printf("%d %s %u %s\n", getauxval(AT_SECURE) != 0, dir.path, (unsigned)s.level, service);
    return 0;
}
