#!/bin/sh
# producer-version.sh VERSION INCLUDE LIBRARY PC APP... -- COMMAND...: headers, library, pkg-config and commands agree
# on the version; a program that was compiled with the headers of another version is told that of the library.
set -eu
version=$1 include=$2 library=$3 pc=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "producer-version: $*" >&2; exit 1; }

while [ "$1" != -- ]; do
    said=$("$1")
    [ "$said" = "headers $version, library $version $version" ] || fail "$1: $said"
    shift
done
shift
for command; do
    said=$("$command" --version)
    [ "$said" = "$(basename "$command") $version" ] || fail "$command --version: $said"
done
grep -qx "Version: $version" "$pc" || fail "$pc: $(grep Version "$pc")"
[ -e "$(dirname "$library")/libfapilog.so.$version" ] || fail "$library has another version"

command -v cc >/dev/null 2>&1 || exit 0
nm -D "$library" | grep -q __asan && exit 0 # a program that is compiled by itself has no run-time for it
cp -r "$include" "$work/include"
sed -i 's/_MINOR [0-9]*$/_MINOR 99/; s/^\(#define FAPILOG_VERSION_STRING\) .*/\1 "other"/' \
    "$work/include/fapilog/version.h"
cc -I"$work/include" "$(dirname "$0")/producer-version.c" -o "$work/other" "$library"
said=$(LD_LIBRARY_PATH=$(dirname "$library") "$work/other")
[ "$said" = "headers other, library $version $version" ] || fail "with other headers: $said"
