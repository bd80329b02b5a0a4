#!/bin/sh
# archive.sh OUT LD OBJCOPY AR INPUT...: one relocatable object of which only the public symbols can be seen,
# so that a program linked with libfapilog.a may have functions called err_set or hash64 of its own.
set -eu
out=$1 ld=$2 objcopy=$3 ar=$4
shift 4
"$ld" -r -o "$out.o" --whole-archive "$1" --no-whole-archive --start-group "$@" --end-group
"$objcopy" --localize-hidden "$out.o"
rm -f "$out"
"$ar" rcsD "$out" "$out.o"
rm -f "$out.o"
