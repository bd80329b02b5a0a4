/* The payload of a record of the shape `three` to fields. */
#include <string.h>

#include "bench/harness/shape.h"
#include "bench/micro/micro.h"
#include "lib/base/check.h"
#include "lib/reader/decode.h"

static void bench_three(struct gb_state *s)
{
    static const uint8_t types[] = {FAPILOG_TYPE_I32, FAPILOG_TYPE_I32, FAPILOG_TYPE_F64};
    enum { FIELDS = ARRAY_COUNT(types), HEADER = 16, RECORD = 32 };
    _Alignas(8) uint8_t record[RECORD] = {0};
    struct fapilog_field templates[FIELDS] = {0}, fields[FIELDS];
    const int32_t a = shape_int(5, 0), b = shape_int(5, 1);
    const double c = shape_double(5, 0);
    for (int i = 0; i < FIELDS; i++)
        CHECK(decode_template(&templates[i], types[i]));
    memcpy(record + HEADER, &a, sizeof a);
    memcpy(record + HEADER + 4, &b, sizeof b);
    memcpy(record + HEADER + 8, &c, sizeof c);
    CHECK(decode_args(templates, FIELDS, record, HEADER, RECORD, fields) == 0 && fields[2].v.f64 == c);
    micro_loop(s) {
        gb_keep(record);
        gb_keep(decode_args(templates, FIELDS, record, HEADER, RECORD, fields));
    }
}

void micro_decode(void)
{
    gb_register("decode/three", bench_three);
}
