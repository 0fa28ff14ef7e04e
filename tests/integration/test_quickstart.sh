#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_quickstart.sh - the tour that README.md promises runs to its end with the program under test, and leaves nothing.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

command -v javac >/dev/null || skip "no JDK"
command -v nginx >/dev/null || skip "no nginx"

it "the quickstart runs from validate to its summary"
mkdir "$work/quickstart"
env -u CERTWRIGHT_CONFIG TMPDIR="$work/quickstart" bash "$top/examples/quickstart/run.sh" >"$out" 2>"$err" ||
	fail "it ended with $?"
says "What was shown"
same "what the table at its end says" "$(sed '1,/What was shown/d; s/^  \(.\{14\}\).*/\1/; s/ *$//' "$out" | paste -s -d ';')" \
	"validate;plan, apply;second plan;keytool;a commit;drift;renewal"
says "two certificates renewed, three servers proven with them"

it "what README.md shows of it is what it prints"
n=0
while read -r line; do
	says "$line"
	n=$((n + 1))
done < <(grep -E '^    (Plan|Applied|No changes)|^      (# (Issuer|Certificate) .*: (DoesNotExist|RequestChanged)|ok )' "$top/README.md" |
	sed 's/^ *//; s/ *[^ ]*nginx[^ ]*$//')
[ "$n" -ge 12 ] || fail "README.md shows $n lines of it"

it "nothing is left of it: no file, no server"
[ -z "$(ls -A "$work/quickstart")" ] || fail "left: $(ls -A "$work/quickstart")"
if grep -lF -- "$work/quickstart" /proc/[0-9]*/cmdline 2>/dev/null; then
	fail "a server of it still runs"
fi
