/* retire.h - copies of loggers and processes that a reload has made useless. Formats tell loggers and processes
 * apart by their address, in plans that live as long as the original: the address of an old copy must not come
 * back as another's. So old copies are kept; there are as many as loggers and processes that were alive at a
 * reload which changed what stages make of them. */
#ifndef COLLECTOR_STAGE_RETIRE_H
#define COLLECTOR_STAGE_RETIRE_H

/* `memory`: from malloc, at least a pointer long, or NULL; nobody uses its contents any more. */
void stage_retire(void *memory);

#endif
