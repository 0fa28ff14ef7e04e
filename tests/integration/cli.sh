# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# cli.sh - what the tests of the program share: a directory of their own with configuration, state and master key, a
# git repository, the program under test with its exit status, servers that are stopped by their pid.
set -euo pipefail

: "${CERTWRIGHT:?the program under test}"
# shellcheck disable=SC2034 # for those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/certwright-test.XXXXXX")
pids=()
status=0

# gone TENTHS PID: has it ended by then? (A child that was not waited for counts as ended.)
gone() {
	local i
	for ((i = 0; i < $1; i++)); do
		grep -q '^State:.[^Z]' "/proc/$2/status" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

tidy() {
	local result=$? pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || continue
		gone 100 "$pid" || kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
	exit "$result"
}
trap tidy EXIT
trap 'exit 130' INT TERM

unset NO_COLOR XDG_STATE_HOME XDG_CONFIG_HOME NOTIFY_SOCKET
# Whatever goes wrong here, git finds no repository above this directory.
export GIT_CEILING_DIRECTORIES=$work
export HOME=$work/home GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example
export CERTWRIGHT_CONFIG=$work/certwright.yaml
mkdir -p "$work/home" "$work/out"
printf 'state: %s/state\nmasterKey: %s/master.key\n' "$work" "$work" >"$CERTWRIGHT_CONFIG"

# allow LINE...: what `run` and remote repositories may do.
allow() {
	{
		printf 'state: %s/state\nmasterKey: %s/master.key\nauthority:\n' "$work" "$work"
		printf '  %s\n' "$@"
	} >"$CERTWRIGHT_CONFIG"
}

note() { printf '  %s\n' "$*"; }

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	if [[ -s $work/stdout ]]; then sed 's/^/  stdout: /' "$work/stdout" >&2; fi
	if [[ -s $work/stderr ]]; then sed 's/^/  stderr: /' "$work/stderr" >&2; fi
	exit 1
}

# cw ARGUMENT...: run it; stdout and stderr go to files, the exit status to $status.
cw() {
	status=0
	"$CERTWRIGHT" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
}

# expect STATUS ARGUMENT...
expect() {
	local want=$1
	shift
	cw "$@"
	[[ $status -eq $want ]] || fail "certwright $* ended with $status, expected $want"
}

prints() { grep -qF -- "$1" "$work/stdout" || fail "stdout lacks: $1"; }
prints_not() { if grep -qF -- "$1" "$work/stdout"; then fail "stdout has: $1"; fi; }
says() { grep -qF -- "$1" "$work/stderr" || fail "stderr lacks: $1"; }
says_not() { if grep -qF -- "$1" "$work/stderr"; then fail "stderr has: $1"; fi; }
silent() { [[ ! -s $work/stderr ]] || fail "something was said"; }

# json EXPRESSION: of the document `d` on stdout, printed; fails when stdout is not exactly one document.
json() {
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); v = eval(sys.argv[2]); print(v if isinstance(v, str) else json.dumps(v))' \
		"$work/stdout" "$1" || fail "not the JSON expected: $1"
}
json_is() {
	local got
	got=$(json "$1")
	[[ $got == "$2" ]] || fail "$1 is $got, expected $2"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
	local until=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		((SECONDS < until)) || fail "waited in vain for $what"
		sleep 0.05
	done
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- the repository ----------------------------------------------------------------------------
fleet=$work/fleet

commit() {
	git -C "$fleet" add --all
	git -C "$fleet" commit -q --allow-empty -m "${1:-change}"
}

# write_fleet FORMAT PATH: a CA, a certificate, one store of it on this host; `localhost` is the only host.
write_fleet() {
	mkdir -p "$fleet"
	[[ -d $fleet/.git ]] || git init -q -b main "$fleet"
	cat >"$fleet/ca.yaml" <<-'END'
		apiVersion: certwright/v1
		kind: Issuer
		metadata: {name: ca}
		spec:
		  privateCA:
		    subject: {commonName: Test CA}
		    privateKey: {algorithm: ECDSA, size: 256}
		    duration: 3650d
		    allow: {dnsNames: [localhost, .example]}
	END
	cat >"$fleet/web.yaml" <<-END
		apiVersion: certwright/v1
		kind: Certificate
		metadata: {name: web, labels: {team: a}}
		spec:
		  issuerRef: {name: ca}
		  dnsNames: [localhost]
		  duration: 90d
		  privateKey: {algorithm: ECDSA, size: 256}
		---
		apiVersion: certwright/v1
		kind: Keystore
		metadata: {name: web}
		spec:
		  format: $1
		  entries: [{alias: web, certificateRef: web}]
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: host, labels: {team: a}}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver: [{keystoreRef: web, path: $2}]
	END
}

# in_fleet COMMAND...: with the repository as the current directory.
in_fleet() {
	cd "$fleet"
	"$@"
}

# fingerprint FILE: of the first certificate in a PEM file.
fingerprint() { openssl x509 -in "$1" -noout -fingerprint -sha256 | cut -d= -f2; }

# ---- servers -----------------------------------------------------------------------------------
# serve PORT PEM: openssl s_server with that chain and key, ready when this returns.
serve() {
	openssl s_server -accept "127.0.0.1:$1" -cert "$2" -key "$2" -quiet </dev/null >/dev/null 2>&1 &
	pids+=($!)
	wait_for 10 "a TLS server on port $1" bash -c "exec 3<>/dev/tcp/127.0.0.1/$1"
}

# traced FILE ARGUMENT...: as cw, with every system call of interest in FILE.
# That it forbids its own user to look into it (prctl) is held back: only root would see names then.
traced() {
	local trace=$1
	shift
	status=0
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
		strace -f -s 4096 -v -e trace=execve,openat,openat2,open,socket,connect,sendto,prctl \
		-e inject=prctl:retval=0 -o "$trace" \
		"$CERTWRIGHT" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
}
