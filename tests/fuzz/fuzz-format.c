/* Any bytes at all as a record, through every format: no crash, no byte behind the bound, lines that stay
 * lines, and the same bytes whether a plan was at hand or not. libFuzzer swaps main (-Dfuzz=true); as an
 * ordinary test it replays the files or folders that it is given, or else makes records from a printed seed. */
#include "collector/format/format.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "tests/fuzz/fuzz_record.h"

#include <string.h>

enum { FORMATS_MAX = 16, ROUNDS = 3000 };

static struct format **formats(unsigned *ret_count)
{
    static struct format *open[FORMATS_MAX];
    static unsigned count;
    for (; format_list[count]; count++) {
        const struct format_config cfg = {.source = count & 1, .colour = count & 2};
        CHECK(count < FORMATS_MAX);
        CHECK(format_open(format_list[count]->name, &cfg, 0, &open[count], NULL) == 0);
    }
    *ret_count = count;
    return open;
}

static size_t write_checked(struct format *f, const struct fapilog_record *r, char **ret)
{
    static const char canary[] = "somebody else's";
    const size_t bound = f->ops->bound(f, r);
    char *const out = malloc(bound + sizeof canary);
    CHECK(out);
    memcpy(out + bound, canary, sizeof canary);
    const size_t len = (size_t)(f->ops->write(f, r, out) - out);
    CHECK(len > 0 && len <= bound);
    CHECK(memcmp(out + bound, canary, sizeof canary) == 0);
    CHECK(out[len - 1] == '\n');
    if (f->ops->is_lines)
        CHECK(memchr(out, '\n', len) == out + len - 1);
    *ret = out;
    return len;
}

static void write_twice(struct format *f, struct fapilog_record *r)
{
    auto_free char *first = NULL;
    auto_free char *second = NULL;
    const size_t len = write_checked(f, r, &first);
    CHECK(write_checked(f, r, &second) == len);
    CHECK(memcmp(first, second, len) == 0);
}

static int64_t no_clock(void)
{
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + (size < FUZZ_INPUT_MAX ? size : FUZZ_INPUT_MAX)};
    static struct fuzz_record f;
    unsigned count;
    struct format **const open = formats(&count);
    format_observed_clock = no_clock;
    fuzz_record_take(&in, &f);
    for (unsigned i = 0; i < count; i++) {
        write_twice(open[i], &f.r);
        fuzz_record_done(&f);
    }
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
int main(int argc, char **argv)
{
    /* JSON, formats, UTF-8 */
    return fuzz_main(argc, argv,
                     "{\"a\":[1,2.5e3,null,true]}%d%s%*.*f%%\\\n\x1b\xe2\x82\xac\xf0\x9f\x8d\x95\xff\xc0=' ", ROUNDS);
}
#endif
