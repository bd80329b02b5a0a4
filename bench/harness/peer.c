#include "bench/harness/peer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"

/* A peer that writes its files itself has no consumer. */
const struct peer_control control_files = {0};

static struct peer table[PEERS_MAX] = {
#define PEER(name, control, program) {name, &control_##control, program, NULL, NULL},
#define PEER_ABSENT(name, reason) {name, NULL, NULL, reason, NULL},
#include "peer_list.h"
#undef PEER
#undef PEER_ABSENT
};

const struct peer *const peers = table;

int peer_count = 0
#define PEER(name, control, program) +1
#define PEER_ABSENT(name, reason) +1
#include "peer_list.h"
#undef PEER
#undef PEER_ABSENT
    ;

static struct peer *find(const char *name)
{
    for (int i = 0; i < peer_count; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const struct peer *peer_find(const char *name, struct err *e)
{
    const struct peer *peer = find(name);
    if (!peer)
        err_set(e, -ENOENT, "there is no peer '%s'; --list shows them", name);
    else if (peer->absent)
        err_set(e, -ENOENT, "peer '%s' was left out of this build: %s", name, peer->absent);
    return peer && !peer->absent ? peer : NULL;
}

/* ---- peers from outside ---------------------------------------------------------------------- */

static const char PREFIX[] = "bench-producer-";

static int is_producer(const struct dirent *entry)
{
    return strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0;
}

static int add_one(const char *dir, const char *name, struct err *e)
{
    struct peer *peer = find(name);
    if (name[0] == '\0' || strlen(name) > PEER_NAME_MAX)
        return err_set(e, -EINVAL, "%s/%s%s: the name of a peer has 1 to %d characters", dir, PREFIX, name,
                       PEER_NAME_MAX);
    if (peer && !peer->absent)
        return err_set(e, -EEXIST, "%s/%s%s: there is a peer '%s' already; give it another name", dir, PREFIX, name,
                       name);
    if (!peer && peer_count == PEERS_MAX)
        return err_set(e, -ENOSPC, "%s/%s%s: there is room for %d peers", dir, PREFIX, name, PEERS_MAX);
    char *copy = strdup(name); /* the table lives as long as the program */
    if (!copy)
        return err_sys(e, -ENOMEM, "add the peer '%s'", name);
    if (!peer)
        peer = &table[peer_count++];
    *peer = (struct peer){.name = copy, .control = &control_outside, .program = copy, .programs = dir};
    return 0;
}

int peers_add(const char *dir, struct err *e)
{
    struct dirent **list = NULL;
    const int count = scandir(dir, &list, is_producer, alphasort);
    if (count < 0)
        return err_sys(e, -errno, "read %s", dir);
    int r = count > 0 ? 0 : err_set(e, -ENOENT, "%s holds no program %sNAME", dir, PREFIX);
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = add_one(dir, list[i]->d_name + sizeof PREFIX - 1, e);
        free(list[i]);
    }
    free(list);
    return r;
}
