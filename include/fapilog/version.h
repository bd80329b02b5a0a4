/* version.h - which fapilog this is.
 *
 * The macros tell of the headers that a program is compiled with, fapilog_version() of the library that it runs with.
 * Within one soname (libfapilog.so.0) a program runs with every later library, and with an earlier one as long as
 * that has the functions which the program calls: docs/compatibility.md. */
#ifndef FAPILOG_VERSION_H
#define FAPILOG_VERSION_H

#define FAPILOG_VERSION_MAJOR 0
#define FAPILOG_VERSION_MINOR 1
#define FAPILOG_VERSION_PATCH 0
#define FAPILOG_VERSION_STRING "0.1.0"

/* A version as one number that grows with it, 0x000100 for 0.1.0; each part is 0..255. */
#define FAPILOG_VERSION_ENCODE(major, minor, patch) ((major) * 0x10000u + (minor) * 0x100u + (patch))
#define FAPILOG_VERSION_NUMBER \
    FAPILOG_VERSION_ENCODE(FAPILOG_VERSION_MAJOR, FAPILOG_VERSION_MINOR, FAPILOG_VERSION_PATCH)

/* Whether the headers are of this version or a later one:
 *     #if FAPILOG_VERSION_AT_LEAST(0, 2, 0) */
#define FAPILOG_VERSION_AT_LEAST(major, minor, patch) \
    (FAPILOG_VERSION_NUMBER >= FAPILOG_VERSION_ENCODE(major, minor, patch))

#endif
