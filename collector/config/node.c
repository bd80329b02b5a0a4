#include "collector/config/node.h"

#include <stdio.h>
#include <string.h>

const struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    const struct node *n = map->first;
    while (n && strcmp(n->key->text, key) != 0)
        n = n->next;
    return n;
}

bool node_is_null(const struct node *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    bool is = false;
    for (size_t i = 0; n->kind == NODE_SCALAR && !n->is_quoted && i < sizeof words / sizeof *words; i++)
        is |= strcmp(n->text, words[i]) == 0;
    return is;
}

const char *node_kind_name(const struct node *n)
{
    switch (n->kind) {
    case NODE_LIST: return "a list";
    case NODE_MAP: return "a map";
    default: return node_is_null(n) ? "nothing" : "a single value";
    }
}

const char *node_place(const struct node *n, char ret[NODE_PLACE_MAX])
{
    (void)snprintf(ret, NODE_PLACE_MAX, "%s:%d:%d", n->source, n->line, n->column);
    return ret;
}
