/* sink_options.h - what must hold of every option row of every sink. */
#ifndef TESTS_CONFORMANCE_SINK_OPTIONS_H
#define TESTS_CONFORMANCE_SINK_OPTIONS_H

#include "collector/sinks/sink.h"

/* Each returns the count of rows that break the rule, and says on stderr which and how. */
unsigned options_defaults_parse_and_print_back(const struct opt *rows, size_t cfg_size);
unsigned options_refuse_what_is_outside(const struct opt *rows, size_t cfg_size);
unsigned options_are_named_and_explained(const struct opt *rows);
/* The line that the options table of the sink's page must hold. */
void options_doc_line(const struct opt *row, char *ret, size_t size);
unsigned options_are_documented(const struct opt *rows, const char *page);

#endif
