/* fuzz_record.h - any bytes at all as a record, and the main of fuzz targets when no fuzzer brings its own. */
#ifndef TESTS_FUZZ_FUZZ_RECORD_H
#define TESTS_FUZZ_FUZZ_RECORD_H

#include <fapilog/reader.h>

#include <stddef.h>

enum { FUZZ_LIST_MAX = 12, FUZZ_INPUT_MAX = 4096 };

struct fuzz_input {
    const uint8_t *p, *end;
};

uint8_t fuzz_byte(struct fuzz_input *in); /* 0 behind the end */
struct fapilog_text fuzz_text(struct fuzz_input *in, uint32_t max);

/* A record with all that belongs to it; its texts lie in the input. */
struct fuzz_record {
    struct fapilog_record r;
    struct fapilog_site site;
    struct fapilog_logger_info logger;
    struct fapilog_process_info process;
    struct fapilog_context_info context;
    struct fapilog_field call[FUZZ_LIST_MAX], bound[FUZZ_LIST_MAX], thread[FUZZ_LIST_MAX], enriched[FUZZ_LIST_MAX];
};
void fuzz_record_take(struct fuzz_input *in, struct fuzz_record *ret);
/* Frees what was cached of its call site, logger and process. */
void fuzz_record_done(struct fuzz_record *f);

/* Replays the files or folders that it is given, or else makes inputs from a printed seed, of bytes out of `words`
 * more often than chance would: they lead somewhere. */
int fuzz_main(int argc, char **argv, const char *words, int rounds);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
