#include "collector/stage/redact/name_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ROOM_FIRST = 64, TEXT_FIRST = 1024 };

uint64_t name_hash(const char *text, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(text, len, seed);
}

int name_set_find(const struct name_set *s, const char *text, size_t len, uint64_t hash)
{
    if (s->room == 0)
        return -1;
    for (uint32_t i = (uint32_t)hash & (s->room - 1);; i = (i + 1) & (s->room - 1)) {
        const struct name_set_entry *const x = &s->entry[i];
        if (!x->used)
            return -1;
        if (x->hash == hash && x->len == len && memcmp(s->text + x->at, text, len) == 0)
            return x->value;
    }
}

static void place(struct name_set *s, struct name_set_entry x)
{
    uint32_t i = (uint32_t)x.hash & (s->room - 1);
    while (s->entry[i].used)
        i = (i + 1) & (s->room - 1);
    s->entry[i] = x;
}

static int grow(struct name_set *s)
{
    struct name_set_entry *const old = s->entry;
    const uint32_t old_room = s->room;
    const uint32_t room = old_room ? 2 * old_room : ROOM_FIRST;
    struct name_set_entry *const more = calloc(room, sizeof *more);
    if (!more)
        return -ENOMEM;
    s->entry = more;
    s->room = room;
    for (uint32_t i = 0; i < old_room; i++) {
        if (old[i].used)
            place(s, old[i]);
    }
    free(old);
    return 0;
}

int name_set_add(struct name_set *s, const char *text, size_t len, uint64_t hash, uint8_t value)
{
    if (len > UINT16_MAX)
        return -EINVAL;
    if (name_set_find(s, text, len, hash) >= 0)
        return 0;
    if (4 * (s->count + 1) > 3 * s->room && grow(s) < 0)
        return -ENOMEM;
    if (s->text_bytes + len > s->text_room) {
        uint32_t room = s->text_room ? s->text_room : TEXT_FIRST;
        while (room < s->text_bytes + len)
            room *= 2;
        char *const more = realloc(s->text, room);
        if (!more)
            return -ENOMEM;
        s->text = more;
        s->text_room = room;
    }
    memcpy(s->text + s->text_bytes, text, len);
    place(s, (struct name_set_entry){hash, s->text_bytes, (uint16_t)len, value, true});
    s->text_bytes += (uint32_t)len;
    s->count++;
    return 0;
}

void name_set_clear(struct name_set *s)
{
    if (s->room)
        memset(s->entry, 0, s->room * sizeof *s->entry);
    s->count = s->text_bytes = 0;
}

void name_set_done(struct name_set *s)
{
    free(s->entry);
    free(s->text);
    *s = (struct name_set){0};
}
