#!/bin/sh
# producer-symbols.sh LIBRARY ARCHIVE MAP INCLUDE OPTIMIZATION: what the library exports is what the version
# script lists and the headers declare; the archive shows no other names; the library needs libc alone, and is
# small where it is optimized.
set -eu
library=$1 archive=$2 map=$3 include=$4 optimization=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "producer-symbols: $*" >&2; exit 1; }

sed -n 's/^ *\(fapilogi\{0,1\}_[a-z_]*\);$/\1/p' "$map" | sort >"$work/map"
[ -s "$work/map" ] || fail "no names in $map"
nm -D --defined-only "$library" | sed -n 's/.* [A-Z] \(fapilog[a-z_]*\)@@FAPILOG_0\.1$/\1/p' | sort >"$work/exported"
diff -u "$work/map" "$work/exported" || fail "map and library differ"
nm -D --defined-only "$library" | grep -v 'fapilog' | grep -v ' A FAPILOG' && fail "foreign names are exported"
nm --defined-only "$archive" | sed -n 's/.* [TDBRVW] //p' | sort >"$work/archived"
diff -u "$work/map" "$work/archived" || fail "map and archive differ"
cat "$include"/fapilog/*.h |
    sed -n 's/^.*FAPILOGI_API[^(]*[ *]\(fapilogi\{0,1\}_[a-z_]*\)\( __attribute__\)\{0,1\}(.*/\1/p' |
    sort -u >"$work/declared"
diff -u "$work/map" "$work/declared" || fail "map and headers differ"

cp "$library" "$work/library" && strip "$work/library"
size=$(stat -Lc %s "$work/library")
[ "$optimization" = 0 ] || [ "$size" -lt 102400 ] || fail "$size bytes stripped"
readelf -d "$library" | grep NEEDED | grep -vE 'libc\.so|ld-linux' && fail "needs more than libc"
# Log calls are signal safe: nothing of theirs may allocate, or wait for a lock of libc.
nm -D --undefined-only "$library" | grep -E ' (__tls_get_addr|gmtime_r|strerror)(@|$)' && fail "not signal safe"
# It starts no thread, installs no signal handler and leaves the standard output alone.
nm -D --undefined-only "$library" |
    grep -E ' (pthread_create|thrd_create|clone|signal|sigaction|stdout|puts|putchar|(__)?v?printf(_chk)?)(@|$)' &&
    fail "not a guest in its process"
readelf -d "$library" | grep -q 'SONAME.*\[libfapilog\.so\.0\]' || fail "wrong soname"
echo "$size bytes, $(wc -l <"$work/map") symbols"
