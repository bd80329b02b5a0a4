#!/bin/sh
# producer-app.sh DUMP APP...: each program, in the language it was compiled as, logs what it says.
set -eu
dump=$1
shift
FAPILOG_RING_DIR=$(mktemp -d /dev/shm/fapilog-test-XXXXXX)
export FAPILOG_RING_DIR
trap 'rm -rf "$FAPILOG_RING_DIR"' EXIT
fail() { echo "producer-app: $*" >&2; exit 1; }

for app; do
    rm -f "$FAPILOG_RING_DIR"/*
    "$app"
    out=$("$dump" --rings "$FAPILOG_RING_DIR" --format json)
    case $app in
    *cxx*-cpp) want='"text":"text of a temporary"' count=11 ;;
    *) want='"order_id":42,"price":9.5,"symbol":"ACME"' count=1 ;;
    esac
    echo "$out" | grep -qF "$want" || fail "$app: $out"
    [ "$(echo "$out" | wc -l)" -eq "$count" ] || fail "$app: not $count records: $out"
done
