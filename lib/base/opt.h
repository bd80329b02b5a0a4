/* opt.h - option tables. One row per option gives its parser, bounds, documented default, help line
 * and place in the configuration structure; file, environment, URI, --help, man page and fuzz
 * dictionary are walks over the rows. Defaults are text and go through the same parser as user
 * input, so the documented default is the real one. */
#ifndef FAPILOG_BASE_OPT_H
#define FAPILOG_BASE_OPT_H

#include "lib/base/err.h"

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type {
    OPT_END_ROW,
    OPT_TEXT,     /* const char *, owned by the configuration (opt_free) */
    OPT_BOOL,     /* bool: 1/true/yes/on, 0/false/no/off */
    OPT_UINT,     /* uint64_t */
    OPT_SIZE,     /* uint64_t bytes: "10 MB", base 1024 */
    OPT_DURATION, /* uint64_t ns: "500ms", "1h", bare number = seconds, hourly, daily, weekly */
    OPT_WORD,     /* uint32_t: one of `words` */
    OPT_LEVEL,    /* uint8_t: level name or 1..31 */
    OPT_REAL,     /* double: "0.25"; the bounds are those of the row's real_min and real_max */
    OPT_LIST,     /* struct opt_list: texts, separated by commas, or a JSON array of strings */
    OPT_MAP,      /* struct opt_map: key=value pairs, separated by commas, or a JSON object of scalars */
};

/* Owned by the configuration, as are the texts in them (opt_free). */
struct opt_list {
    char **item;
    uint32_t count;
};
bool opt_list_has(const struct opt_list *l, const char *text);

struct opt_pair {
    char *key;
    char *value;
};

struct opt_map {
    struct opt_pair *item; /* in the order given; no key twice */
    uint32_t count;
};

enum { OPT_LIST_MAX = 1024 }; /* entries of a list or map */

#define OPT_UNSET UINT64_MAX

enum opt_flags {
    OPT_REQUIRED = 1, /* no default; must be given */
    OPT_SECRET = 2,   /* printed as ***; "env:NAME" and "file:PATH" name where it, or a value of a map, lies */
    OPT_LIVE = 4,     /* a reload may change it without reopening */
    OPT_FILE = 8,     /* names a file that is read when what it belongs to is opened */
    OPT_OUTPUT = 16,  /* names a file, or with a slash behind it a directory, to write to */
    OPT_OUTPUT_DIR = 32, /* names a directory to write to */
    OPT_URL = 64,     /* is a URL: what stands behind its '?' is printed as *** */
    OPT_PROGRAM = 128, /* names a program that is run */
    OPT_PARENTS = 256, /* of an output: directories that are missing are made */
};

struct opt_word {
    const char *text;
    uint32_t value;
};

struct opt {
    enum opt_type type;
    const char *name;
    const char *alias;          /* other accepted spelling, or NULL */
    const char *default_text;   /* NULL: required, or empty. A number's default may be a word, "none" or
                                   "auto": that word is accepted and stored as OPT_UNSET */
    uint64_t min, max;          /* OPT_UINT, OPT_SIZE, OPT_DURATION (ns); OPT_LIST, OPT_MAP: entries */
    const struct opt_word *words; /* ends with text NULL */
    uint32_t flags;
    uint32_t offset;
    const char *help;
    double real_min, real_max;  /* OPT_REAL */
};

