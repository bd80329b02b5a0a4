#!/bin/sh
# producer-reload.sh DUMP APP A B: records of shared objects that were loaded into one place one after the other, which
# all lie in the ring still, are shown with the call sites and the module of the one that was there when they were made.
set -eu
dump=$1 app=$2
work=$(mktemp -d /dev/shm/fapilog-test-XXXXXX)
trap 'rm -rf "$work"' EXIT
FAPILOG_RING_DIR=$work/rings
export FAPILOG_RING_DIR
mkdir -m 0700 "$FAPILOG_RING_DIR"
cp "$3" "$work/a.so"
cp "$4" "$work/b.so"
"$app" "$work/a.so" "$work/b.so"
"$dump" --rings "$FAPILOG_RING_DIR" --format json |
    sed -n 's/.*"message":"\([^"]*\)".*"i":\([0-9]\).*"at":\["[^"]*\/\([ab]\.so\)+0x.*/\2 \1, \3/p' >"$work/out"
diff -u - "$work/out" <<'END'
1 from a, a.so
2 from b, b.so
3 from a, a.so
4 from b, a.so
END
