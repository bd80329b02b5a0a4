#include "collector/ingest/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 500 };

static int ids[MANY];

static struct heap make_heap(void)
{
    return (struct heap){ .node = calloc(MANY, sizeof(struct heap_node)), .cap = MANY };
}

static void items_come_out_in_order(void **state)
{
    (void)state;
    struct heap h = make_heap();
    unsigned seed = 1;
    for (int round = 0; round < 50; round++) {
        const uint32_t count = 1 + (uint32_t)rand_r(&seed) % MANY;
        for (uint32_t i = 0; i < count; i++)
            heap_push(&h, rand_r(&seed) % 100 - 50, i, &ids[i]);
        int64_t last = INT64_MIN;
        while (h.count) {
            assert_true(h.node[0].key >= last);
            last = h.node[0].key;
            heap_pop(&h);
        }
    }
    free(h.node);
}

static void equal_keys_come_out_in_the_order_given(void **state)
{
    (void)state;
    struct heap h = make_heap();
    for (uint32_t i = 0; i < MANY; i++)
        heap_push(&h, 7, (i * 7919) % MANY, &ids[(i * 7919) % MANY]);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(heap_top(&h), &ids[i]);
        heap_pop(&h);
    }
    assert_null(heap_top(&h));
    free(h.node);
}

/* Streams of rising keys, as lanes are: the merge is sorted and complete. */
static void replacing_the_top_merges_streams(void **state)
{
    (void)state;
    enum { STREAMS = 17, LENGTH = 200 };
    struct heap h = make_heap();
    int64_t key[STREAMS] = { 0 };
    int left[STREAMS];
    unsigned seed = 3;
    for (int i = 0; i < STREAMS; i++) {
        left[i] = LENGTH;
        heap_push(&h, key[i], (uint64_t)i, &ids[i]);
    }
    int64_t last = -1;
    int merged = 0;
    while (h.count) {
        const int i = (int)((int *)heap_top(&h) - ids);
        assert_int_equal(h.node[0].key, key[i]);
        assert_true(key[i] >= last);
        last = key[i];
        merged++;
        key[i] += rand_r(&seed) % 10;
        if (--left[i])
            heap_replace_top(&h, key[i]);
        else
            heap_pop(&h);
    }
    assert_int_equal(merged, STREAMS * LENGTH);
    free(h.node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order),
        cmocka_unit_test(equal_keys_come_out_in_the_order_given),
        cmocka_unit_test(replacing_the_top_merges_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
