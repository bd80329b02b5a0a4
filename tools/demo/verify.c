#include "tools/demo/demo.h"

#include "lib/base/cleanup.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

struct tally {
    uint64_t next[DEMO_PROCESSES_MAX][DEMO_THREADS_MAX];
    uint64_t records, repeated_or_out_of_order, missing, unreadable, others;
};

static bool number_of(const json_t *data, const char *name, uint64_t *ret)
{
    const json_t *item = json_object_get(data, name);
    if (!json_is_integer(item) || json_integer_value(item) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(item);
    return true;
}

static void count_line(struct tally *t, const char *line)
{
    json_t *root = json_loads(line, 0, NULL);
    const json_t *data = json_object_get(json_object_get(root, "log"), "data");
    uint64_t process, thread, n;

    if (!root) {
        t->unreadable++;
    } else if (!number_of(data, "process", &process) || !number_of(data, "thread", &thread) ||
               !number_of(data, "n", &n) || process >= DEMO_PROCESSES_MAX || thread >= DEMO_THREADS_MAX) {
        t->others++;
    } else {
        uint64_t *next = &t->next[process][thread];
        t->records++;
        if (n < *next)
            t->repeated_or_out_of_order++;
        else
            t->missing += n - *next;
        if (n >= *next)
            *next = n + 1;
    }
    json_decref(root);
}

static bool compare(const struct demo_witness *w, struct tally *t, uint64_t *ret_returned)
{
    bool complete = t->repeated_or_out_of_order == 0 && t->missing == 0 && t->unreadable == 0;
    for (uint32_t p = 0; p < w->processes && p < DEMO_PROCESSES_MAX; p++) {
        for (uint32_t i = 0; i < w->threads && i < DEMO_THREADS_MAX; i++) {
            /* order: acquire, pairs with the release in worker_main() */
            const uint64_t returned = __atomic_load_n(&w->returned[p][i], __ATOMIC_ACQUIRE);
            *ret_returned += returned;
            if (t->next[p][i] < returned)
                t->missing += returned - t->next[p][i];
            /* a thread that was killed between its commit and the witness's store has one more */
            if (t->next[p][i] < returned || t->next[p][i] > returned + 1)
                complete = false;
        }
    }
    return complete;
}

int demo_verify(const struct demo_witness *witness, const char *json_path)
{
    auto_stream in = fopen(json_path, "re");
    if (!in) {
        fprintf(stderr, "fapilog-demo: open %s: %s\n", json_path, strerror(errno));
        return 1;
    }
    static struct tally tally;
    auto_free char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, in) >= 0)
        count_line(&tally, line);

    uint64_t returned = 0;
    const bool complete = compare(witness, &tally, &returned);
    printf("  log calls that had returned in the service   %12" PRIu64 "\n", returned);
    printf("  records of the service in the output         %12" PRIu64 "\n", tally.records);
    printf("  missing %" PRIu64 ", repeated or out of order %" PRIu64 ", unreadable lines %" PRIu64 "\n",
           tally.missing, tally.repeated_or_out_of_order, tally.unreadable);
    return complete ? 0 : 1;
}
