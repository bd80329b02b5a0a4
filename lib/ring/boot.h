/* boot.h - which boot of this machine it is, as superblocks and native files have it. */
#ifndef LIB_RING_BOOT_H
#define LIB_RING_BOOT_H

#include <stdint.h>

/* The hex digits of the boot id in memory order, as the producer reads them. Both zero: unknown. */
void boot_id(uint64_t ret[2]);

#endif
