/* generate.h - what is made from the option tables: help, a JSON schema for editors, a commented sample, the tables
 * of the documentation, words for a fuzzer. So none of them can say something else than the program does. */
#ifndef COLLECTOR_CONFIG_GENERATE_H
#define COLLECTOR_CONFIG_GENERATE_H

#include "lib/base/err.h"
#include "lib/base/opt.h"

#include <stdio.h>

/* JSON Schema, draft 7, of a configuration file. */
void generate_schema(FILE *f);
/* A configuration file with every option of every sink and stage, all but the least commented out. */
void generate_sample(FILE *f);
/* A table in Markdown; the conformance tests compare pages with it. */
void generate_table(FILE *f, const struct opt *rows);
/* A dictionary for libFuzzer. */
void generate_dictionary(FILE *f);

#endif
