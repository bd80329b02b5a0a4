#ifndef TOOLS_CAT_OPTIONS_H
#define TOOLS_CAT_OPTIONS_H

#include <fapilog/reader.h>

#include <stdbool.h>

struct cat_options {
    const char *rings;   /* NULL: the default directory */
    const char *service;
    uint8_t level;
    bool json;
    bool quiet;
    bool wait;
    struct fapilog_field fields[FAPILOG_FIELDS_MAX]; /* --field, in order */
    uint32_t fields_count;
    char **files;        /* NULL-terminated; empty: standard input */
};

enum cat_parse { CAT_RUN, CAT_EXIT_OK, CAT_EXIT_FAILED, CAT_EXIT_USAGE };

/* A message about what was given, of which control characters are not shown. */
__attribute__((format(printf, 2, 3))) void cat_complain(const char *about, const char *format, ...);

/* Prints help and usage errors itself, where they belong. */
enum cat_parse cat_options_parse(struct cat_options *o, int argc, char **argv);

#endif
