#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test_cli_plan.sh - plan as text, JSON and Markdown; saved plans; plans from a snapshot on another machine.
set -euo pipefail
# shellcheck source=tests/integration/cli.sh
. "$(dirname "$0")/cli.sh"

json_has_the_keys_of_the_contract() {
	expect 2 plan -o json
	silent
	json_is 'list(d)' '["formatVersion", "commit", "observedAt", "inSync", "complete", "summary", "renames", "actions", "conflicts", "waiting", "unobserved", "drift", "wake"]'
	json_is 'd["formatVersion"], d["inSync"], d["complete"]' '["1.0", false, true]'
	json_is 'set(d["actions"][0]) >= {"id", "action", "kind", "name", "host", "reasons", "dependsOn", "disruptive", "notBefore"}' true
	json_is 'set(d["actions"][0]["reasons"][0]) >= {"code", "field", "desired", "observed", "message"}' true
	json_is 'set("issue renew rekey adopt push configure activate verify trust-add trust-drop retire revoke publish-crl".split()) <= set(d["summary"])' true
	json_is 'd["commit"]' "$(git rev-parse HEAD)"
	json_is 'sum(d["summary"][a["action"]] > 0 for a in d["actions"]) == len(d["actions"])' true
}

# terminal FILE STDOUT ARGUMENT...: what is said on a terminal goes to FILE; stdout, too, where STDOUT is empty.
# (script(1) may end with its input, before all of it has come.)
terminal() {
	TERM=xterm python3 - "$1" "$2" "$CERTWRIGHT" "${@:3}" <<-'END'
		import os, pty, sys
		pid, fd = pty.fork()
		if pid == 0:
		    if sys.argv[2]:
		        os.dup2(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
		    os.execv(sys.argv[3], sys.argv[3:])
		said = b""
		try:
		    while chunk := os.read(fd, 65536):
		        said += chunk
		except OSError:
		    pass
		os.waitpid(pid, 0)
		open(sys.argv[1], "wb").write(said)
	END
}
# on_a_terminal ARGUMENT...: stdout to a file, stderr on a terminal whose text comes back in $work/stderr.
on_a_terminal() { terminal "$work/stderr" "$work/stdout" "$@"; }

texts() {
	expect 2 plan
	prints "certwright will perform the following actions:"
	prints "  +   issue      Certificate/web"
	prints "(known after issue)"
	prints "Plan: 2 to issue, 1 to push."
	prints_not $'\033'
	expect 2 plan --color always
	prints $'\033['
	expect 2 plan --color never
	prints_not $'\033'
	NO_COLOR=1 expect 2 plan
	prints_not $'\033'
	expect 2 plan -o markdown
	prints "| "
	prints "web"
	prints_not $'\033'
	# On a terminal there is colour, unless NO_COLOR.
	terminal "$work/stdout" "" plan
	prints $'\033['
	NO_COLOR=1 terminal "$work/stdout" "" plan
	prints_not $'\033'
}

saved_plans() {
	expect 2 plan --out "$work/plan"
	[[ $(stat -c %a "$work/plan") == 600 ]] || fail "a plan file others may read"
	git commit -q --allow-empty -m "another commit"
	expect 1 apply "$work/plan"
	says "another commit"
	expect 2 plan --out "$work/plan"
	expect 1 --now "$(date -u -d '+3 days' +%Y-%m-%dT%H:%M:%SZ)" apply "$work/plan"
	says "expired"
	expect 1 apply "$work/absent"
	printf '{"formatVersion": "9"}\n' >"$work/other"
	expect 1 apply "$work/other"
	says "no plan file of this release"
	[[ ! -e $work/out/web.pem ]] || fail "a plan that does not hold was applied"
	expect 2 plan --out "$work/plan"
	sed -i 's/"stateId": "[0-9a-f]*"/"stateId": "0123456789abcdef"/' "$work/plan"
	expect 1 apply "$work/plan"
	says "another state"
	expect 1 apply --state "$work/second" "$work/plan"
	says "another state"
	[[ ! -e $work/out/web.pem ]] || fail "a plan that does not hold was applied"
	# Made before there is any state, applied by what makes the first.
	rm -r "$work/state"
	expect 2 plan --out "$work/plan"
	expect 0 apply "$work/plan"
	prints "Applied:"
	prints "in 1 round."
	expect 0 plan
	# The world moves between plan and apply.
	rm "$work/out/web.pem"
	expect 2 plan --out "$work/plan"
	printf 'somebody was here\n' >"$work/out/web.pem"
	expect 1 apply "$work/plan"
	says "what would be done now differs from what was saved"
	grep -q somebody "$work/out/web.pem" || fail "something was done"
	rm "$work/out/web.pem"
	expect 0 apply "$work/plan"
	expect 1 apply "$work/plan"
	says "hint: make a new one"
}

touched_nothing() {
	[[ $(grep -c 'execve(' "$1") -eq 1 ]] || fail "it ran a program: $(grep 'execve(' "$1")"
	! grep -E 'socket\(AF_INET|connect\(' "$1" || fail "it opened a connection"
	! grep -F "$work/password" "$1" || fail "it opened a secret"
	! grep -F "$work/master.key" "$1" || fail "it opened the master key"
	[[ ! -e $work/no-such-state ]] || fail "it made a state"
}

# Another machine: the repository and the snapshot, nothing else; it runs nothing and opens no connection.
elsewhere() {
	local trace=$work/trace there=$work/elsewhere looked
	printf 'hunter\377\n' >"$work/password"
	chmod 0600 "$work/password"
	sed -i "s|format: pem|format: jks\n  passwordRef: {file: $work/password}|; s|web.pem|web.jks|" web.yaml
	commit "a store with a password"
	expect 1 plan
	prints "Keystore web: passwordRef: not valid UTF-8"
	prints_not "to issue"
	printf 'hunter2secret\n' >"$work/password"
	expect 0 apply --yes
	expect 0 observe --out "$work/snapshot"
	! grep -q hunter2secret "$work/snapshot" || fail "the password is in the snapshot"
	! grep -q 'PRIVATE KEY' "$work/snapshot" || fail "a key is in the snapshot"

	sed -i 's/dnsNames: \[localhost\]/dnsNames: [localhost, new.example]/' web.yaml
	cat >>web.yaml <<-END
		---
		apiVersion: certwright/v1
		kind: Keystore
		metadata: {name: sealed}
		spec:
		  format: pkcs12
		  passwordRef: {exec: [/bin/echo, x]}
		  entries: [{alias: web, certificateRef: web}]
		---
		apiVersion: certwright/v1
		kind: Target
		metadata: {name: more}
		spec:
		  host: localhost
		  via: {local: {}}
		  deliver: [{keystoreRef: sealed, path: $work/out/more.p12}]
		  verify: [{tls: {port: 4}}]
	END
	commit "something to review"
	git clone -q --bare "$fleet" "$there"
	printf 'state: %s\n' "$work/no-such-state" >"$work/elsewhere.yaml"

	traced "$trace" --config "$work/elsewhere.yaml" --repo "$there" plan --observed "$work/snapshot" -o json
	[[ $status -eq 1 || $status -eq 2 ]] || fail "plan --observed ended with $status"
	json_is '[a["action"] for a in d["actions"] if a["name"] == "web"]' '["renew"]'
	touched_nothing "$trace"
	looked=$(json 'd["observedAt"]')
	traced "$trace" --config "$work/elsewhere.yaml" --repo "$there" status --observed "$work/snapshot" --check -o json
	[[ $status -eq 2 ]] || fail "status --observed --check ended with $status"
	json_is '[o["verdict"] for o in d["objects"] if o["kind"] == "Target" and o["name"] == "more"]' '["Unknown"]'
	touched_nothing "$trace"
	expect 0 --config "$work/elsewhere.yaml" --repo "$there" status Certificate/web --observed "$work/snapshot"
	prints "Certificate/web"
	expect 1 status --observed "$work/none"
	says "snapshot $work/none"
	expect 1 --now "$looked" --config "$work/elsewhere.yaml" --repo "$there" plan --observed "$work/snapshot" -o json
	cp "$work/stdout" "$work/first"
	expect 1 --now "$looked" --config "$work/elsewhere.yaml" --repo "$there" plan --observed "$work/snapshot" -o json
	cmp "$work/first" "$work/stdout" || fail "two plans over one snapshot differ"
	printf 'not a snapshot\n' >"$work/bad"
	expect 1 plan --observed "$work/bad"
	says "snapshot $work/bad"
}

# What is renamed by the commit that was looked at with is renamed by a plan from that look, too.
renamed() (
	local looked
	export CERTWRIGHT_STATE=$work/other-state
	write_fleet pem "$work/out/another.pem"
	commit "as it began"
	expect 0 apply --yes
	sed -i 's/{name: web, labels/{name: site, formerNames: [web], labels/; s/certificateRef: web/certificateRef: site/
		s/{name: host, labels/{name: machine, formerNames: [host], labels/' web.yaml
	commit "other names"
	expect 0 observe --out "$work/snapshot"
	expect 2 plan --observed "$work/snapshot" -o json
	json_is 'sorted((r["kind"], r["from"], r["to"]) for r in d["renames"])' \
		'[["Certificate", "web", "site"], ["Target", "host", "machine"]]'
	json_is 'd["actions"]' '[]'
	looked=$(json 'd["observedAt"]')
	expect 2 --now "$looked" plan --observed "$work/snapshot"
	cp "$work/stdout" "$work/first"
	expect 2 --now "$looked" plan --recorded
	cmp "$work/first" "$work/stdout" || fail "a snapshot says something else than the look it was taken of"
	prints "2 to rename"
	expect 0 apply --yes
	expect 0 observe --out "$work/snapshot"
	expect 0 plan --observed "$work/snapshot"
	prints_not "to rename"
)

# A server that takes connections and stays silent: looking at it lasts as long as it may.
progress() {
	local port
	port=$(free_port)
	python3 -c '
import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(16)
time.sleep(300)' "$port" &
	pids+=($!)
	wait_for 10 "a silent server on port $port" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
	sed -i "/^  deliver: .*web\./s|\$|\n  verify: [{tls: {port: $port}}]|" web.yaml
	commit "a silent server"
	expect 2 plan
	says_not "Looking"
	on_a_terminal plan
	says "Looking: "
	says "$(printf '\r\033[K')"
	prints_not "Looking"
	prints "Plan: 2 to issue"
	on_a_terminal plan -o json
	says_not "Looking"
	json_is 'd["formatVersion"]' 1.0
	on_a_terminal -q plan
	says_not "Looking"
}

write_fleet pem "$work/out/web.pem"
commit start
cd "$fleet"
progress
sed -i '/^  verify: /d' web.yaml
commit "no server"
json_has_the_keys_of_the_contract
texts
saved_plans
elsewhere
renamed
echo "plans are as promised"
