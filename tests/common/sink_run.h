/* sink_run.h - a small core for tests of local sinks: it cuts a known stream of records into batches,
 * retries what failed, persists marks with positions the way the collector does, and can be killed at
 * every step. */
#ifndef TESTS_COMMON_SINK_RUN_H
#define TESTS_COMMON_SINK_RUN_H

#include "collector/sinks/sink.h"

#include <stdbool.h>
#include <stdint.h>

enum { RUN_RECORD_MAX = 4096, RUN_BATCH_RECORDS = 5 };

/* Forking takes long under a sanitizer: then only some of the steps are the last one. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUN_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUN_SANITIZED 1
#endif
#ifdef RUN_SANITIZED
enum { RUN_KILL_STRIDE = 13 };
#else
enum { RUN_KILL_STRIDE = 1 };
#endif

/* What a collector would have on disk: survives the death of a child. */
struct run_state {
    struct {
        uint64_t next; /* first record that does not count as written */
        struct sink_mark mark;
    } slot[2];
    uint32_t slot_used;
    uint32_t has_mark;
};

struct run {
    struct run_state *state; /* shared memory */
    struct io *io;
    struct sink *sink;
    struct sink_batch batch;
    struct sink_chunk chunk;
    char *data;
    uint32_t ends[RUN_BATCH_RECORDS];
    uint64_t next;
    bool is_done, is_writing, is_calling;
    int result;
    unsigned failures, warnings;
    struct err warned;
    size_t record_bytes; /* 0: lengths that vary */
};

/* Record i of the stream, with its line feed. Returns its length. */
size_t run_record(char *to, uint64_t i, size_t record_bytes);
struct run_state *run_state_new(void);
void run_state_free(struct run_state *s);

/* Opens and recovers; 0 or the error of the sink. */
int run_open(struct run *r, struct run_state *state, const char *uri, const struct io_config *io, struct err *e);
/* Writes one batch of up to RUN_BATCH_RECORDS records below `end` and waits; the sink's result. */
int run_batch(struct run *r, uint64_t end);
/* Writes all records below `end`, retrying; false when a sink never came round. */
bool run_until(struct run *r, uint64_t end);
void run_tick(struct run *r);
int run_rotate(struct run *r);
int run_reopen(struct run *r);
int run_close(struct run *r, struct err *e);

/* Kills the process (exit code 99) at the nth step from now; 0: never. Steps are every call of the I/O
 * table, before and after, and every step of the core around its own state. */
void run_kill_at(uint64_t n);
uint64_t run_steps(void);

/* All files of a directory, decompressed, joined per file. */
struct run_file {
    char name[256];
    char *data;
    size_t len;
};
struct run_files {
    struct run_file file[4096];
    unsigned count;
};
void run_read_files(const char *directory, struct run_files *ret);
void run_files_free(struct run_files *f);
/* Every record below `end` exactly once, whole, each file in order. Prints what is wrong. */
bool run_check_text(const char *directory, uint64_t end, size_t record_bytes);
void run_remove(const char *directory);
unsigned run_open_fds(void);

#endif
