/* What the parser and the comparisons share. */
#ifndef LIB_WHERE_INTERNAL_H
#define LIB_WHERE_INTERNAL_H

#include "lib/where/key.h"
#include "lib/where/where.h"

#include <stddef.h>

enum { WHERE_NODES_MAX = 256, WHERE_DEPTH_MAX = 32 };

enum where_op {
    WHERE_OR, WHERE_AND, WHERE_NOT, /* left, right */
    WHERE_SET,                      /* key alone */
    WHERE_EQ, WHERE_NE, WHERE_LT, WHERE_LE, WHERE_GT, WHERE_GE, WHERE_LIKE,
};

/* Comparisons that need no value to be made. */
enum where_short {
    WHERE_LONG,
    WHERE_SHORT_LEVEL,   /* level >= ERROR */
    WHERE_SHORT_INTEGER, /* field == 42, as long as the field is an integer */
};

/* A literal, understood in each way that it can be. */
struct where_literal {
    char *text;
    size_t len;
    bool quoted, is_pattern;
    bool is_number, is_integer, is_time, is_duration;
    long double number; /* holds every 64-bit integer exactly on the machines we run on */
    uint8_t level;      /* 0: none */
    int64_t time_ns, duration_ns;
    int64_t integer;    /* WHERE_SHORT_INTEGER */
};

struct where_node {
    enum where_op op;
    enum where_short shortcut;
    uint8_t accepts; /* of comparisons: bit 0 less, 1 equal, 2 greater */
    bool was_found;  /* by where_look_for_keys(): a field of that name, also where the name means a member */
    unsigned left, right;
    struct where_key *key;
    struct where_literal value;
};

struct where {
    unsigned count, root;
    struct where_node nodes[WHERE_NODES_MAX];
};

#endif
