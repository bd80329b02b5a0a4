#include "collector/stage/redact/name_path.h"

#include "lib/base/num.h"

#include <string.h>

bool name_path_push(struct name_path *p, struct fapilog_text name)
{
    const struct name_mark before = name_path_mark(p);
    if (p->count == NAME_PATH_KEYS || (size_t)p->len + name.len + 1 > sizeof p->text)
        return false;
    if (p->count > 0)
        p->text[p->len++] = '.';
    struct name_key *key = &p->key[p->count++];
    *key = (struct name_key){.at = p->len};
    for (uint32_t i = 0; i < name.len; i++) {
        const char c = name.data[i]; /* looked at once: it may change */
        p->text[p->len++] = c;
        if (c != '.' || p->place == PLACE_DIAGNOSTICS) {
            key->len++;
            continue;
        }
        if (p->count == NAME_PATH_KEYS) {
            name_path_back(p, before);
            return false;
        }
        key = &p->key[p->count++];
        *key = (struct name_key){.at = p->len};
    }
    return true;
}

bool name_path_push_index(struct name_path *p, uint32_t index)
{
    if (p->count == NAME_PATH_KEYS || (size_t)p->len + NUM_INT_MAX + 1 > sizeof p->text)
        return false;
    if (p->count > 0)
        p->text[p->len++] = '.';
    struct name_key *const key = &p->key[p->count++];
    key->at = p->len;
    key->is_index = true;
    p->len = (uint16_t)(num_u64(p->text + p->len, index) - p->text);
    key->len = (uint16_t)(p->len - key->at);
    return true;
}
