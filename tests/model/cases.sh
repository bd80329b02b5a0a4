# Sourced by run.sh and weak/run.sh, which define run_case OUT MODEL KIND NAME: the cases that the heads of
# the models name. Each model must hold; each mutant must be refuted; each witness (a state that the model
# must be able to reach, written as an assertion that it does not) must be reached, so that no model
# holds for lack of events. $here and $suffix say where the models are, $tools what it takes, $jobs how many run at a
# time.

# Ends a case.
fail() {
    echo "FAIL $model $name: $1"
    exit 0
}

# The checker has found what is wrong with a mutant, or a witness.
found() {
    [ "$kind" = MUTANT ] && verb=refutes || verb=reaches
    echo "ok   $model $verb $name"
    exit 0
}

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || {
            echo "skipped: $tool is not installed"
            exit 77
        }
    done
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

# Runs all cases of the files; 0: all as expected.
run_cases() {
    out=$(mktemp -d "${TMPDIR:-/tmp}/fapilog-model.XXXXXX") || exit 1
    trap 'rm -rf "$out"' EXIT
    trap 'exit 1' INT TERM
    for file in "$@"; do
        check_list "$file" mutant MUTANT
        check_list "$file" witness WITNESS
        echo "$(basename "$file" "$suffix") MODEL holds" >>"$out/cases"
    done
    for file in "$@"; do
        model=$(basename "$file" "$suffix")
        sed -n -e "s/^ \* mutant: \([A-Z0-9_]*\) - .*/$model MUTANT \1/p" \
            -e "s/^ \* witness: \([A-Z0-9_]*\) - .*/$model WITNESS \1/p" "$file" >>"$out/cases"
    done
    xargs -P "$jobs" -L 1 "$here/run.sh" --case "$out" <"$out/cases" | tee "$out/results"
    cases=$(wc -l <"$out/cases")
    passed=$(grep -c '^ok ' "$out/results")
    echo "$passed passed, $((cases - passed)) failed"
    [ "$passed" -eq "$cases" ]
}

main() {
    if [ "${1-}" = --case ]; then
        shift
        run_case "$@"
    fi
    # shellcheck disable=SC2086
    need $tools xargs timeout
    [ $# -gt 0 ] || set -- "$here"/*"$suffix"
    run_cases "$@"
}
