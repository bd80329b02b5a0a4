/* The five primitives through which every shared word is read and written, so that a review (and
 * tests/lint) can look at each of them. The order sits on the variable, never in a stand-alone fence
 * unless the comment at the fence says why (TSan models the former, not the latter). Each use names
 * its partner: "order: H2 acquire, pairs with H1". */
#ifndef FAPILOG_BASE_ATOMICS_H
#define FAPILOG_BASE_ATOMICS_H

#define load_rlx(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acq(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_rlx(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_rel(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define cas_acq_rel(p, expected, desired) \
    __atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

#endif
