#!/bin/sh
# producer-setuid.sh PROGRAM: the environment chooses where a program logs and what, but not where it has more rights
# than the user who starts it: then it could name a directory of that other user, or switch logging off.
# 77: no root, no setpriv, or no place where setuid programs get their rights.
set -eu
work=$(mktemp -d /var/tmp/fapilog-test-XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
cp "$1" "$work/program"
export FAPILOG_RING_DIR=$work/planted XDG_RUNTIME_DIR=$work FAPILOG_LEVEL=OFF FAPILOG_SERVICE=planted
said=$("$work/program")
[ "$said" = "0 $work/planted 31 planted" ] || { echo "without more rights: $said" >&2; exit 1; }
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || { echo 'skipped: no root or no setpriv' >&2; exit 77; }
chmod 4755 "$work/program"
said=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$work/program")
case $said in
"0 "*) echo 'skipped: a setuid program gets no rights here' >&2 && exit 77 ;;
"1 /run/fapilog/0 9 program" | "1 /tmp/fapilog-0 9 program") ;;
*) echo "with more rights: $said" >&2 && exit 1 ;;
esac
