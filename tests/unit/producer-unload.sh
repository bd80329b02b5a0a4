#!/bin/sh
# producer-unload.sh DUMP APP PLUGIN...: a plug-in that logs can be unloaded while a thread lives that has logged from
# it, and all that it has logged is there.
set -eu
dump=$1 app=$2
shift 2
work=$(mktemp -d /dev/shm/fapilog-test-XXXXXX)
trap 'rm -rf "$work"' EXIT
for plugin; do
    FAPILOG_RING_DIR=$work/rings
    export FAPILOG_RING_DIR
    mkdir -m 0700 "$FAPILOG_RING_DIR"
    "$app" "$plugin" || { echo "${plugin##*/}: ended with $?" >&2; exit 1; }
    "$dump" --rings "$FAPILOG_RING_DIR" --format json >"$work/records"
    rm -rf "$FAPILOG_RING_DIR"
    said=$(sed -n 's/.*"text":"\([a-z]*\)".*/\1/p' "$work/records" | sort | uniq -c | tr -s ' \n' ' ')
    [ "$said" = ' 3 main 3 thread ' ] || { echo "${plugin##*/}: $said" >&2; exit 1; }
done
