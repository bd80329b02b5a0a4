/* Prints every sample through one format: "<name>\t<line>". For check_lines.py. */
#include "collector/format/format.h"
#include "tests/common/record_sample.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t fixed_clock(void)
{
    return INT64_C(1795250225000000000);
}

int main(int argc, char **argv)
{
    struct format *f;
    struct err e;
    format_observed_clock = fixed_clock;
    if (argc != 2 || format_open(argv[1], &(struct format_config){.source = true}, 0, &f, &e) < 0) {
        fprintf(stderr, "%s\n", argc != 2 ? "usage: emit FORMAT" : e.text);
        return 2;
    }
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *const s = sample_new(kind);
        char *const out = malloc(f->ops->bound(f, &s->r));
        if (!out)
            return 1;
        const char *const end = f->ops->write(f, &s->r, out);
        printf("%s\t", sample_name(kind));
        fwrite(out, 1, (size_t)(end - out), stdout);
        free(out);
        sample_free(s);
    }
    format_close(f);
    return fflush(stdout) == 0 ? 0 : 1;
}
