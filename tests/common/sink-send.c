/* sink-send: sends records to a remote sink, without the collector around it, and prints a line of JSON for each
 * request. For tests of a sink against real servers.
 *
 *     sink-send URI RECORDS BATCH [ATTEMPTS [TEXT-BYTES [AGE-SECONDS]]]
 *     sink-send URI COMMAND...
 *
 * Commands, in order:
 *   add KIND N      encode N records of a sample kind (a number), numbered through their positions
 *   bad             encode a record whose payload is no JSON
 *   json TEXT       encode a record with a field `json` of that JSON text
 *   foreign N       encode N records whose group is not what the sink is configured for
 *   send            send all that was added as one request
 *   clear           forget what was added */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/json_escape.h"
#include "tests/common/remote_run.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 100000, BATCH_MAX = 20000 };
#define PAUSE_NS (100 * NS_PER_MS)

static struct remote_run run;
static struct entry_head *entry[ENTRIES_MAX];
static uint32_t entries;

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
    printf(",\"refused\":%u}\n", q->result.refused_count);
    (void)fflush(stdout);
}

static void on_warn(struct sink *s, const struct err *e)
{
    (void)s;
    (void)fprintf(stderr, "%s\n", e->text);
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

static void send_batch(uint64_t first, uint64_t attempts)
{
    for (uint32_t attempt = 1; attempt <= attempts; attempt++) {
        const struct remote_run_request *q = remote_run_send(&run, entry, entries, attempt);
        remote_run_wait(&run);
        print(q, first);
        const bool again = q->result.outcome == SINK_RETRY;
        remote_run_forget(&run);
        if (!again)
            return;
        if (attempt < attempts)
            pause_between(run.io);
    }
}

static void clear(void)
{
    while (entries)
        free(entry[--entries]);
}

static int send_many(int argc, char **argv)
{
    const uint64_t records = number(argv, argc, 2, 0), batch = number(argv, argc, 3, 1);
    const uint64_t attempts = number(argv, argc, 4, 1), text_bytes = number(argv, argc, 5, 20);
    const int64_t base = (int64_t)(clock_real_ns() - number(argv, argc, 6, 0) * NS_PER_S);
    CHECK(batch >= 1 && batch <= BATCH_MAX);
    for (uint64_t n = 0; n < records; n += batch) {
        const uint32_t count = (uint32_t)(records - n < batch ? records - n : batch);
        for (uint32_t i = 0; i < count; i++)
            entry[entries++] = remote_run_entry(&run, n + i, base, (uint32_t)text_bytes);
        send_batch(n, attempts);
        clear();
    }
    return 0;
}

/* ---- commands ---- */

static void add(unsigned kind, uint64_t n)
{
    static uint64_t position;
    CHECK(n <= ENTRIES_MAX - entries);
    for (uint64_t i = 0; i < n; i++) {
        struct sample *s = sample_new(kind);
        s->r.id.position = position++ * 64;
        s->r.time_ns += (int64_t)i * 1000;
        entry[entries++] = remote_run_encode(&run, &s->r);
        sample_free(s);
    }
}

static void add_json(const char *text)
{
    struct sample *s = sample_new(SAMPLE_EMPTY);
    CHECK(entries < ENTRIES_MAX);
    sample_add(s, sample_bytes("json", FAPILOG_TYPE_JSON, text, (uint32_t)strlen(text)));
    entry[entries++] = remote_run_encode(&run, &s->r);
    sample_free(s);
}

static void add_bad(void)
{
    add(SAMPLE_SIMPLE, 1);
    struct entry_head *h = entry[entries - 1];
    *((char *)(h + 1) + h->group_len + h->meta_len) = '!';
}

static void add_foreign(uint64_t n)
{
    add(SAMPLE_SIMPLE, n);
    for (uint64_t i = 1; i <= n; i++) {
        struct entry_head *h = entry[entries - i];
        CHECK(h->group_len > 0);
        *(char *)(h + 1) ^= 1;
    }
}

static int obey(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "add") == 0 && i + 2 < argc) {
            add((unsigned)strtoul(argv[i + 1], NULL, 10), strtoull(argv[i + 2], NULL, 10));
            i += 2;
        } else if (strcmp(argv[i], "bad") == 0) {
            add_bad();
        } else if (strcmp(argv[i], "json") == 0 && i + 1 < argc) {
            add_json(argv[++i]);
        } else if (strcmp(argv[i], "foreign") == 0 && i + 1 < argc) {
            add_foreign(strtoull(argv[++i], NULL, 10));
        } else if (strcmp(argv[i], "send") == 0) {
            send_batch(0, 1);
        } else if (strcmp(argv[i], "clear") == 0) {
            clear();
        } else {
            return 2;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: sink-send URI RECORDS BATCH [ATTEMPTS [TEXT-BYTES [AGE-SECONDS]]]\n"
                        "       sink-send URI add KIND N | bad | json TEXT | foreign N | send | clear ...\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (remote_run_open(&run, argv[1], &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    run.sink->warn = on_warn;
    const int status = isdigit((unsigned char)*argv[2]) ? send_many(argc, argv) : obey(argc, argv);
    clear();
    remote_run_close(&run);
    return status;
}
