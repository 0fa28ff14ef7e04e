#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_init.sh - a starter repository that validates, the schema, and every malformed repository through the program.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

starter() {
	expect 0 init "$work/start"
	prints "Made a repository in $work/start."
	prints "edit web.yaml, commit, 'certwright plan'" # what is not committed is not planned
	[[ $(git -C "$work/start" status --porcelain) == "" ]] || fail "init leaves something uncommitted"
	(cd "$work/start" && expect 0 validate && silent) || exit 1
	(cd "$work/start" && expect 2 plan) || exit 1
	grep -q '^# ' "$work/start/web.yaml" || fail "no comments in the starter"
	expect 1 init "$work/start"
	says "is there already"
	mkdir "$work/half"
	echo mine >"$work/half/web.yaml"
	expect 1 init "$work/half"
	[[ $(ls "$work/half") == web.yaml ]] || fail "init went on beside what was there"
	mkdir "$work/here"
	echo key >"$work/here/server.key"
	(cd "$work/here" && expect 0 init && expect 0 validate) || exit 1
	[[ $(git -C "$work/here" ls-files | tr '\n' ' ') == "README issuer.yaml web.yaml " ]] ||
		fail "init committed what it did not write"
}

schemas() {
	local kind
	expect 0 schema
	json_is '"\x24schema" in d' true
	for kind in Issuer Certificate CASet Keystore Target Policy Defaults; do
		expect 0 schema "$kind"
		json_is 'type(d).__name__' dict
		expect 0 explain "$kind"
	done
	expect 1 schema Certificat
	says "did you mean"
}

# Each in a repository of its own; the findings are exactly those of its file `expect`.
malformed() {
	local dir name n=0 line
	for dir in "$top"/tests/malformed/*/; do
		name=$(basename "$dir")
		rm -rf "$work/bad"
		cp -R "$dir" "$work/bad"
		rm "$work/bad/expect"
		git init -q --template= "$work/bad"
		cw --repo "$work/bad" validate --worktree
		[[ $status -eq 1 ]] || fail "$name: ended with $status"
		[[ ! -s $work/stdout ]] || fail "$name: something on stdout"
		while IFS= read -r line; do
			grep -qF -- "$line" "$work/stderr" || fail "$name: lacks: $line"
		done <"$dir/expect"
		[[ $(grep -cE '^[^ ]+\.(yaml|yml|csv|txt):[0-9]+:[0-9]+: |^[^ ]+\.ya?ml: ' "$work/stderr") -eq $(grep -vc '^    hint: ' "$dir/expect") ]] ||
			fail "$name: says more than expected: $(cat "$dir/expect")"
		n=$((n + 1))
	done
	[[ $n -ge 60 ]] || fail "only $n malformed repositories"
	note "$n malformed repositories"
}

starter
schemas
malformed
echo "what is wrong is said at its place"
