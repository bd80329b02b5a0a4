#!/bin/sh
# Every public header compiles alone, as C17 and as C++17, with each compiler that is there.
#
#   headers.sh [INCLUDE_DIR]      default: include/ of this tree
#   headers.sh --self-test
#
# 77: there is no compiler.
set -u

check() {
    root=$1 failed=0 done=0
    for header in "$root"/fapilog/*.h "$root"/fapilog/*.hpp; do
        [ -f "$header" ] || continue
        name=fapilog/${header##*/}
        for compiler in gcc clang g++ clang++; do
            command -v $compiler >/dev/null 2>&1 || continue
            case $compiler:$name in
            gcc:*.hpp | clang:*.hpp) continue ;;
            gcc:* | clang:*) language="-x c -std=c17 -Wstrict-prototypes" ;;
            *) language="-x c++ -std=c++17" ;;
            esac
            done=$((done + 1))
            # Twice: the guard is part of being a good header.
            # shellcheck disable=SC2086 # a list of options
            printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
                $compiler $language -Wall -Wextra -Werror -fsyntax-only -I "$root" - || {
                echo "FAIL $name with $compiler"
                failed=$((failed + 1))
            }
        done
    done
    echo "$done compiled, $failed failed"
    [ "$done" -gt 0 ] && [ "$failed" -eq 0 ]
}

refused() {
    printf '%s\n' "$1" >"$dir/fapilog/bad.h"
    if check "$dir" >"$dir/log" 2>&1; then
        echo "self-test: not found: $2"
        exit 1
    fi
}

if ! command -v gcc >/dev/null 2>&1 && ! command -v clang >/dev/null 2>&1; then
    echo "skipped: neither gcc nor clang"
    exit 77
fi

if [ "${1-}" = --self-test ]; then
    dir=$(mktemp -d "${TMPDIR:-/tmp}/fapilog-headers.XXXXXX") || exit 1
    trap 'rm -rf "$dir"' EXIT
    mkdir "$dir/fapilog"
    refused 'static inline size_t f(void) { return 1; }' 'a type without its header'
    refused 'struct twice { int a; };' 'no include guard'
    refused 'static inline int *new_int(void *class) { return class; }' 'C that is not C++'
    printf '#ifndef G\n#define G\nstruct once { int a; };\n#endif\n' >"$dir/fapilog/bad.h"
    check "$dir" || exit 1
    echo "self-test: 3 mistakes found"
    exit 0
fi

check "${1:-$(dirname "$0")/../../include}"
