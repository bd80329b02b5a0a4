/* redact-cost plain|redact|message FORMAT COUNT: formats a record of ten fields that often, behind the production
 * preset's redaction or not. tests/e2e/redact-cost.py counts the instructions. */
#include "collector/format/format.h"
#include "lib/base/check.h"
#include "tests/common/stage_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sample *ten_fields(void)
{
    struct sample *const s = sample_new(SAMPLE_SIMPLE); /* order_id, qty, price */
    sample_add(s, sample_string("symbol", "ACME"));
    sample_add(s, sample_string("venue", "XETRA"));
    sample_add(s, sample_string("client", "institutional-17"));
    sample_add(s, sample_int("latency_ns", 81234));
    sample_add(s, sample_double("filled", 0.25));
    sample_add(s, sample_string("route", "smart/primary"));
    sample_add(s, sample_int("attempt", 1));
    sample_set_site(s, "order accepted", false);
    return s;
}

int main(int argc, char **argv)
{
    struct stage_run run = {0};
    struct format *f;
    struct err e = {0};
    CHECK(argc == 4);
    const bool redacts = strcmp(argv[1], "plain") != 0;
    const long count = strtol(argv[3], NULL, 10);
    CHECK(stage_run_add(&run, &e, "redact", "presets", "CREDENTIALS", "message",
                        strcmp(argv[1], "message") == 0 ? "true" : "false", NULL) == 0);
    CHECK(stage_run_open(&run, &e) == 0);
    CHECK(format_open(argv[2], NULL, 0, &f, &e) == 0);
    struct sample *const s = ten_fields();
    char *const out = malloc(f->ops->bound(f, &s->r) + 1024);
    CHECK(out);
    size_t bytes = 0;
    for (long i = 0; i < count; i++) {
        s->call[0].v.i64 = i;
        const struct fapilog_record *const r = redacts ? stages_run(&run.chain, &s->r) : &s->r;
        bytes += (size_t)(f->ops->write(f, r, out) - out);
    }
    printf("%zu\n", bytes);
    free(out);
    format_close(f);
    stage_run_forget(s);
    sample_free(s);
    stage_run_close(&run);
    return 0;
}
