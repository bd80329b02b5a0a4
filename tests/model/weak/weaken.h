/* weaken.h - included before and, without the names, after a production file: gives its atomic
 * accesses a weaker order than is written there. Each name is a property that a mutant takes away. */
#undef __atomic_store_n
#undef __atomic_load_n
#undef __atomic_thread_fence

#ifdef WEAK_STORES
#define __atomic_store_n(p, v, order) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#endif
#ifdef WEAK_LOADS
#define __atomic_load_n(p, order) __atomic_load_n(p, __ATOMIC_RELAXED)
#endif
#ifdef WEAK_FENCES
#define __atomic_thread_fence(order) ((void)(order))
#endif

#undef WEAK_STORES
#undef WEAK_LOADS
#undef WEAK_FENCES
