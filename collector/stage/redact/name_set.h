/* name_set.h - a set of short texts with a byte of meaning each, found by hash; for rules that are single
 * names, and for what was decided about paths. */
#ifndef COLLECTOR_STAGE_REDACT_NAME_SET_H
#define COLLECTOR_STAGE_REDACT_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name_set {
    struct name_set_entry {
        uint64_t hash;
        uint32_t at;
        uint16_t len;
        uint8_t value;
        bool used;
    } *entry;
    uint32_t count, room; /* room: a power of two */
    char *text;
    uint32_t text_bytes, text_room;
};

uint64_t name_hash(const char *text, size_t len, uint64_t seed);
/* The byte, or -1. */
int name_set_find(const struct name_set *s, const char *text, size_t len, uint64_t hash);
/* Adds what is not there yet; 0 or -ENOMEM. */
int name_set_add(struct name_set *s, const char *text, size_t len, uint64_t hash, uint8_t value);
void name_set_clear(struct name_set *s); /* empties, keeps its memory */
void name_set_done(struct name_set *s);

#endif
