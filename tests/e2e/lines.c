/* lines COUNT - prints lines of 100 bytes with their numbers, as fast as can be. */
#include "lib/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 100, NUMBER_BYTES = 12, BUFFER_BYTES = 1 << 20 };

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const uint64_t count = strtoull(argv[1], NULL, 10);
    char line[LINE_BYTES + 1];
    memset(line, 'x', LINE_BYTES);
    line[LINE_BYTES - 1] = '\n';
    CHECK(setvbuf(stdout, NULL, _IOFBF, BUFFER_BYTES) == 0);
    for (uint64_t n = 0; n < count; n++) {
        uint64_t rest = n;
        for (int i = NUMBER_BYTES - 1; i >= 0; i--, rest /= 10)
            line[i] = (char)('0' + rest % 10);
        line[NUMBER_BYTES] = ' ';
        if (fwrite(line, 1, LINE_BYTES, stdout) != LINE_BYTES)
            return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
