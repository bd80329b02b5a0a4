#!/bin/sh
# Checks the SPIN models of the ring's protocol, of recovery and of the window of batches; see cases.sh.
#
#   run.sh [MODEL.pml...]
#
# 0: all as expected; 1: something was not; 77: a tool is missing.
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd) || exit 1
suffix=.pml
tools="spin gcc"
jobs=2
depth=200000                         # steps on one path
memory=${FAPILOG_MODEL_MEMORY:-900}  # MiB of one search
seconds=${FAPILOG_MODEL_SECONDS:-400} # of one search

. "$here/cases.sh"

# One case: compiles the model with one -D and judges what the search says.
run_case() {
    out=$1 model=$2 kind=$3 name=$4
    dir=$out/$model-$kind-$name
    optimize=-O0 # a mutant is refuted in a moment; compiling it is what takes the time
    [ "$kind" != MODEL ] || optimize=-O2
    mkdir -p "$dir" || fail "no directory $dir"
    cd "$dir" || fail "no directory $dir"
    spin "-D${kind}_$name" -a "$here/$model.pml" >spin.log 2>&1 || fail "spin: $(head -n 1 spin.log)"
    gcc "$optimize" -w -DSAFETY -DNOREDUCE -DMEMLIM="$memory" -o pan pan.c >gcc.log 2>&1 ||
        fail "gcc: $(head -n 1 gcc.log)"
    code=0
    timeout "$seconds" ./pan -m$depth -w22 >pan.log 2>&1 || code=$?
    [ $code -ne 124 ] || fail "not finished after $seconds s"
    ! grep -q 'max search depth too small' pan.log || fail "search depth $depth is too small"
    ! grep -q -e 'out of memory' -e 'reached -DMEMLIM' pan.log || fail "more than $memory MiB"
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
    why=$(sed -n 's/^pan:[0-9]*: //p' pan.log | head -n 1)
    if [ "$kind" = MODEL ]; then
        grep -q 'errors: 0$' pan.log || fail "${why:-$(tail -n 1 pan.log)}"
        ! grep -q 'Search not completed' pan.log || fail "the search was not completed"
        echo "ok   $model holds ($states states)"
        exit 0
    fi
    grep -q 'errors: 1$' pan.log || fail "this $kind must fail and holds ($states states)"
    [ -f "$model.pml.trail" ] || fail "an error without a trail"
    case $why in
    "assertion violated"* | "invalid end state"*) ;;
    *) fail "fails for another reason: $why" ;;
    esac
    found
}

main "$@"
