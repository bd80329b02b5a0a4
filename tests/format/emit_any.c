/* Prints records made of any bytes at all through one format: "any\t<line>", behind the seed. For check_lines.py. */
#include "collector/format/format.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "tests/fuzz/fuzz_record.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 1500 };

static struct format *format;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_record f;
    struct fuzz_input in = {data, data + size};
    fuzz_record_take(&in, &f);
    auto_free char *out = malloc(format->ops->bound(format, &f.r));
    CHECK(out);
    const char *const end = format->ops->write(format, &f.r, out);
    (void)fputs("any\t", stdout);
    (void)fwrite(out, 1, (size_t)(end - out), stdout);
    fuzz_record_done(&f);
    return 0;
}

int main(int argc, char **argv)
{
    struct err e;
    if (argc != 2 || format_open(argv[1], &(struct format_config){.source = true}, 0, &format, &e) < 0) {
        (void)fprintf(stderr, "%s\n", argc != 2 ? "usage: emit-any FORMAT" : e.text);
        return 2;
    }
    const char *const words = "{\"a\":[1,2.5e3,null,true]}%d%s%*.*f%%\\\n\x1b\xe2\x82\xac\xf0\x9f\x8d\x95\xff\xc0=' ";
    const int status = fuzz_main(1, argv, words, ROUNDS);
    format_close(format);
    return fflush(stdout) == 0 ? status : 1;
}
