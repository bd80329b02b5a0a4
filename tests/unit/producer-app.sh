#!/bin/sh
# producer-app.sh DUMP APP...: each program, in the language it was compiled as, logs what it says.
set -eu
dump=$1
shift
FAPILOG_RING_DIR=$(mktemp -d /dev/shm/fapilog-test-XXXXXX)
export FAPILOG_RING_DIR
trap 'rm -rf "$FAPILOG_RING_DIR"' EXIT
fail() { echo "producer-app: $*" >&2; exit 1; }

# Records with a field `line` were logged in that one, by whatever means; so many of them.
places() {
    raw=$("$dump" --rings "$FAPILOG_RING_DIR" --format raw)
    where='.* site=[0-9]* [^ ]*producer-app\.cpp:\([0-9]*\) \([^ ]*\) '
    found=$(echo "$raw" | sed -n "s/$where.*{.*\<line:[a-z0-9]*=\([0-9]*\).*/\1 \3 \2/p")
    echo "$found" | awk '$1 != $2 { exit 1 }' || fail "$1: other lines: $found"
    [ "$(echo "$found" | wc -l)" -eq 7 ] || fail "$1: not all have a place: $found in $raw"
    [ "$(echo "$found" | grep -c ' places$')" -eq 6 ] || fail "$1: other functions: $found"
    ! echo "$raw" | grep dynamic | grep -v ' dynamic site=[0-9]* [^ ]*producer-app\.cpp:' || fail "$1: no place"
}

for app; do
    rm -f "$FAPILOG_RING_DIR"/*
    "$app"
    out=$("$dump" --rings "$FAPILOG_RING_DIR" --format json)
    case $app in
    *cxx*-cpp)
        count=25
        places "$app"
        wanted='"text":"text of a temporary"
"int":-1,"u64":18446744073709551615,"double":0.1,"float":0.1,"bool":true,"char":"c","literal":"text","string":"text"
"temporary":"text!","no_text":"(null)","took":5000,"pointer":"0x0"
"message":"text as message"
"message":"bytes, by, more, (null)"
"errno":"ENOENT (2): No such file or directory","list":[1,2]
"ip":"1.2.3.4","bytes":"AQID","password":"***","sized":"size"
"message":"own types"
"message":"own types by macro"
"side":1,"venue":"NYSE","price":9.5,"account":"a-1","colour":1
"side":1,"venue":"NYSE","price":9.5,"account":"a-1","bound"
"level":"ERROR","logger":"orders.matching","message":"below"
"n":1,"bound":"text bound","shard":7,"venue":"XETRA"'
        case $app in
        *cxx20*) wanted="$wanted
\"none\":null,\"five\":5,\"view\":\"ext\"" ;;
        esac
        ;;
    *abi*)
        count=5
        wanted='"message":"by macro","service":"old","pid":
"env":"test"
"n":0,"text":"text"
"n":2,"text":"text"
"level":"ERROR","logger":"old.below","message":"by macro"
"n":3,"text":"text","t":"ok","bound":-7
"level":"WARNING","logger":"old.below","message":"by function"
"bound":-7,"t":"ok"}'
        ;;
    *)
        count=1
        wanted='"order_id":42,"price":9.5,"symbol":"ACME"'
        ;;
    esac
    while IFS= read -r want; do
        echo "$out" | grep -qF -e "$want" || fail "$app: no $want in: $out"
    done <<END
$wanted
END
    [ "$(echo "$out" | wc -l)" -eq "$count" ] || fail "$app: not $count records: $out"
done
