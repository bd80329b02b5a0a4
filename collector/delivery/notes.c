#include "collector/delivery/notes.h"

#include "collector/stage/internal_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int notes_new(struct notes **ret)
{
    struct notes *n = calloc(1, sizeof *n);
    if (!n)
        return -ENOMEM;
    /* Without entropy it stays zero: still an id of no process, only the same in each run. */
    if (getrandom(n->uuid, sizeof n->uuid, GRND_NONBLOCK) < 0)
        memset(n->uuid, 0, sizeof n->uuid);
    *ret = n;
    return 0;
}

void notes_free(struct notes *n)
{
    while (n && n->count)
        notes_done(n);
    free(n);
}

void notes_add(struct notes *n, uint8_t level, const char *text, const char *about)
{
    struct note *to = &n->note[(n->head + n->count) % NOTES_MAX];
    if (n->count == NOTES_MAX) {
        n->left_out++;
        return;
    }
    n->count++;
    const size_t len = strnlen(text, NOTE_TEXT_MAX);
    memset(to, 0, sizeof *to);
    memcpy(to->text, text, len);
    (void)snprintf(to->about, sizeof to->about, "%s", about ? about : "");
    to->r = internal_record(level, (struct fapilog_text){ to->text, (uint32_t)len });
    to->logger = *to->r.logger;
    to->process = *to->r.process;
    to->r.logger = &to->logger;
    to->r.process = &to->process;
    to->r.id = (struct fapilog_record_id){ .lane = UINT32_MAX, .position = n->position++ };
    memcpy(to->r.id.uuid, n->uuid, sizeof n->uuid);
}

const struct note *notes_peek(struct notes *n)
{
    static const char name[] = "left_out";
    struct note *oldest = &n->note[n->head];
    if (!n->count)
        return NULL;
    if (n->left_out) {
        /* it may have been looked at before, while there was no room for it */
        oldest->left_out = (struct fapilog_field){ .name = { name, sizeof name - 1 }, .type = FAPILOG_TYPE_U64,
                                                   .v.u64 = oldest->left_out.v.u64 + n->left_out };
        oldest->r.fields = &oldest->left_out;
        oldest->r.fields_count = 1;
        n->left_out = 0;
    }
    return oldest;
}

void notes_done(struct notes *n)
{
    struct note *oldest = &n->note[n->head];
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        free(oldest->logger.cache[i]);
        free(oldest->process.cache[i]);
    }
    n->head = (n->head + 1) % NOTES_MAX;
    n->count--;
}
