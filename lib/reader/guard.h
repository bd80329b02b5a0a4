/* guard.h - reading a mapping whose file another process may truncate.
 *
 * A producer that runs under another uid, or a disk error, can take pages away while they are being
 * read; the kernel then raises SIGBUS. The guard's handler maps a private zero page over the hole,
 * marks the owner of the range as damaged and returns, so the reader goes on, sees zeros (which no
 * valid block begins with) and finds the mark. That is preferred to sigsetjmp(): it needs no frame
 * around each access, costs nothing when nothing happens, and works in the middle of any function.
 *
 * A SIGBUS outside all registered ranges goes to the handler that was there before. */
#ifndef LIB_READER_GUARD_H
#define LIB_READER_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* Two for each segment; one user may have 16384 of them, where segments_max says nothing else. */
enum { GUARD_RANGES_MAX = 65536 };

/* Watches [addr, addr + len), mapped with protection `prot`. The handler stores 1 to *damaged, which
 * must live as long as the range. Installs the handler where it is not. Returns a slot >= 0, -ENOMEM
 * when all slots are taken, or another negative errno. Async-signal safe against the handler and
 * safe between threads. */
int guard_add(const void *addr, size_t len, int prot, uint32_t *damaged);
void guard_remove(int slot); /* before munmap; a negative slot is ignored */

#endif