/* A member of another type does not compile. */
#define OPT_AT_(T, m, ctype) \
    (uint32_t)(offsetof(T, m) + 0 * sizeof(struct { \
        _Static_assert(_Generic(((T *)0)->m, ctype: 1, default: 0), #m " has another type"); char c_; }))

#define OPT_TEXT_(T, m, name, def, flags, help) \
    { OPT_TEXT, name, NULL, def, 0, 0, NULL, flags, OPT_AT_(T, m, const char *), help }
#define OPT_BOOL_(T, m, name, def, flags, help) \
    { OPT_BOOL, name, NULL, def, 0, 1, NULL, flags, OPT_AT_(T, m, bool), help }
#define OPT_NUM_(type, T, m, name, def, min, max, flags, help) \
    { type, name, NULL, def, min, max, NULL, flags, OPT_AT_(T, m, uint64_t), help }
#define OPT_WORD_(T, m, name, def, words, flags, help) \
    { OPT_WORD, name, NULL, def, 0, 0, words, flags, OPT_AT_(T, m, uint32_t), help }
#define OPT_LEVEL_(T, m, name, def, flags, help) \
    { OPT_LEVEL, name, NULL, def, 1, 31, NULL, flags, OPT_AT_(T, m, uint8_t), help }
#define OPT_REAL_(T, m, name, def, min, max, flags, help) \
    { OPT_REAL, name, NULL, def, 0, 0, NULL, flags, OPT_AT_(T, m, double), help, min, max }
#define OPT_LIST_(T, m, name, def, flags, help) \
    { OPT_LIST, name, NULL, def, 0, OPT_LIST_MAX, NULL, flags, OPT_AT_(T, m, struct opt_list), help }
#define OPT_MAP_(T, m, name, def, flags, help) \
    { OPT_MAP, name, NULL, def, 0, OPT_LIST_MAX, NULL, flags, OPT_AT_(T, m, struct opt_map), help }
#define OPT_END { OPT_END_ROW, NULL, NULL, NULL, 0, 0, NULL, 0, 0, NULL }

/* As the rows above, with another accepted spelling of the name. */
#define OPT_NUM_ALIAS_(type, T, m, name, alias, def, min, max, flags, help) \
    { type, name, alias, def, min, max, NULL, flags, OPT_AT_(T, m, uint64_t), help }
#define OPT_TEXT_ALIAS_(T, m, name, alias, def, flags, help) \
    { OPT_TEXT, name, alias, def, 0, 0, NULL, flags, OPT_AT_(T, m, const char *), help }
#define OPT_LIST_ALIAS_(T, m, name, alias, def, flags, help) \
    { OPT_LIST, name, alias, def, 0, OPT_LIST_MAX, NULL, flags, OPT_AT_(T, m, struct opt_list), help }
#define OPT_MAP_ALIAS_(T, m, name, alias, def, flags, help) \
    { OPT_MAP, name, alias, def, 0, OPT_LIST_MAX, NULL, flags, OPT_AT_(T, m, struct opt_map), help }
#define OPT_BOOL_ALIAS_(T, m, name, alias, def, flags, help) \
    { OPT_BOOL, name, alias, def, 0, 1, NULL, flags, OPT_AT_(T, m, bool), help }
#define OPT_WORD_ALIAS_(T, m, name, alias, def, words, flags, help) \
    { OPT_WORD, name, alias, def, 0, 0, words, flags, OPT_AT_(T, m, uint32_t), help }

/* Sets every member to its default; cfg is zeroed or was set before. Required rows become empty. */
int opt_defaults(const struct opt *rows, void *cfg, struct err *e);
/* Finds the row (name, alias, '-' and '_' and case alike) or NULL. */
const struct opt *opt_find(const struct opt *rows, const char *name);
/* Parses and stores one value; the error names key, value and what is allowed. */
int opt_set(const struct opt *row, void *cfg, const char *value, struct err *e);
/* Prints the present value as text that opt_set() accepts; *** for secrets that are set and for the query of a URL.
 * Returns the length or -ENOSPC. */
int opt_print(const struct opt *row, const void *cfg, char *ret, size_t size);
/* -EINVAL naming the first required row that is still empty. */
int opt_complete(const struct opt *rows, const void *cfg, struct err *e);
void opt_free(const struct opt *rows, void *cfg);
/* Whether two configurations agree in a row; of secrets too. */
bool opt_equal(const struct opt *row, const void *a_cfg, const void *b_cfg);
/* Exchanges the values of a row, which cannot fail. */
void opt_swap(const struct opt *row, void *a_cfg, void *b_cfg);
enum { OPT_NAMES_SHOWN = 240 }; /* beside a suggestion, a longer list of what is allowed says nothing more */
/* The name in `rows` nearest to a misspelt one, or NULL when none is near. */
const char *opt_suggest(const struct opt *rows, const char *name);
/* The same for a command's long options; `given` may have its dashes and a value. */
const char *opt_suggest_long(const struct option *rows, const char *given);

/* Writes what a row accepts: "1..100", "one of none, gzip, zstd". Returns ret. */
const char *opt_allowed(const struct opt *row, char *ret, size_t size);

/* The grammars by themselves. 0 or -EINVAL / -ERANGE. */
int opt_parse_real(const char *text, double *ret);
/* -EINVAL, -E2BIG, -ENOMEM; for a map -EEXIST when a key comes twice. A comma, quote or backslash inside
 * an entry needs the JSON form. */
int opt_parse_list(const char *text, struct opt_list *ret);
int opt_parse_map(const char *text, struct opt_map *ret);
void opt_list_free(struct opt_list *l);
void opt_map_free(struct opt_map *m);
const char *opt_map_get(const struct opt_map *m, const char *key); /* NULL: not there */
int opt_parse_size(const char *text, uint64_t *ret);
int opt_parse_duration(const char *text, uint64_t *ret_ns);
int opt_parse_level(const char *text, uint8_t *ret);
const char *opt_level_name(uint8_t level); /* "INFO"; names cover ranges as OTel does */

#endif
