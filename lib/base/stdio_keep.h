/* stdio_keep.h - programs that are started without a standard stream. */
#ifndef FAPILOG_BASE_STDIO_KEEP_H
#define FAPILOG_BASE_STDIO_KEEP_H

/* For the first line of main(). The number of a standard stream that is closed would be given to the next file that is
 * opened, and output and messages would be written into it: the number is taken by /dev/null, in a way that
 * standard input still cannot be read and standard output not be written. 0 or -errno. */
int stdio_keep(void);

#endif
