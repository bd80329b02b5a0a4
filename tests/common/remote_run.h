/* remote_run.h - a small core for tests of remote sinks: makes records, encodes them to entries as the
 * collector does, hands over requests and keeps what became of them. No queue, no retry. */
#ifndef TESTS_COMMON_REMOTE_RUN_H
#define TESTS_COMMON_REMOTE_RUN_H

#include "collector/sinks/sink.h"
#include "tests/common/record_sample.h"

enum { REMOTE_RUN_REQUESTS = 64 };

struct remote_run_request {
    struct sink_request q;
    bool is_done;
    unsigned done_count;        /* 1, or the sink breaks its contract */
    struct sink_result result;  /* rejected and retry point to copies */
};

struct remote_run {
    struct io *io;
    struct sink *sink;
    struct remote_run_request request[REMOTE_RUN_REQUESTS];
    unsigned requests;
};

/* 0, or the error of the sink: of its URI, its check, its open. */
int remote_run_open(struct remote_run *r, const char *uri, struct err *e);
void remote_run_close(struct remote_run *r);

/* One record as an entry, on the heap. */
struct entry_head *remote_run_encode(struct remote_run *r, const struct fapilog_record *record);
/* Record n of a stream: level, message, fields n, text and trace_id, time base_ns + n. */
struct entry_head *remote_run_entry(struct remote_run *r, uint64_t n, int64_t base_ns, uint32_t text_bytes);

/* Sends; entries stay valid until the request is done. */
struct remote_run_request *remote_run_send(struct remote_run *r, struct entry_head *const *entry, uint32_t count,
                                           uint32_t attempt);
/* Turns the io until all that was sent is done. */
void remote_run_wait(struct remote_run *r);
void remote_run_forget(struct remote_run *r); /* the requests so far, to make room */

#endif
