/* name_path.h - where a value stands: the keys from the field's name down through nested JSON, joined by
 * dots. A name that has dots itself counts as that many keys. Places in lists are keys only where a rule asks
 * for them. */
#ifndef COLLECTOR_STAGE_REDACT_NAME_PATH_H
#define COLLECTOR_STAGE_REDACT_NAME_PATH_H

#include <fapilog/reader.h>

#include <stdbool.h>
#include <stdint.h>

enum { NAME_PATH_BYTES = 1024, NAME_PATH_KEYS = 64 };

/* Where the formats put the field. A field may stand in more than one place. */
enum name_place {
    PLACE_DATA = 1,        /* what was logged or bound */
    PLACE_CONTEXT = 2,     /* ids with a role, and what is bound to the thread */
    PLACE_DIAGNOSTICS = 4, /* what enrichers added; such a name is one key, dots and all */
};

struct name_key {
    uint16_t at, len; /* in text */
    bool is_index;
};

struct name_path {
    uint8_t place;
    uint16_t count, len;
    struct name_key key[NAME_PATH_KEYS];
    char text[NAME_PATH_BYTES];
};

struct name_mark {
    uint16_t count, len;
};

static inline void name_path_start(struct name_path *p, uint8_t place)
{
    p->place = place;
    p->count = p->len = 0;
}

static inline struct name_mark name_path_mark(const struct name_path *p)
{
    return (struct name_mark){p->count, p->len};
}

static inline void name_path_back(struct name_path *p, struct name_mark m)
{
    p->count = m.count;
    p->len = m.len;
}

/* False: longer or deeper than a path can be; the path is then as before. */
bool name_path_push(struct name_path *p, struct fapilog_text name);
bool name_path_push_index(struct name_path *p, uint32_t index);

#endif
