#!/bin/sh
# producer-unload.sh DUMP APP PLUGIN...: a plug-in that logs can be unloaded while a thread lives that has logged from
# it, and all that it has logged is there.
set -eu
dump=$1 app=$2
shift 2
work=$(mktemp -d /dev/shm/fapilog-test-XXXXXX)
trap 'rm -rf "$work"' EXIT
# A copy of the library inside a plug-in leaves its loggers behind: threads could still use them.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS
for plugin; do
    FAPILOG_RING_DIR=$work/rings
    export FAPILOG_RING_DIR
    mkdir -m 0700 "$FAPILOG_RING_DIR"
    "$app" "$plugin" || { echo "${plugin##*/}: ended with $?" >&2; exit 1; }
    out=$("$dump" --rings "$FAPILOG_RING_DIR" --format json | sed -n 's/.*"text":"\([a-z]*\)".*/\1/p' | sort |
        tr '\n' ' ')
    rm -rf "$FAPILOG_RING_DIR"
    [ "$out" = 'main main main thread thread thread ' ] || { echo "${plugin##*/}: $out" >&2; exit 1; }
done
