/* remote-send: sends records to a remote sink and prints a line of JSON for each request. For end-to-end
 * tests of a sink by itself.
 *
 *     remote-send URI RECORDS BATCH [ATTEMPTS [TEXT-BYTES [AGE-SECONDS]]] */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/json_escape.h"
#include "tests/common/remote_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 20000 };
#define PAUSE_NS (100 * NS_PER_MS)

static const char *const outcomes[] = {
    [SINK_DELIVERED] = "delivered", [SINK_RETRY] = "retry", [SINK_REFUSED] = "refused", [SINK_BROKEN] = "broken"};

static void print_list(const char *name, const uint32_t *index, uint32_t count)
{
    printf(",\"%s\":[", name);
    for (uint32_t i = 0; i < count; i++)
        printf("%s%u", i ? "," : "", index[i]);
    printf("]");
}

static void print(const struct remote_run_request *q, uint64_t first)
{
    char reason[sizeof q->result.reason * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK];
    unsigned flags = 0;
    *json_escape(q->result.reason, strlen(q->result.reason), reason, &flags) = '\0';
    printf("{\"first\":%" PRIu64 ",\"count\":%u,\"attempt\":%u,\"outcome\":\"%s\",\"status\":%d,\"retry_after\":%.3f,"
           "\"reason\":\"%s\"", first, q->q.count, q->q.attempt, outcomes[q->result.outcome], q->result.status,
           (double)q->result.retry_after_ns / 1e9, reason);
    print_list("rejected", q->result.rejected, q->result.rejected_count);
    print_list("retry", q->result.retry, q->result.retry_count);
    printf("}\n");
    (void)fflush(stdout);
}

static void on_pause(struct io_req *req, int result)
{
    (void)result;
    *(bool *)req->owner = true;
}

static void pause_between(struct io *io)
{
    bool is_over = false;
    struct io_req req = {.op = IO_TIMEOUT, .deadline_ns = clock_mono_ns() + PAUSE_NS, .buf_index = -1,
                         .done = on_pause, .owner = &is_over};
    io_submit(io, &req);
    while (!is_over)
        CHECK(io_turn(io, UINT64_MAX) >= 0);
}

static uint64_t number(char **argv, int argc, int i, uint64_t otherwise)
{
    return i < argc ? strtoull(argv[i], NULL, 10) : otherwise;
}

static void send_batch(struct remote_run *r, struct entry_head *const *entry, uint64_t first, uint32_t count,
                       uint64_t attempts)
{
    for (uint32_t attempt = 1; attempt <= attempts; attempt++) {
        const struct remote_run_request *q = remote_run_send(r, entry, count, attempt);
        remote_run_wait(r);
        print(q, first);
        const bool again = q->result.outcome == SINK_RETRY;
        remote_run_forget(r);
        if (!again)
            return;
        if (attempt < attempts)
            pause_between(r->io);
    }
}

int main(int argc, char **argv)
{
    static struct remote_run r;
    static struct entry_head *entry[BATCH_MAX];
    struct err e = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: remote-send URI RECORDS BATCH [ATTEMPTS [TEXT-BYTES [AGE-SECONDS]]]\n");
        return 2;
    }
    const uint64_t records = number(argv, argc, 2, 0), batch = number(argv, argc, 3, 1);
    const uint64_t attempts = number(argv, argc, 4, 1), text_bytes = number(argv, argc, 5, 20);
    const int64_t base = (int64_t)(clock_real_ns() - number(argv, argc, 6, 0) * NS_PER_S);
    CHECK(batch >= 1 && batch <= BATCH_MAX);
    if (remote_run_open(&r, argv[1], &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    for (uint64_t n = 0; n < records; n += batch) {
        const uint32_t count = (uint32_t)(records - n < batch ? records - n : batch);
        for (uint32_t i = 0; i < count; i++)
            entry[i] = remote_run_entry(&r, n + i, base, (uint32_t)text_bytes);
        send_batch(&r, entry, n, count, attempts);
        for (uint32_t i = 0; i < count; i++)
            free(entry[i]);
    }
    remote_run_close(&r);
    return 0;
}
