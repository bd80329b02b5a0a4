#!/bin/sh
# Every public header compiles alone, as C17 and as C++17, with each compiler that is there; a program that uses
# every macro compiles under the flags of strict users, in each standard that the headers promise; the structures
# that programs and plug-ins were compiled with have kept their places.
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

both="-O1 -Wall -Wextra -Werror -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wcast-align -Wundef
      -Wdouble-promotion -Wfloat-equal -Wformat=2 -Wnull-dereference -Wswitch-enum -Wswitch-default -Wredundant-decls
      -Wmissing-declarations -Wvla -Wunused-macros"
c_only="-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wwrite-strings -Wbad-function-cast
        -Wnested-externs -Wc++-compat"
cxx_only="-Wextra-semi -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wzero-as-null-pointer-constant"
gcc_only="-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wformat-signedness"

# use ROOT PROGRAM: strict users' flags.
use() {
    failed=0
    for compiler in gcc clang g++ clang++; do
        command -v $compiler >/dev/null 2>&1 || continue
        case $compiler:$2 in gcc:*.cpp | clang:*.cpp) continue ;; esac
        case $compiler in
        gcc) standards="c11 gnu11 c17 gnu17 c2x gnu2x" language="-x c $c_only $gcc_only -Wjump-misses-init" ;;
        clang) standards="c11 gnu11 c17 gnu17 c2x gnu2x" language="-x c $c_only" ;;
        g++) standards="c++11 gnu++11 c++14 c++17 c++20 c++2b" language="-x c++ $cxx_only $gcc_only" ;;
        *) standards="c++11 gnu++11 c++14 c++17 c++20 c++2b" language="-x c++ $cxx_only" ;;
        esac
        for standard in $standards; do
            # shellcheck disable=SC2086 # a list of options
            $compiler $language $both -std=$standard -fsyntax-only -I "$1" "$2" || {
                echo "FAIL $2 with $compiler -std=$standard"
                failed=$((failed + 1))
            }
        done
    done
    echo "${2##*/} under users' flags: $failed failed"
    [ "$failed" -eq 0 ]
}

# What would be logged wrongly must not compile, in either language.
mistakes() {
    found=0
    while IFS= read -r mistake; do
        [ -n "$mistake" ] || continue
        for compiler in gcc clang g++ clang++; do
            command -v $compiler >/dev/null 2>&1 || continue
            case $compiler in *++) language=c++ ;; *) language=c ;; esac
            printf '%s\n' '#include <fapilog/fapilog.h>' '#include <time.h>' \
                'void f(fapilog_t *log, const char *name, const struct tm *p);' \
                'void f(fapilog_t *log, const char *name, const struct tm *p)' \
                "{ (void)log, (void)name, (void)p; $mistake }" |
                $compiler -x $language -Werror=format -Werror=unused-result -c -o /dev/null -I "$1" - 2>/dev/null && {
                echo "FAIL $compiler compiles: $mistake"
                found=$((found + 1))
            }
        done
    done <<'END'
FAPILOG_INFO(log, name);
FAPILOG_INFO(log, "m", FL(name, 1));
FAPILOG_INFO(log, "m", 1);
FAPILOG_INFO(log, "m", "name", 1);
FAPILOG_INFO(log, "m", FL("name"));
FAPILOG_INFO(log, "m", FL("time", *p));
FAPILOG_INFOF(log, "%d", name);
FAPILOG_INFOF(log, "%d");
fapilog_context_push(FAPILOG_FIELDS(FL("n", 1)));
fapilog_with(log, FAPILOG_FIELDS(FL("n", 1)));
END
    echo "mistakes that compile: $found"
    [ "$found" -eq 0 ]
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
    printf '#include <stddef.h>\nint f(size_t n);\nint f(size_t n) { return n; }\n' >"$dir/bad.c"
    if use "$dir" "$dir/bad.c" >"$dir/log" 2>&1; then
        echo "self-test: not found: a warning under users' flags"
        exit 1
    fi
    echo "self-test: 4 mistakes found"
    exit 0
fi

here=$(dirname "$0")
root=${1:-$here/../../include}
check "$root" && use "$root" "$here/every_macro.c" && use "$root" "$here/abi_sizes.c" &&
    use "$root" "$here/../unit/producer-app.cpp" && mistakes "$root"
