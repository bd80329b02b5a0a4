#include "bench/harness/peer.h"

#include <errno.h>
#include <string.h>

#include "lib/base/check.h"

/* A peer that writes its files itself has no consumer. */
const struct peer_control control_files = {0};

const struct peer peers[] = {
#define PEER(name, control, program) {name, &control_##control, program, NULL},
#define PEER_ABSENT(name, reason) {name, NULL, NULL, reason},
#include "peer_list.h"
#undef PEER
#undef PEER_ABSENT
};

const int peer_count = ARRAY_COUNT(peers);

const struct peer *peer_find(const char *name, struct err *e)
{
    for (int i = 0; i < peer_count; i++) {
        if (strcmp(peers[i].name, name) != 0)
            continue;
        if (!peers[i].absent)
            return &peers[i];
        err_set(e, -ENOENT, "peer '%s' was left out of this build: %s", name, peers[i].absent);
        return NULL;
    }
    err_set(e, -ENOENT, "there is no peer '%s'; --list shows them", name);
    return NULL;
}
