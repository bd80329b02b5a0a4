/* warning.h - what fapilog-dump has to say beside the records, on standard error. */
#ifndef TOOLS_DUMP_WARNING_H
#define TOOLS_DUMP_WARNING_H

/* There are names of files in it, which may be other users': nothing of them may steer the terminal. */
void warning_print(const char *text);

#endif
