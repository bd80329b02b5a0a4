#!/bin/sh
# Runs GenMC, a model checker for C programs under the memory model of C11 (RC11), over the producer
# library's and the collector's own files; see ../cases.sh. The checker is in no Debian
# package (https://github.com/MPI-SWS/genmc; version 0.9 works with Debian 12's LLVM): without it this is skipped.
#
#   weak/run.sh [MODEL.c...]
#
# 0: all as expected; 1: something was not; 77: a tool is missing.
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd) || exit 1
suffix=.c
tools=genmc
jobs=1 # the checker keeps its input under a fixed name in /tmp
seconds=${FAPILOG_MODEL_SECONDS:-120} # of one search

. "$here/../cases.sh"

# One case: runs the model with one -D.
run_case() {
    out=$1 model=$2 kind=$3 name=$4
    root=$here/../../..
    log=$out/$model-$kind-$name.log
    options=$(sed -n 's/^ \* genmc: //p' "$here/$model.c")
    code=0
    # Its search for spinning loops does not end on the one of fapilogi_begin().
    timeout "$seconds" genmc --rc11 --disable-spin-assume ${options:+"$options"} -- -w -D_GNU_SOURCE \
        "-D${kind}_$name" -I"$root" -I"$root/include" "$here/$model.c" >"$log" 2>&1 || code=$?
    [ $code -ne 124 ] || fail "not finished after $seconds s"
    why=$(sed -n 's/^Error detected: //p' "$log" | head -n 1)
    if [ "$kind" = MODEL ]; then
        grep -q '^No errors were detected' "$log" || fail "${why:-$(grep -m 1 -i error "$log")}"
        echo "ok   $model holds ($(sed -n 's/.*complete executions explored: //p' "$log") executions)"
        exit 0
    fi
    case $why in
    "Safety violation!" | "Non-Atomic race!") ;;
    "") fail "this $kind must fail: $(grep -m 1 -i -e error "$log")" ;;
    *) fail "fails for another reason: $why" ;;
    esac
    found
}

main "$@"
