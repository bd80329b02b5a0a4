/* node.h - what a configuration text says, as a tree in which every value knows its place. YAML comes from
 * libfyaml, and JSON with it, since JSON is YAML; nothing else here knows that library. */
#ifndef COLLECTOR_CONFIG_NODE_H
#define COLLECTOR_CONFIG_NODE_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NODE_BYTES_MAX = 1 << 20, NODES_MAX = 100000, NODE_DEPTH_MAX = 32, NODE_PLACE_MAX = 400 };

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool is_quoted;          /* a scalar that says itself that it is text */
    int line, column;        /* from 1 */
    const char *source;      /* "fapilog.yaml", "preset production", "FAPILOG_SINK_ROUTING__RULES" */
    const char *text;        /* of a scalar */
    const struct node *key;  /* of a member of a map: a scalar */
    const struct node *next; /* the next member of the same map or list */
    const struct node *first; /* of a map or list: in the order of the text, no key twice */
};

struct tree;

/* The tree owns every node. An empty text is an empty map. -EINVAL with "source:line:column: what is wrong". */
int tree_parse(const char *text, size_t len, const char *source, struct tree **ret, struct err *e);
int tree_read(const char *path, struct tree **ret, struct err *e); /* the file's name becomes the source */
void tree_free(struct tree *t); /* NULL allowed */
const struct node *tree_root(const struct tree *t);
bool tree_is_empty(const struct tree *t); /* nothing but comments; {} is a map that somebody has written */

/* NULL: not there. */
const struct node *node_get(const struct node *map, const char *key);
/* `key:` with nothing behind it, ~ or null. */
bool node_is_null(const struct node *n);
const char *node_kind_name(const struct node *n); /* "a list" */
/* "fapilog.yaml:12:8". Returns ret. */
const char *node_place(const struct node *n, char ret[NODE_PLACE_MAX]);

#endif
