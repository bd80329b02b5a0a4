#!/bin/sh
# Checks the SPIN models of the ring: each model must hold; each mutant that the head of a model names
# must be refuted with an error trail; and each witness (a state that the model must be able to reach,
# written as an assertion that it does not) must be reached, so that no model holds for lack of events.
#
#   run.sh [MODEL.pml...]
#
# 0: all as expected; 1: something was not; 77: a tool is missing.
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd) || exit 1
depth=200000                         # steps on one path
memory=${FAPILOG_MODEL_MEMORY:-900}  # MiB of one search; two run at a time
seconds=${FAPILOG_MODEL_SECONDS:-400} # of one search

# One case: compiles the model with one -D and judges what the search says.
run_case() {
    out=$1 model=$2 kind=$3 name=$4
    dir=$out/$model-$kind-$name
    fail() {
        echo "FAIL $model $name: $1"
        exit 0
    }
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
    [ "$kind" = MUTANT ] && verb=refutes || verb=reaches
    echo "ok   $model $verb $name"
    exit 0
}

# The head of a model and its code must name the same mutants and witnesses.
check_list() {
    file=$1 kind=$2 upper=$3
    sed -n "s/^ \* $kind: \([A-Z0-9_]*\) - .*/\1/p" "$file" | sort -u >"$out/listed"
    grep '^#' "$file" | grep -o "${upper}_[A-Z0-9_]*" | sed "s/^${upper}_//" | sort -u >"$out/used"
    cmp -s "$out/listed" "$out/used" || {
        echo "FAIL $file: its head and its code name different cases of kind $kind:"
        diff "$out/listed" "$out/used"
        exit 1
    }
}

if [ "${1-}" = --case ]; then
    shift
    run_case "$@"
fi

for tool in spin gcc timeout xargs; do
    command -v $tool >/dev/null 2>&1 || {
        echo "skipped: $tool is not installed"
        exit 77
    }
done

out=$(mktemp -d "${TMPDIR:-/tmp}/fapilog-model.XXXXXX") || exit 1
trap 'rm -rf "$out"' EXIT
trap 'exit 1' INT TERM

[ $# -gt 0 ] || set -- "$here"/*.pml
for file in "$@"; do
    check_list "$file" mutant MUTANT
    check_list "$file" witness WITNESS
    echo "$(basename "$file" .pml) MODEL holds" >>"$out/cases"
done
for file in "$@"; do
    model=$(basename "$file" .pml)
    sed -n -e "s/^ \* mutant: \([A-Z0-9_]*\) - .*/$model MUTANT \1/p" \
        -e "s/^ \* witness: \([A-Z0-9_]*\) - .*/$model WITNESS \1/p" "$file" >>"$out/cases"
done

xargs -P 2 -L 1 "$here/run.sh" --case "$out" <"$out/cases" | tee "$out/results"

cases=$(wc -l <"$out/cases")
passed=$(grep -c '^ok ' "$out/results")
echo "$passed passed, $((cases - passed)) failed"
[ "$passed" -eq "$cases" ]
