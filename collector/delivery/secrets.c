#include "collector/delivery/secrets.h"

#include <string.h>

#define MARK "***"

static void hide(char *text, const char *secret, size_t len)
{
    if (len < SECRETS_MIN)
        return;
    for (char *at = text; (at = memmem(at, strlen(at), secret, len)) != NULL; at += sizeof MARK - 1) {
        memcpy(at, MARK, sizeof MARK - 1);
        memmove(at + sizeof MARK - 1, at + len, strlen(at + len) + 1);
    }
    const size_t text_len = strlen(text);
    for (size_t n = len - 1 < text_len ? len - 1 : text_len; n >= SECRETS_MIN; n--) {
        if (memcmp(text + text_len - n, secret, n) == 0) {
            memcpy(text + text_len - n, MARK, sizeof MARK);
            return;
        }
    }
}

/* "Bearer abc": a server may quote what stands behind the scheme. */
static void hide_header(char *text, const char *value)
{
    const char *space = strrchr(value, ' ');
    hide(text, value, strlen(value));
    if (space)
        hide(text, space + 1, strlen(space + 1));
}

static void hide_query(char *text, const char *url)
{
    const char *part = strchr(url, '?');
    while (part) {
        const size_t len = strcspn(++part, "&#");
        const char *equals = memchr(part, '=', len);
        const char *value = equals ? equals + 1 : part;
        hide(text, value, (size_t)(part + len - value));
        part = part[len] == '&' ? part + len : NULL;
    }
}

static void hide_option(char *text, const struct opt *row, const void *at)
{
    const char *const *value = at;
    const struct opt_map *map = at;
    const struct opt_list *list = at;
    if (row->type == OPT_TEXT && *value && row->flags & OPT_SECRET)
        hide(text, *value, strlen(*value));
    else if (row->type == OPT_TEXT && *value && row->flags & OPT_URL)
        hide_query(text, *value);
    for (uint32_t i = 0; row->type == OPT_MAP && i < map->count; i++)
        hide_header(text, map->item[i].value);
    for (uint32_t i = 0; row->type == OPT_LIST && i < list->count; i++)
        hide(text, list->item[i], strlen(list->item[i]));
}

void secrets_hide(const struct sink *s, char *text)
{
    if (!*text)
        return;
    for (const struct opt *row = s->ops->opts; row && row->type != OPT_END_ROW; row++)
        if (row->flags & (OPT_SECRET | OPT_URL))
            hide_option(text, row, (const char *)s->cfg + row->offset);
}
