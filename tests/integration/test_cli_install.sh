#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_install.sh - what `make install` puts in place: program, manual pages, completion, systemd unit.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

root=$work/root
DESTDIR=$root cmake --install "$(dirname "$CERTWRIGHT")" >"$work/stdout" 2>"$work/stderr" || fail "install"

# one NAME: the installed file of that name.
one() {
	local found
	found=$(find "$root" -name "$1" -type f)
	[[ -s $found ]] || fail "no single $1 was installed"
	printf '%s\n' "$found"
}

manual() {
	local page
	for page in certwright.1 certwright.5; do
		mandoc -T lint -W error "$(one $page)" || fail "$page"
		mandoc -T utf8 "$(one $page)" >"$work/page" || fail "$page does not render"
		[[ $(wc -l <"$work/page") -gt 100 ]] || fail "$page is short"
	done
	mandoc -T utf8 "$(one certwright.1)" | col -b >"$work/page"
	for verb in plan apply run state; do
		grep -q "certwright $verb" "$work/page" || fail "certwright(1) lacks $verb"
	done
	for format in JKS JCEKS PKCS#12 BCFKS PEM DER P7B ZIP BKS UBER KDB; do
		grep -qw "$format" "$work/page" || fail "certwright(1) does not name $format"
	done
}

# completes WORD... EXPECTED: what <TAB> gives after the words.
completes() {
	local want=${!#}
	# shellcheck disable=SC2034 # bash's own, read by the completion
	COMP_WORDS=("${@:1:$#-1}") COMP_CWORD=$(($# - 2))
	COMPREPLY=()
	_certwright
	[[ ${COMPREPLY[*]} == "$want" ]] || fail "completion of '${*:1:$#-1}' gives '${COMPREPLY[*]}', expected '$want'"
}

completion() {
	# shellcheck disable=SC1090 # generated
	. "$(find "$root" -path '*/completions/certwright' -type f)"
	complete -p certwright >/dev/null || fail "nothing is registered"
	completes certwright pl plan
	completes certwright re "report renew revoke resume"
	completes certwright plan --obs --observed
	completes certwright plan --allow --allow-unobserved
	completes certwright --ver --verbose
	completes certwright -o json pl plan
	completes certwright --config x sus suspend
	completes certwright get Cert Certificate
	completes certwright state re "rekey rebuild"
}

unit() {
	local file
	file=$(one certwright.service)
	grep -qx 'Type=notify' "$file" || fail "no Type=notify"
	grep -qx 'ExecStart=certwright run' "$file" || fail "no ExecStart"
	# It looks for the program in the places of a real system only.
	if command -v systemd-analyze >/dev/null; then
		systemd-analyze verify --man=no "$file" >"$work/stdout" 2>&1 || true
		if grep -v 'certwright is not executable' "$work/stdout"; then fail "systemd-analyze"; fi
	fi
}

program=$(find "$root" -path '*/bin/certwright' -type f)
"$program" version >/dev/null || fail "the program that was installed does not start"
manual
completion
unit
echo "what is installed is whole"
